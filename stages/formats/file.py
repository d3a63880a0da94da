"""A file by its name and how it is opened: from a folder, or from bytes that somebody handed over."""

import errno
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Self, TypeVar

from stages.formats import pointer
from stages.scan.header import Unreadable, first_words

Content = TypeVar("Content")


@dataclass(frozen=True)
class File:
    """`open` gives the content from its first byte, in which one can seek."""

    name: str
    open: Callable[[], BinaryIO]

    @classmethod
    def at(cls, path: Path) -> Self:
        """A file in a folder; it is not opened before it is read."""
        return cls(path.name, partial(_opened, path))

    @classmethod
    def of(cls, name: str, content: bytes) -> Self:
        """A file that somebody handed over."""
        return cls(name, partial(BytesIO, content))

    def read(self, decode: Callable[[BinaryIO], Content]) -> Content:
        """What `decode` makes of the content. Raises `Unreadable`, also where the file cannot be opened, or
        where a tool has left a pointer in its place.
        """
        try:
            with self.open() as stream:
                return decode(stream)
        except Unreadable:
            if reason := self.unfetched():
                raise Unreadable(reason) from None
            raise
        except OSError as error:
            raise Unreadable(error.strerror or first_words(error)) from None

    def unfetched(self) -> str | None:
        """Why the content is elsewhere, and what fetches it; None where the file is what it seems."""
        try:
            with self.open() as stream:
                return pointer.way_out(stream.read(pointer.MAX_BYTES))
        except OSError:
            return None


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP) and path.is_symlink():
            raise Unreadable(pointer.dangling(path)) from None
        raise


def size(stream: BinaryIO) -> int:
    """Bytes in a stream, which stays where it is."""
    here = stream.tell()
    end = stream.seek(0, 2)
    stream.seek(here)
    return end
