"""Bring the files of a source into a folder of ours, from a folder or an archive, and trust neither."""

import copy
import errno
import lzma
import shutil
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from imagecodecs import DeflateError, deflate_crc32, deflate_decode

from stages.core import workers
from stages.core.errors import UserError
from stages.formats import formats, pointer
from stages.scan.header import MAX_NUMBERS
from stages.sources import folder
from stages.sources.source import Source

MAX_RATIO = 200
"""Expansion above which what is larger than the harmless sizes below is taken for a bomb; MRI slices compress
about 3 times, and deflate 1,032 times at most.
"""
HARMLESS_BYTES = 1 << 20
"""A table or annotation file up to this size may expand as far as it likes."""
HARMLESS_SCAN_BYTES = 8 * MAX_NUMBERS + HARMLESS_BYTES
"""So may a scan or a mask of the largest size that is read at all, as float64 with a header, 2 GiB: masks,
and volumes without a head in them, are nearly all zero whatever their dtype, and expand 300 to 1,000 times.
"""
HARMLESS_ARCHIVE_BYTES = 2 * HARMLESS_SCAN_BYTES
"""And an archive of such a scan and its mask; larger ones must as a whole keep to `MAX_RATIO`."""
MAX_BYTES = 512 * 2**30
"""Sum of the unpacked sizes an archive may claim, 512 GiB; BraTS 2023, the largest source, unpacks to about
50 GB.
"""
PORTION_BYTES = 16 << 20
"""What a worker unpacks at a time: enough to be worth the message, little enough for a smooth progress bar.
"""
WHOLE_BYTES = 64 << 20
"""Entries up to this size are inflated in one piece in memory, by libdeflate, in half the time of zlib."""

_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(EOFError, NotImplementedError, RuntimeError, ValueError),
)
"""What `zipfile` raises at damaged bytes, besides `OSError`."""


Progress = Callable[[Sequence[Any]], Iterable[Any]]
"""Hands out the items of a list while it shows how far it is."""


def bring(source: Source, location: Path, into: Path, progress: Progress = iter) -> None:
    """Copy or unpack the files `source` wants from `location` (a folder or a .zip) into the folder `into`.

    Files are copied, not hard-linked: with `cache.type hardlink` DVC makes the linked file itself read-only
    and part of its cache, which would turn the user's originals into cache entries. Raises `UserError` for a
    missing or foreign location, an archive that is damaged, or one that is out to do harm.
    """
    if location.is_dir():
        names = _copy(source, location, into, progress)
    elif zipfile.is_zipfile(location):
        names = _unpack(source, location, into, progress)
    else:
        raise UserError(f"ingest.location {location} {_unusable(location)}")
    if all(name.suffix.lower() in (".csv", ".json") for name in names):
        what = "the folder" if location.is_dir() else "the archive"
        raise UserError(
            f"ingest.location {location}: {what} holds no scans of source {source.name} ({source.layout}); "
            "check ingest.source and ingest.location"
        )


def _unusable(location: Path) -> str:
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


def _belongs(source: Source, relative: PurePosixPath) -> bool:
    """Whether a file belongs to the data set; never what macOS leaves in folders and archives."""
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in relative.parts)
    if hidden or not source.belongs(relative):
        return False
    # Control characters, and halves of characters: a name that is not UTF-8.
    if {unicodedata.category(sign) for sign in str(relative)} & {"Cc", "Cs"}:
        raise UserError(f"the file name {str(relative)!r} has signs that no table can hold; rename the file")
    return True


def _copy(source: Source, location: Path, into: Path, progress: Progress) -> list[PurePosixPath]:
    chosen = folder.files(location, lambda name: _belongs(source, name))
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
    with _open(location) as archive:
        # By name: an archive that holds a name twice means the later one, as other tools read it.
        entries = {name: entry for entry, name in _safe_entries(archive, location) if _belongs(source, name)}
    _refuse_bombs(location, entries, shutil.disk_usage(into.parent).free)
    try:
        for parent in {(into / name).parent for name in entries}:
            parent.mkdir(parents=True, exist_ok=True)
        with workers.pool() as pool:
            jobs = [pool.submit(_extract, location, part, into) for part in _parts(entries)]
            try:
                for job in progress(jobs):
                    job.result()
            finally:
                pool.shutdown(cancel_futures=True)
    except (NotADirectoryError, FileExistsError, IsADirectoryError):
        raise UserError(
            f"{location} uses one name for a file and a folder; "
            "unpack it and set ingest.location to the folder"
        ) from None
    reasons = {name: folder.unfetched(into / name) for name in sorted(entries)}
    folder.refuse(location, [folder.Absent(name, reason) for name, reason in reasons.items() if reason])
    return list(entries)


