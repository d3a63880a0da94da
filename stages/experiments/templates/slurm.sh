fail() {
  printf 'error: %s\n' "$1" >&2
  exit 2
}
node=$(hostname)
project=$repository/$folder
project=${project%/}

# What must be there before hours are spent.
[ -n "${SLURM_JOB_ID:-}" ] ||
  fail "this is no job; submit it with sbatch"
[ -x "$python" ] ||
  fail "$node has no $python; put the environment where every node sees it, and write this script with it"
"$python" -P -c 'import dvc.repo, torch' ||
  fail "$python does not start on $node, or lacks packages; install brainseg into it"
git -C "$repository" cat-file -e "$commit^{commit}" ||
  fail "$node cannot read commit $commit of $repository; share the folder with the nodes"
mkdir -p -- "$project/.scratch/slurm" ||
  fail "$node cannot write into $project/.scratch; share the folder with the nodes"
{ mkdir -p -- "$cache" && [ -w "$cache" ]; } ||
  fail "$node cannot write into DVC's cache $cache; share it (dvc cache dir) and write this script again"

ref=refs/exps/${commit:0:2}/${commit:2}/$name
if git -C "$repository" show-ref --verify --quiet "$ref"; then
  echo "experiment $name is there already"
  exit
fi

# A clone of its own: DVC locks a project by the process numbers of one machine, and changes its work tree as an
# experiment begins. What jobs share is the cache.
work=$project/.scratch/slurm/$SLURM_JOB_ID
trap 'rm -rf -- "$work"' EXIT
trap 'exit 143' TERM
rm -rf -- "$work"
mkdir -p -- "$work/bin"
git clone --quiet --no-checkout -- "$repository" "$work/clone"
cd -- "$work/clone"
git checkout --quiet --detach "$commit"
for key in user.name user.email; do
  if value=$(git -C "$repository" config "$key"); then git config "$key" "$value"; fi
done
cd -- "./$folder"
if [ -e "$project/.dvc/config.local" ]; then cp -- "$project/.dvc/config.local" .dvc/; fi
"$python" -m dvc cache dir --quiet --local "$cache"

# DVC runs a stage as `python -m stages.<stage>`, and finds this python first. Relative paths in params.yaml,
# checkpoints and MLflow's file are the project's, not the clone's. Training begins on all nodes.
cat >"$work/bin/python" <<'PYTHON'
#!/usr/bin/env bash
set -euo pipefail
export DVC_ROOT=$project
if [ "$*" != "-m stages.train" ] || [ $((nodes * processes)) -eq 1 ]; then exec "$python" "$@"; fi
exec srun --nodes="$nodes" --ntasks="$nodes" --ntasks-per-node=1 --cpus-per-task=$((processes * threads)) \
  --kill-on-bad-exit=1 "$python" -m torch.distributed.run --nnodes="$nodes" --nproc-per-node="$processes" \
  --rdzv-backend=c10d --rdzv-endpoint="$(hostname):$((20000 + SLURM_JOB_ID % 10000))" \
  --rdzv-id="$SLURM_JOB_ID" -m stages.train
PYTHON
chmod +x "$work/bin/python"
export project python PATH="$work/bin:${python%/*}:$PATH"
export OMP_NUM_THREADS=$threads # as many there as here, for the same bytes

"$python" -m dvc exp run --temp --name "$name" "${words[@]}"
"$python" -m dvc exp push --quiet --no-cache origin "$name"
echo "experiment $name is in $project"
