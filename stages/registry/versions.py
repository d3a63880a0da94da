"""Which model `--model` names: a file or folder, or a version that a project has registered.

`<repository>@v1.0.0` is the artefact `tumour-segmenter` at the repository's git tag `tumour-segmenter@v1.0.0`
(GTO's format, which `dvc artifacts get` reads as well). Where the project is a folder of a larger repository,
`<repository>` may be that folder, the repository if no other project in it has the version, or
`<repository>#<folder>`. It is downloaded once, from the repository's DVC remote into the user's cache.
"""

import errno
import hashlib
import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.core import atomic, git, holding
from stages.core.errors import UserError
from stages.registry import projects
from stages.registry.projects import ARTIFACT

VERSION = re.compile(r"v(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}(-[0-9A-Za-z.-]+)?")
_REMOTE = re.compile(r"[A-Za-z][\w+.-]*://|[\w.-]+@[\w.-]+:")
"""How the address of a repository elsewhere begins: https://, ssh://, git@host:"""


@dataclass(frozen=True)
class _Part:
    """What of a version is downloaded. cache: the folder that it is kept in, below the user's cache; above:
    whether it lies in the folder above the artefact. files: those that are known, the first is needed.
    """

    cache: str
    files: tuple[str, ...]
    above: bool = False


_EXPORT = _Part("models", ("model.onnx", "model.int8.onnx", "spec.json", "model_card.md", "seen.npy"))
_TRAINED = _Part("trained", ("model.safetensors", "model.json", "seen.npy"), above=True)
_LARGEST = 2 << 30
"""Bytes of a file; ONNX files end there."""
_CHUNK = 1 << 20


def locate(named: str) -> Path:
    """Path of the model that `--model` names; a version is downloaded where it is not in the cache.

    Raises `UserError` where the repository, the version or its files cannot be had.
    """
    path = Path(named)
    repository, _, version = named.rpartition("@")
    if path.exists():
        return path
    if repository and VERSION.fullmatch(version):
        return _held(repository, version, _EXPORT)
    if "/" in version or ":" in version:  # what is behind an @ belongs to the address, or there is none
        repository, version = named, ""
    if not _REMOTE.match(repository) and not (version and repository and Path(repository).is_dir()):
        return path
    wrong = f"{version} is no version" if version else f"{named} names no version"
    raise UserError(f"{wrong}; write {repository}@v1.0.0")


def trained(named: str, project: Path) -> Path:
    """Folder of the trained network that `train.initial` names: that of a version, downloaded where it is not
    in the cache, or a folder. Paths are relative to `project`.

    Raises `UserError` where the repository, the version or its files cannot be had.
    """
    repository, _, version = named.rpartition("@")
    if not repository or not VERSION.fullmatch(version):
        return project / Path(named).expanduser()
    own = project / Path(repository).expanduser()
    return _held(str(own) if own.is_dir() else repository, version, _TRAINED)


def _held(repository: str, version: str, part: _Part) -> Path:
    """Folder of a version in the cache, downloaded where it is not there."""
    import platformdirs

    place = _place(repository)
    key = hashlib.sha256(str(place).encode()).hexdigest()[:16]
    folder = platformdirs.user_cache_path("brainseg") / part.cache / key / version
    # A version stands for one commit for good. Where it costs no network that is looked up nevertheless.
    commits = _tagged(place, version) if Path(place.address).is_dir() else set()
    with holding.locked(folder):
        held = [path for path in folder.iterdir() if not path.name.startswith(".")]
        for path in held:
            if not commits or commits == {path.name}:
                return path
        return _download(place, version, folder, part)


@dataclass(frozen=True)
class _Place:
    """address: of a git repository. project: the folder in it that a user named, None for whichever has the
    version.
    """

    address: str
    project: str | None = None

    def __str__(self) -> str:
        return self.address if self.project is None else f"{self.address}#{self.project}"


def _place(repository: str) -> _Place:
    """Where `<repository>`, or `<repository>#<folder of a project in it>`, is."""
    if Path(repository).is_dir():
        path = Path(repository).resolve()
        project = projects.folder(path)
        return _Place(str(path.parents[project.count("/")]), project) if project else _Place(str(path))
    address, hash_sign, project = repository.rpartition("#")
    if not hash_sign:
        return _Place(repository)
    place = _place(address)
    return _Place(place.address, project.strip("/"))


def _tagged(place: _Place, version: str) -> set[str]:
    """The commits that tags of a version name in a repository on this machine: one for each project that has
    it, none where git knows none.
    """
    names = ["", "**/*="] if place.project is None else [f"{place.project}=" if place.project else ""]
    refs = [f"refs/tags/{name}{ARTIFACT}@{version}" for name in names]
    # A tag is an object, and that names a commit; of tags that are none the second word is empty.
    form = "--format=%(*objectname)"
    return set((git.answer("for-each-ref", form, *refs, folder=Path(place.address)) or "").split())


def _download(place: _Place, version: str, folder: Path, of: _Part) -> Path:
    """Write a version's files to a folder named after its commit."""
    from dvc.repo import Repo
    from dvc.repo.open_repo import clean_repos

    logging.getLogger("dvc").setLevel(logging.CRITICAL)  # what goes wrong is raised
    try:
        with (
            _readable(place.address),
            Repo.open(place.address, subrepos=True, uninitialized=True) as repo,
        ):
            project, commit = _commit(place, repo, version)
            with repo.switch(commit):
                artefact = Path(_artifact(place, repo, project, version))
                path = "/" + (artefact.parent if of.above else artefact).as_posix()
                with _reached(f"{version} of {place}"), atomic.directory(folder / commit) as part:
                    _copy(repo.dvcfs, path, part, of.files)
    finally:
        clean_repos()
    return folder / commit


