"""What somebody sends, written to a folder as it arrives: nothing of it is trusted, its size is bounded."""

import re
import unicodedata
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser
from starlette.datastructures import Headers

from stages.serving.refusal import Refusal

MAX_FILES = 50_000
"""In one upload: BraTS 2023 has 6,255."""
_MAX_DEPTH = 32
_MAX_NAME = 255
"""Bytes of a part of a path, as file systems have it."""
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass
class Received:
    """What arrived below `folder`. named: the only file came as a body of its own, with a name or without."""

    folder: Path
    files: list[PurePosixPath]
    named: bool = False


async def receive(
    headers: Headers, named: str | None, chunks: AsyncIterator[bytes], folder: Path, max_bytes: int
) -> Received:
    """Write a request's body below `folder`: a file, or those of multipart/form-data with their relative
    paths. named: what the address calls the file.

    Raises `Refusal` where it is larger than `max_bytes`, damaged, or has names that no upload needs.
    """
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise too_large(max_bytes)
    content_type = Message()
    content_type["content-type"] = headers.get("content-type", "")
    limited = _limited(chunks, max_bytes)
    if content_type.get_content_type() == "multipart/form-data":
        return await _form(str(content_type.get_param("boundary") or ""), limited, folder)
    disposition = Message()
    disposition["content-disposition"] = headers.get("content-disposition", "")
    name = plain(named or disposition.get_filename() or "scan")
    with (folder / name.name).open("wb") as file:
        async for chunk in limited:
            file.write(chunk)
    return Received(folder, [PurePosixPath(name.name)], named=True)


def too_large(max_bytes: int) -> Refusal:
    size = f"{max_bytes / 2**20:.4g} MiB"
    return Refusal(413, f"it is larger than {size}; send less at a time, or serve with --max-bytes")


async def _limited(chunks: AsyncIterator[bytes], max_bytes: int) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise too_large(max_bytes)
        if chunk:
            yield chunk


async def _form(boundary: str, chunks: AsyncIterator[bytes], folder: Path) -> Received:
    received = Received(folder, [])
    writer = _Writer(received)
    try:
        with PushMultipartParser(boundary, max_segment_count=MAX_FILES, header_charset="utf-8") as parser:
            async for chunk in chunks:
                for event in parser.parse(chunk):
                    writer.take(event)
    except ParserLimitReached:
        raise Refusal(413, f"it has more than {MAX_FILES:,} files; send less at a time") from None
    except (MultipartError, ValueError, LookupError):
        raise Refusal(
            400, "the body is no multipart/form-data; send a file, or its parts as a browser does"
        ) from None
    finally:
        writer.close()
    if not received.files:
        raise Refusal(415, "no file is in it; send PNG, JPEG, TIFF, NIfTI, DICOM or a zip of them")
    return received


class _Writer:
    """Writes the files of a form one after the other; fields that are no files are passed over."""

    def __init__(self, received: Received) -> None:
        self.received = received
        self.file: BinaryIO | None = None

    def take(self, event: "MultipartSegment | bytes | bytearray | None") -> None:
        if isinstance(event, MultipartSegment):
            if event.filename:
                self._open(plain(event.filename))
        elif event is None:
            self.close()
        elif self.file:
            self.file.write(event)

    def _open(self, name: PurePosixPath) -> None:
        target = self.received.folder / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self.file = target.open("xb")
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise Refusal(
                400, f"two files are called {str(name)!r:.100}; give each a name of its own"
            ) from None
        self.received.files.append(name)

    def close(self) -> None:
        if self.file:
            self.file.close()
        self.file = None


def plain(name: str) -> PurePosixPath:
    """A relative path that stays where it is put, of one that somebody sent.

    Raises `Refusal` for one that leads out, has control characters, or is longer than file systems allow.
    """
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if parts and _DRIVE.fullmatch(parts[0]):
        parts = parts[1:]
    signs = {unicodedata.category(sign) for sign in name}
    too_long = len(parts) > _MAX_DEPTH or any(
        len(part.encode("utf-8", "replace")) > _MAX_NAME for part in parts
    )
    if not parts or ".." in parts or signs & {"Cc", "Cs"} or too_long:
        raise Refusal(400, f"{name!r:.100} is no name for a file here; send it under a plain one")
    return PurePosixPath(*parts)


_HEAD = 352
"""Bytes that tell a format: NIfTI's magic stands at their end."""


def suffix_by_content(path: Path) -> str:
    """The suffix that a file's first bytes tell, "" where they tell none that is read."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    for suffix, magics in _MAGIC.items():
        if any(head.startswith(magic, at) for at, magic in magics):
            return suffix
    return ""


_MAGIC: dict[str, tuple[tuple[int, bytes], ...]] = {
    ".png": ((0, b"\x89PNG\r\n\x1a\n"),),
    ".jpg": ((0, b"\xff\xd8\xff"),),
    ".tif": ((0, b"II*\0"), (0, b"MM\0*"), (0, b"II+\0"), (0, b"MM\0+")),
    ".zip": ((0, b"PK\x03\x04"), (0, b"PK\x05\x06")),
    ".nii.gz": ((0, b"\x1f\x8b"),),
    ".nii": ((344, b"n+1\0"), (344, b"ni1\0"), (4, b"n+2\0"), (0, b"\x5c\x01\0\0"), (0, b"\0\0\x01\x5c")),
    ".dcm": ((128, b"DICM"),),
}
