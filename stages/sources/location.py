"""Bring the files of a source into a folder of ours, from a folder or an archive, and trust neither."""

import shutil
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from stages.core import workers
from stages.core.errors import UserError
from stages.formats import pointer
from stages.sources import archive, folder
from stages.sources.source import Source

Progress = Callable[[Sequence[Any]], Iterable[Any]]
"""Hands out the items of a list while it shows how far it is."""


def bring(
    source: Source, location: Path, into: Path, progress: Progress = iter, key: str = folder.LOCATION
) -> None:
    """Copy or unpack the files `source` wants from `location` (a folder or a .zip) into the folder `into`.
    key: of params.yaml that names the location.

    Files are copied, not hard-linked: with `cache.type hardlink` DVC makes the linked file itself read-only
    and part of its cache, which would turn the user's originals into cache entries. Raises `UserError` for a
    missing or foreign location, an archive that is damaged, or one that is out to do harm.
    """
    if location.is_dir():
        names = _copy(source, location, into, progress, key)
    elif zipfile.is_zipfile(location):
        names = _unpack(source, location, into, progress)
    else:
        raise UserError(f"{key} {location} {unusable(location)}")
    if all(name.suffix.lower() in (".csv", ".json") for name in names):
        what = "the folder" if location.is_dir() else "the archive"
        raise UserError(
            f"{key} {location}: {what} holds no scans of source {source.name} ({source.layout}); "
            f"check {'ingest.source and ' if key == folder.LOCATION else ''}{key}"
        )


def unusable(location: Path) -> str:
    """What is wrong with a location that is neither a folder nor an archive, and what to do."""
    if location.is_file():
        return folder.unfetched(location) or (
            "is neither a folder nor a zip archive; unpack or download it again"
        )
    tracked = location.with_name(f"{location.name}.dvc")
    if tracked.is_file():
        return f"is not there, only {tracked.name}, which says where DVC keeps it; run `dvc pull {tracked}`"
    if location.is_symlink():
        return f"is not there: {pointer.dangling(location)}"
    return "does not exist; set it to a folder or a .zip that does"


def belongs(source: Source, relative: PurePosixPath) -> bool:
    """Whether a file belongs to the data set; never what macOS leaves in folders and archives."""
    if archive.is_hidden(relative) or not source.belongs(relative):
        return False
    # Control characters, and halves of characters: a name that is not UTF-8.
    if {unicodedata.category(sign) for sign in str(relative)} & {"Cc", "Cs"}:
        raise UserError(f"the file name {str(relative)!r} has signs that no table can hold; rename the file")
    return True


def _copy(source: Source, location: Path, into: Path, progress: Progress, key: str) -> list[PurePosixPath]:
    chosen = folder.files(location, partial(belongs, source), key)
    for name in progress(chosen):
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(location / name, target)
        except PermissionError:
            raise UserError(
                f"{location / name} cannot be read; change its permissions or remove it"
            ) from None
    return chosen


def _unpack(source: Source, location: Path, into: Path, progress: Progress) -> list[PurePosixPath]:
    entries = archive.entries(location, partial(belongs, source), into)
    with workers.pool() as pool:
        jobs = [pool.submit(archive.extract, location, part, into) for part in archive.parts(entries)]
        try:
            for job in progress(jobs):
                job.result()
        finally:
            pool.shutdown(cancel_futures=True)
    reasons = {name: folder.unfetched(into / name) for name in sorted(entries)}
    folder.refuse(location, [folder.Absent(name, reason) for name, reason in reasons.items() if reason])
    return list(entries)
