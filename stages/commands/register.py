"""Make the committed model a version: a git tag that others get it by, and an entry in MLflow's registry.

brainseg register v1.0.0          # about 10 s; then `dvc push` and `git push origin tumour-segmenter@v1.0.0`

Run again after an interruption it does what is missing.
"""

import subprocess
from typing import Annotated

import typer

from stages.core import errors
from stages.core.errors import UserError
from stages.experiments import revision
from stages.inference import onnx_predictor
from stages.project.paths import HERE
from stages.registry import versions
from stages.registry.versions import ARTIFACT

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    version: Annotated[str, typer.Argument(help="v1.0.0, v1.1.0 and so on.", show_default=False)],
) -> None:
    """Register the committed model as a version, in git and in MLflow."""
    if not versions.VERSION.fullmatch(version):
        raise UserError(f"{version} is no version; write it as v1.0.0")
    commit = revision.resolve("HEAD").commit
    tagged = unused(version, commit)
    committed()
    up_to_date()
    model = onnx_predictor.open_model(HERE.export)
    from stages.registry import mlflow_registry  # loads torch, which takes seconds

    root = HERE.project
    tags = {
        mlflow_registry.VERSION: version,
        "git_revision": commit,
        "data_hash": model.spec.data_hash,
        mlflow_registry.MODEL_HASH: model.spec.model_hash,
    }
    entry = mlflow_registry.find(root, ARTIFACT, version)
    if entry is None:
        entry = mlflow_registry.add(root, ARTIFACT, HERE.onnx, tags)
    elif (other := entry.tags.get("git_revision", "unknown")) != commit:
        raise UserError(f"MLflow has {version} of {ARTIFACT} from commit {other[:7]}; take another version")
    if not tagged:
        tag(version, commit)
    print(f"{ARTIFACT} {version} is commit {commit[:7]}, and models:/{ARTIFACT}/{entry.version} in MLflow")
    print(f"hand it on: dvc push && git push origin {ARTIFACT}@{version}")


def unused(version: str, commit: str) -> bool:
    """Whether the version is this commit already. Raises `UserError` where one of both is something else."""
    from scmrepo.git import Git

    scm = Git()
    try:
        known = versions.registered(scm)
        tags = scm.list_tags()
    finally:
        scm.close()
    if known.get(version) == commit:
        return True
    if version in known:
        raise UserError(f"{version} is commit {known[version][:7]} already; take another version")
    if f"{ARTIFACT}@{version}" in tags:
        raise UserError(
            f"there is a tag {ARTIFACT}@{version}, withdrawn or not annotated; take another version"
        )
    for other, of in known.items():
        if of == commit:
            raise UserError(f"this commit is {other} already; commit a change before you register {version}")
    return False


def committed() -> None:
    """Raises `UserError` where the work tree is not what HEAD has."""
    asked = ["git", "status", "--porcelain", "-z", "--untracked-files=all"]
    told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    changed = [entry[3:] for entry in told.split("\0") if entry]
    if changed:
        more = f" and {len(changed) - 1} more" if changed[1:] else ""
        raise UserError(
            f"{changed[0]}{more} is not committed; commit or remove it, then register the version"
        )


def up_to_date() -> None:
    """Raises `UserError` where the outs are not those of HEAD's code, params and dvc.lock."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            stale = repo.status()
    except DvcException as error:
        raise UserError(
            f"DVC cannot say whether the model is up to date ({error}); see `dvc status`"
        ) from None
    if stale:
        raise UserError(
            f"{', '.join(stale)} {'is' if len(stale) == 1 else 'are'} not up to date with what is committed; "
            "run `dvc repro` (or `dvc pull`), commit what it writes, then register the version"
        )


def tag(version: str, commit: str) -> None:
    """Make the annotated tag that GTO and DVC read, by git itself, which knows who signs and how."""
    message = f"Registering artifact {ARTIFACT} version {version}"  # GTO's words
    making = ["git", "tag", "--annotate", "--message", message, f"{ARTIFACT}@{version}", commit]
    done = subprocess.run(making, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["git tells no reason"])[-1]
        raise UserError(
            f"the tag {ARTIFACT}@{version} cannot be made ({reason}); put that right and run this again"
        )


if __name__ == "__main__":
    errors.run(app)
