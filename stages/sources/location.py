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
from stages.sources.source import Source

MAX_RATIO = 200
"""Expansion of one archive entry above which it is taken for a bomb; MRI slices compress about 3 times."""
HARMLESS_BYTES = 1 << 20
"""Entries up to this size may expand more: the blank masks of the real LGG archive, 65 KB each, expand 376
times.
"""
HARMLESS_VOLUME_BYTES = 64 << 20
"""The same for unpacked NIfTI volumes: label maps of BraTS, 18 to 36 MB and nearly all zero, expand up to 600
times. The archive as a whole must still keep to `MAX_RATIO`.
"""
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
    if not location.exists():
        raise UserError(f"ingest.location {location} does not exist; set it to a folder or a .zip that does")
    if location.is_dir():
        names = _copy(source, location, into, progress)
    elif zipfile.is_zipfile(location):
        names = _unpack(source, location, into, progress)
    else:
        raise UserError(
            f"ingest.location {location} is neither a folder nor a zip archive; unpack or download it again"
        )
    if all(name.suffix.lower() in (".csv", ".json") for name in names):
        what = "the folder" if location.is_dir() else "the archive"
        raise UserError(
            f"ingest.location {location}: {what} holds no scans of source {source.name} ({source.layout}); "
            "check ingest.source and ingest.location"
        )


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
    names = [PurePosixPath(path.relative_to(location).as_posix()) for path in sorted(location.rglob("*"))]
    chosen = [name for name in names if _belongs(source, name) and (location / name).is_file()]
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
    try:
        for folder in {(into / name).parent for name in entries}:
            folder.mkdir(parents=True, exist_ok=True)
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
    return list(entries)


Entries = dict[PurePosixPath, zipfile.ZipInfo]


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
        volume = relative.suffix.lower() == ".nii"
        harmless = HARMLESS_VOLUME_BYTES if volume else HARMLESS_BYTES
        if entry.file_size > max(MAX_RATIO * entry.compress_size, harmless):
            raise UserError(
                f"{location}: entry {entry.filename} expands over {MAX_RATIO} times; the archive is refused"
            )
        if not entry.is_dir():
            files.append((entry, relative))
    whole = sum(entry.file_size for entry, _ in files)
    if whole > max(MAX_RATIO * sum(entry.compress_size for entry, _ in files), HARMLESS_VOLUME_BYTES):
        raise UserError(f"{location} expands over {MAX_RATIO} times; the archive is refused")
    if whole > MAX_BYTES:
        raise UserError(f"{location} unpacks to more than {MAX_BYTES >> 30} GiB; the archive is refused")
    return sorted(files, key=lambda file: file[0].filename)
