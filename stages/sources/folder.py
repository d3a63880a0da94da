"""The files of a folder as its user sees them: links followed, and what is named there and not there refused.

The folder is the user's own, and so is where its links lead.
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from stages.core.errors import UserError
from stages.formats import pointer
from stages.formats.file import File

_NO_FOLDER = re.compile(r"\.[a-z][a-z0-9]{0,5}$", re.IGNORECASE)
"""How names of files end ("scan.tiff"), and names of folders do not, nor those of cases ("patient.01")."""


LOCATION = "ingest.location"
"""The key of params.yaml that names most folders."""


@dataclass(frozen=True)
class Absent:
    """A name in a folder whose content is elsewhere. `reason` says why and what to do."""

    name: PurePosixPath
    reason: str


def files(root: Path, belongs: Callable[[PurePosixPath], bool], key: str = LOCATION) -> list[PurePosixPath]:
    """Names below `root` of the files that belong, links to files and folders followed, sorted; no hidden
    ones. key: of params.yaml that names the folder.

    Raises `UserError` where a file that belongs, or what may be a folder of such, is not there: a link that
    leads nowhere, a pointer of git-lfs or git-annex, a .dvc file alone; and where a folder cannot be read.
    """
    names: list[PurePosixPath] = []
    absent: list[Absent] = []
    for name, problem in sorted(_walk(root, PurePosixPath(), [root.resolve()])):
        if problem:
            if belongs(name) or not _NO_FOLDER.search(name.name):
                absent.append(Absent(name, problem))
        elif belongs(name):
            names.append(name)
            if reason := unfetched(root / name):
                absent.append(Absent(name, reason))
    refuse(root, absent, key)
    return names


def unfetched(path: Path) -> str | None:
    """Why a file's content is elsewhere, and what fetches it; None where the file is what it seems."""
    try:
        if path.stat().st_size > pointer.MAX_BYTES:  # of thousands of files nearly all
            return None
    except OSError:
        return None  # who copies it says why
    return File.at(path).unfetched()


def refuse(location: Path, absent: list[Absent], key: str = LOCATION) -> None:
    """Raise `UserError` where the content of some files is elsewhere."""
    if not absent:
        return
    first, *others = absent
    also = f", nor are {len(others)} more" if others else ""
    raise UserError(f"{key} {location}: {first.name} is not there{also}: {first.reason}")


def _walk(root: Path, folder: PurePosixPath, trail: list[Path]) -> Iterator[tuple[PurePosixPath, str]]:
    """Names of files below `root`, each with "" or with why it is not there.

    trail: the real places of the folders that led here. A link to one of them, or to a folder around it,
    would lead in a circle.
    """
    try:
        entries = [entry for entry in os.scandir(root / folder) if not entry.name.startswith(".")]
    except OSError as error:
        raise UserError(
            f"{root / folder} cannot be read ({error.strerror}); change its permissions or remove it"
        ) from None
    present = {entry.name for entry in entries}
    for entry in entries:
        name = folder / entry.name
        is_folder, is_file = _kind(entry)
        if is_folder:
            place = Path(entry.path).resolve() if entry.is_symlink() else trail[-1] / entry.name
            if not (entry.is_symlink() and any(step.is_relative_to(place) for step in trail)):
                yield from _walk(root, name, [*trail, place])
        elif is_file:
            yield name, ""
            tracked = entry.name.removesuffix(".dvc")
            if tracked not in present and not tracked.startswith("."):
                yield folder / tracked, f"only {name}, which says where DVC keeps it; run `dvc pull {name}`"
        elif entry.is_symlink():
            yield name, pointer.dangling(root / name)


def _kind(entry: os.DirEntry[str]) -> tuple[bool, bool]:
    """Whether it is a folder, and whether a file, once links are followed."""
    try:
        return entry.is_dir(), entry.is_file()
    except OSError:  # a link to itself, or into a folder that nobody may enter
        return False, False
