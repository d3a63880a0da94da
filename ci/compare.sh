#!/usr/bin/env bash
# Tests the project, runs the pipeline, and compares its results with those of another revision: what
# .github/workflows/compare.yml runs. On any other machine, in a clone with an active Python environment:
#
#     ci/compare.sh all origin/main
#     ci/compare.sh install | test | pipeline | compare REVISION [OPTIONS OF brainseg compare]
#
# comparison.md, comparison.json and the report are left in .scratch/ci/. Status 1 where the results are worse.
set -euo pipefail
cd "$(dirname "$0")/.."
out=.scratch/ci

install() {
  python -m pip install --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
}

run_tests() {
  python -m pytest
}

pipeline() {
  # The default remote, `local`, is a folder of the machine that pushed to it.
  if dvc remote list | grep '(default)' | grep -qv '^local\s'; then
    # Downloads only what a changed stage reads: nothing, where dvc.lock is up to date.
    dvc repro --pull --allow-missing export
    # The report reads folders that git has a part of, which DVC takes for changed and not for missing.
    dvc pull validate split augment evaluate export
    dvc pull models/model.json # apart: beside a path, DVC 3.67 passes over the names of stages
    dvc repro --pull --single-item report
    mkdir -p "$out"
    cp reports/index.html "$out/report.html"
  else
    smoke
  fi
}

# Without a remote there are no data here: every stage runs once, in a clone, on a few small generated scans.
smoke() {
  rm -rf "$out/smoke"
  git clone --quiet . "$out/smoke"
  (
    cd "$out/smoke"
    git config user.name ci
    git config user.email ci@localhost
    dvc exp run -S ingest.source=sample -S ingest.location=null -S ingest.limit=8 -S preprocess.size=64 \
      -S preprocess.channels=all -S split.strategy=patient -S split.folds=null \
      -S train.epochs=1 -S train.encoder_weights=null -S train.devices=1
  )
  cp "$out/smoke/reports/index.html" "$out/smoke-report.html"
  rm -rf "$out/smoke"
}

compare() {
  local base=$1 head=HEAD status=0
  shift
  mkdir -p "$out"
  rm -f "$out"/comparison.*
  # What the pipeline has just measured is not committed: take a commit of it, one that is on no branch.
  git diff --quiet HEAD || head=$(git -c user.name=ci -c user.email=ci@localhost stash create)
  brainseg compare "$@" --out "$out/comparison.md" -- "$base" "$head" || status=$?
  if [ "$status" -lt 2 ]; then
    brainseg compare "$@" --format json --out "$out/comparison.json" -- "$base" "$head" >/dev/null || true
  fi
  return "$status"
}

case "${1:-}" in
  install | pipeline) "$1" ;;
  test) run_tests ;;
  compare) compare "${@:2}" ;;
  all)
    install
    run_tests
    pipeline
    compare "${@:2}"
    ;;
  *)
    echo "usage: ci/compare.sh install | test | pipeline | compare REVISION | all REVISION" >&2
    exit 2
    ;;
esac