Entries = dict[PurePosixPath, zipfile.ZipInfo]


def _refuse_bombs(location: Path, entries: Entries, free_bytes: int) -> None:
    """Raise `UserError` where what is to be unpacked is more than scans are, for what it is packed into, or
    more than the disk has room for.
    """
    for name, entry in entries.items():
        harmless = HARMLESS_SCAN_BYTES if formats.suffix_of(name.name) else HARMLESS_BYTES
        if entry.file_size > max(MAX_RATIO * entry.compress_size, harmless):
            raise UserError(
                f"{location}: entry {entry.filename} expands over {MAX_RATIO} times; the archive is refused"
            )
    whole = sum(entry.file_size for entry in entries.values())
    packed = sum(entry.compress_size for entry in entries.values())
    if whole > max(MAX_RATIO * packed, HARMLESS_ARCHIVE_BYTES):
        raise UserError(f"{location} expands over {MAX_RATIO} times; the archive is refused")
    if whole > MAX_BYTES:
        raise UserError(f"{location} unpacks to more than {MAX_BYTES >> 30} GiB; the archive is refused")
    if whole > free_bytes:
        raise UserError(
            f"{location} unpacks to {whole / 2**30:.3g} GiB, and {free_bytes / 2**30:.3g} GiB are free here; "
            "free some space"
        )


def _parts(entries: Entries) -> Iterator[Entries]:
    """Entries in the archive's order, a worker's portion at a time."""
    part: Entries = {}
    size, whole = 0, sum(entry.file_size for entry in entries.values())
    for name, entry in entries.items():
        part[name] = entry
        size += entry.file_size
        if size >= min(PORTION_BYTES, whole / 8):
            yield part
            part, size = {}, 0
    if part:
        yield part


def _extract(location: Path, entries: Entries, into: Path) -> None:
    with _open(location) as archive:
        for name, entry in entries.items():
            try:
                if entry.compress_type == zipfile.ZIP_DEFLATED and entry.file_size <= WHOLE_BYTES:
                    (into / name).write_bytes(_inflated(archive, entry))
                    continue
                with archive.open(entry) as packed, (into / name).open("wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked, 1 << 20)
            except (*_DAMAGED, OSError) as error:
                if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EISDIR):
                    raise
                raise UserError(
                    f"{location}: {entry.filename} cannot be unpacked ({error}); download the archive again"
                ) from None


def _inflated(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes | bytearray:
    # As a stored entry without a checksum `zipfile` hands out the bytes as they lie in the archive.
    packed = copy.copy(entry)
    packed.compress_type, packed.file_size = zipfile.ZIP_STORED, entry.compress_size
    del packed.CRC
    with archive.open(packed) as stream:
        deflated = stream.read()
    try:
        content = deflate_decode(deflated, raw=True, out=entry.file_size) if entry.file_size else b""
    except DeflateError:
        raise zipfile.BadZipFile("its compressed bytes are damaged") from None
    if len(content) != entry.file_size or deflate_crc32(content) != entry.CRC:
        raise zipfile.BadZipFile("its checksum is another")
    return content


def _open(location: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(location)
    except (*_DAMAGED, OSError) as error:
        raise UserError(f"{location} is a damaged zip archive ({error}); download it again") from None


def _safe_entries(archive: zipfile.ZipFile, location: Path) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """The files of an archive, after every name has been checked: one bad entry refuses it whole."""
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
        if not entry.is_dir():
            files.append((entry, relative))
    return sorted(files, key=lambda file: file[0].filename)
