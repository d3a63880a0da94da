"""A file by its name and how it is opened: from a folder, or from bytes that somebody handed over."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Self, TypeVar

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
        return cls(path.name, lambda: path.open("rb"))

    @classmethod
    def of(cls, name: str, content: bytes) -> Self:
        """A file that somebody handed over."""
        return cls(name, partial(BytesIO, content))

    def read(self, decode: Callable[[BinaryIO], Content]) -> Content:
        """What `decode` makes of the content. Raises `Unreadable`, also where the file cannot be opened."""
        try:
            with self.open() as stream:
                return decode(stream)
        except OSError as error:
            raise Unreadable(error.strerror or first_words(error)) from None


def size(stream: BinaryIO) -> int:
    """Bytes in a stream, which stays where it is."""
    here = stream.tell()
    end = stream.seek(0, 2)
    stream.seek(here)
    return end