def _commit(place: _Place, repo: Any, version: str) -> tuple[str, str]:
    """The project that a version is of, and its commit."""
    if repo.artifacts.scm is None:
        raise UserError(f"{place} is a folder without a git repository; name that of a project")
    registered = projects.registered(repo.scm)
    if place.project is not None:
        registered = {place.project: registered.get(place.project, {})}
    having = {project: versions[version] for project, versions in registered.items() if version in versions}
    if len(having) == 1:
        return next(iter(having.items()))
    if having:
        folders = " and ".join(project or "its root" for project in having)
        named = f"{place.address}#{next(filter(None, having))}@{version}"
        raise UserError(f"{place} has {version} of the projects in {folders}; name one: {named}")
    tag = projects.tag(place.project or "", version)
    if f"{tag}!" not in (tags := repo.scm.list_tags()) and tag in tags:
        raise UserError(f"the tag {tag} of {place} is no annotated one; `brainseg register` makes it")
    known = ", ".join(
        f"{version} in {project}" if project and place.project is None else version
        for project, versions in registered.items()
        for version in versions
    )
    known = f"it has {known}" if known else "`brainseg register` makes one"
    raise UserError(f"{place} has no version {version} of {ARTIFACT}; {known}")


def _artifact(place: _Place, repo: Any, project: str, version: str) -> str:
    """Path of the artefact from the repository's root, as the switched repository has it."""
    from dvc.exceptions import ArtifactNotFoundError, NotDvcRepoError
    from dvc.repo import Repo

    try:
        if not project:
            return str(repo.artifacts.get_path(ARTIFACT))
        # A folder may be a DVC project of its own, whose dvc.yaml the outer one does not read.
        inner = repo.fs.join(repo.fs.root_marker, *project.split("/"))
        with Repo(inner, fs=repo.fs, scm=repo.scm) as own:
            return str(own.artifacts.get_path(projects.artifact(project)))
    except (ArtifactNotFoundError, NotDvcRepoError):
        where = f"{project}/dvc.yaml" if project else "dvc.yaml"
        raise UserError(
            f"{version} of {place} has no artifact {ARTIFACT} in its {where}; name another version"
        ) from None


def _copy(fs: Any, path: str, folder: Path, known: tuple[str, ...]) -> None:
    """Copy the known files of a folder from DVC's file system, as they were tracked."""
    listed = {entry["name"].rpartition("/")[2]: entry for entry in fs.ls(path, detail=True)}
    names = [name for name in known if name in listed]
    if known[0] not in names:
        raise UserError(f"{path.lstrip('/')} holds no {known[0]} there; name another version")
    with _bar(names) as advance:
        for name in names:
            digest = hashlib.md5(usedforsecurity=False)
            with fs.open(listed[name]["name"], "rb") as source, (folder / name).open("wb") as target:
                while chunk := source.read(_CHUNK):
                    digest.update(chunk)
                    target.write(chunk)
                    if target.tell() > _LARGEST:
                        raise UserError(f"{name} there is larger than {_LARGEST >> 30} GiB; it is no model")
                    advance(len(chunk))
            if digest.hexdigest() != listed[name].get("md5", digest.hexdigest()):
                raise UserError(f"{name} on the DVC remote is damaged; `dvc push` it again")


@contextmanager
def _bar(names: list[str]) -> Iterator[Callable[[int], None]]:
    """A progress bar in bytes, where somebody watches."""
    from rich import progress

    columns = (progress.TextColumn("{task.description}"), progress.DownloadColumn())
    with progress.Progress(*columns, transient=True, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task(f"download {', '.join(names)}", total=None)
        yield lambda size: bar.advance(task, size)


def _readable(repository: str) -> AbstractContextManager[None]:
    """What opening and reading a repository may raise becomes a sentence."""
    return _failing_as(
        lambda error: (
            f"{repository} cannot be read as the git repository of a DVC project ({_reason(error)}); name "
            "its folder or an address that you can clone"
        )
    )


def _reached(what: str) -> AbstractContextManager[None]:
    """The same for the DVC remote."""

    def sentence(error: Exception) -> str:
        # Of a server that cannot be reached fsspec says "not found" as well, for another cause.
        causes = [cause for cause in _chain(error) if isinstance(cause, OSError)]
        if causes and all(isinstance(cause, FileNotFoundError) for cause in causes):
            return f"the files of {what} are not on its DVC remote; was it pushed there? `dvc push`"
        return (
            f"the files of {what} cannot be had from its DVC remote ({_reason(error)}); see that it can be "
            "reached, then run this again"
        )

    return _failing_as(sentence)


@contextmanager
def _failing_as(sentence: Callable[[Exception], str]) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # each transport of git and each kind of remote has classes of its own
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        raise UserError(sentence(error)) from None


def _chain(error: BaseException) -> list[BaseException]:
    chain = [error]
    while (earlier := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(earlier)
    return chain


def _reason(error: BaseException) -> str:
    """The first line of the cause of all."""
    text = str(_chain(error)[-1]).strip() or type(_chain(error)[-1]).__name__
    return text.splitlines()[0][:160]
