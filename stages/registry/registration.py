"""A version of the committed model: an annotated git tag that others get it by, and an entry in MLflow's
registry.
"""

from dataclasses import dataclass

from stages.core import git
from stages.core.errors import UserError
from stages.experiments import revision
from stages.inference import onnx_predictor
from stages.inference.spec import Spec
from stages.project.paths import HERE
from stages.registry import projects
from stages.registry.projects import ARTIFACT
from stages.registry.versions import VERSION


@dataclass(frozen=True)
class Registration:
    """A version in both places. tag: git's. commit: in full. entry: MLflow's own number of it."""

    version: str
    tag: str
    commit: str
    entry: str

    def lines(self) -> list[str]:
        """What was registered, and how it gets to others."""
        return [
            f"{ARTIFACT} {self.version} is commit {self.commit[:7]}, and models:/{ARTIFACT}/{self.entry} in "
            "MLflow",
            f"hand it on: dvc push && git push origin {self.tag}",
        ]


def register(version: str) -> Registration:
    """Register the committed model, or what is missing of an earlier registration of the same commit.

    Raises `UserError` where `version` is none or is something else already, and where the model is not that
    of HEAD. The tag comes last: without MLflow there is none.
    """
    if not VERSION.fullmatch(version):
        raise UserError(f"{version} is no version; write it as v1.0.0")
    commit = revision.resolve("HEAD").commit
    project = projects.folder(HERE.project)
    tagged = _tagged(project, version, commit)
    _refuse_uncommitted()
    _refuse_stale()
    entry = _entry(version, commit, onnx_predictor.open_model(HERE.export).spec)
    if not tagged:
        _tag(projects.tag(project, version), version, commit)
    return Registration(version, projects.tag(project, version), commit, entry)


def _entry(version: str, commit: str, spec: Spec) -> str:
    """MLflow's number of the version, which it gets where it has none."""
    from stages.registry import mlflow_registry  # loads torch, which takes seconds

    tags = {
        mlflow_registry.VERSION: version,
        "git_revision": commit,
        "data_hash": spec.data_hash,
        mlflow_registry.MODEL_HASH: spec.model_hash,
    }
    entry = mlflow_registry.find(HERE.project, ARTIFACT, version)
    if entry is None:
        entry = mlflow_registry.add(HERE.project, ARTIFACT, HERE.onnx, tags)
    elif (other := entry.tags.get("git_revision", "unknown")) != commit:
        raise UserError(f"MLflow has {version} of {ARTIFACT} from commit {other[:7]}; take another version")
    return str(entry.version)


def _tagged(project: str, version: str, commit: str) -> bool:
    """Whether the version is this commit already. Raises `UserError` where one of both is something else."""
    from scmrepo.git import Git

    scm = Git()
    try:
        known = projects.registered(scm).get(project, {})
        tags = scm.list_tags()
    finally:
        scm.close()
    if known.get(version) == commit:
        return True
    if version in known:
        raise UserError(f"{version} is commit {known[version][:7]} already; take another version")
    if (tag := projects.tag(project, version)) in tags:
        raise UserError(f"there is a tag {tag}, withdrawn or not annotated; take another version")
    for other, of in known.items():
        if of == commit:
            raise UserError(f"this commit is {other} already; commit a change before you register {version}")
    return False


def _refuse_uncommitted() -> None:
    """Raises `UserError` where the work tree is not what HEAD has, here and below."""
    entries = git.text("status", "--porcelain", "-z", "--untracked-files=all", "--", ".").split("\0")
    changed = [entry[3:] for entry in entries if entry]
    if changed:
        more = f" and {len(changed) - 1} more" if changed[1:] else ""
        raise UserError(
            f"{changed[0]}{more} is not committed; commit or remove it, then register the version"
        )


def _refuse_stale() -> None:
    """Raises `UserError` where the outs are not those of HEAD's code, params and dvc.lock."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            # What lies outside belongs to other projects of the repository; a stage that always runs is stale
            # only through what it wrote.
            stale = [
                name
                for name, reasons in repo.status().items()
                if not name.startswith("..") and reasons != ["always changed"]
            ]
    except DvcException as error:
        raise UserError(
            f"DVC cannot say whether the model is up to date ({error}); see `dvc status`"
        ) from None
    if stale:
        raise UserError(
            f"{', '.join(stale)} {'is' if len(stale) == 1 else 'are'} not up to date with what is committed; "
            "run `dvc repro` (or `dvc pull`), commit what it writes, then register the version"
        )


def _tag(tag: str, version: str, commit: str) -> None:
    """Make the annotated tag that GTO and DVC read, by git itself, which knows who signs and how."""
    message = f"Registering artifact {ARTIFACT} version {version}"  # GTO's words
    done = git.run("tag", "--annotate", "--message", message, tag, commit)
    if done.returncode:
        raise UserError(
            f"the tag {tag} cannot be made ({git.reason(done, -1)}); put that right and run this again"
        )
