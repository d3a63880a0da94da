"""Bring the files of a source into a folder of ours, from a folder or an archive, and trust neither."""

import errno
import lzma
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from stages.errors import UserError
from stages.sources.source import Source

MAX_RATIO = 200
"""Expansion of one archive entry above which it is taken for a bomb; MRI slices compress about 3 times."""
HARMLESS_BYTES = 1 << 20
"""Entries up to this size may expand more: the blank masks of the real LGG archive, 65 KB each, expand 376
times.
"""
MAX_BYTES = 512 * 2**30
"""Sum of the unpacked sizes an archive may claim, 512 GiB; BraTS 2023, the largest source, unpacks to about
50 GB.
"""

_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(EOFError, NotImplementedError, RuntimeError, ValueError),
)
"""What `zipfile` raises at damaged bytes, besides `OSError`."""


def bring(source: Source, location: Path, into: Path) -> None:
    """Copy or unpack the files `source` wants from `location` (a folder or a .zip) into the folder `into`.

    Files are copied, not hard-linked: with `cache.type hardlink` DVC makes the linked file itself read-only
    and part of its cache, which would turn the user's originals into cache entries. Raises `UserError` for a
    missing or foreign location, an archive that is damaged, or one that is out to do harm.
    """
    if not location.exists():
        raise UserError(f"ingest.location {location} does not exist; set it to a folder or a .zip that does")
    if location.is_dir():
        found = _copy(source, location, into)
    elif zipfile.is_zipfile(location):
        found = _unpack(source, location, into)
    else:
        raise UserError(
            f"ingest.location {location} is neither a folder nor a zip archive; unpack or download it again"
        )
    if not found:
        what = "the folder" if location.is_dir() else "the archive"
        raise UserError(
            f"ingest.location {location}: {what} holds no scans of source {source.name} ({source.layout}); "
            "check ingest.source and ingest.location"
        )


def _copy(source: Source, location: Path, into: Path) -> int:
    found = 0
    for path in sorted(location.rglob("*")):
        relative = PurePosixPath(path.relative_to(location).as_posix())
        if path.is_file() and source.wanted(relative):
            target = into / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(path, target)
            except PermissionError:
                raise UserError(f"{path} cannot be read; change its permissions or remove it") from None
            found += relative.suffix.lower() != ".csv"
    return found


def _unpack(source: Source, location: Path, into: Path) -> int:
    found = 0
    with _open(location) as archive:
        for entry, relative in _safe_entries(archive, location):
            if not source.wanted(relative):
                continue
            target = into / relative
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as packed, target.open("wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked, 1 << 20)
            except (*_DAMAGED, OSError) as error:
                if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                    raise
                raise UserError(
                    f"{location}: {entry.filename} cannot be unpacked ({error}); download the archive again"
                ) from None
            found += relative.suffix.lower() != ".csv"
    return found


def _open(location: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(location)
    except (*_DAMAGED, OSError) as error:
        raise UserError(f"{location} is a damaged zip archive ({error}); download it again") from None


def _safe_entries(
    archive: zipfile.ZipFile, location: Path
) -> Iterator[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """The files of an archive, after every entry has been checked: one bad entry refuses it whole."""
    files = []
    for entry in archive.infolist():
        name = entry.filename.replace("\\", "/")
        relative = PurePosixPath(name)
        if relative.is_absolute() or ".." in relative.parts or ":" in name.split("/")[0]:
            raise UserError(
                f"{location}: entry {entry.filename} would leave its folder; the archive is refused"
            )
        mode = entry.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise UserError(
                f"{location}: entry {entry.filename} is a link or a device; the archive is refused"
            )
        if entry.flag_bits & 1:
            raise UserError(
                f"{location}: entry {entry.filename} is encrypted; "
                "unpack the archive and set ingest.location to its folder"
            )
        if entry.file_size > max(MAX_RATIO * entry.compress_size, HARMLESS_BYTES):
            raise UserError(
                f"{location}: entry {entry.filename} expands over {MAX_RATIO} times; the archive is refused"
            )
        if not entry.is_dir():
            files.append((entry, relative))
    if sum(entry.file_size for entry, _ in files) > MAX_BYTES:
        raise UserError(f"{location} unpacks to more than {MAX_BYTES >> 30} GiB; the archive is refused")
    yield from sorted(files, key=lambda file: file[0].filename)
