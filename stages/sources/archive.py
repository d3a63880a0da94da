"""A zip archive from somebody else, unpacked without trusting it: names, links, sizes, checksums."""

import copy
import errno
import lzma
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from imagecodecs import DeflateError, deflate_crc32, deflate_decode

from stages.core.errors import UserError
from stages.formats import formats
from stages.scan.header import MAX_NUMBERS

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

Entries = dict[PurePosixPath, zipfile.ZipInfo]


def entries(location: Path, belongs: Callable[[PurePosixPath], bool], into: Path) -> Entries:
    """The files of an archive that belong to what is looked for, by name, to be unpacked into a folder.

    Raises `UserError` where it is damaged, a name would leave the folder, an entry is a link or encrypted, it
    expands as no scans do, or to more than the disk has room for.
    """
    with _open(location) as archive:
        # By name: an archive that holds a name twice means the later one, as other tools read it.
        chosen = {name: entry for entry, name in _safe_entries(archive, location) if belongs(name)}
    _refuse_bombs(location, chosen, shutil.disk_usage(into.parent).free)
    return chosen


def is_hidden(name: PurePosixPath) -> bool:
    """Whether a file is one that no data set has: hidden, or what macOS leaves in folders and archives."""
    return any(part.startswith(".") or part == "__MACOSX" for part in name.parts)


def _refuse_bombs(location: Path, entries: Entries, free_bytes: int) -> None:
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


def parts(entries: Entries) -> Iterator[Entries]:
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


def extract(location: Path, entries: Entries, into: Path) -> None:
    """Unpack some entries into a folder. Raises `UserError` where they are damaged, or one name is of a file
    and of a folder.
    """
    try:
        for parent in {(into / name).parent for name in entries}:
            parent.mkdir(parents=True, exist_ok=True)
        _unpack(location, entries, into)
    except (NotADirectoryError, FileExistsError, IsADirectoryError):
        raise UserError(
            f"{location} uses one name for a file and a folder; unpack it and name the folder"
        ) from None


def _unpack(location: Path, entries: Entries, into: Path) -> None:
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
                f"{location}: entry {entry.filename} is encrypted; unpack the archive and name its folder"
            )
        if not entry.is_dir():
            files.append((entry, relative))
    return sorted(files, key=lambda file: file[0].filename)
