"""Something to segment, not read yet."""

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Self

from stages.formats.file import File
from stages.formats.suffixes import NIFTI, stem, suffix_of
from stages.sources import brats_cases

_BLOCK = 1 << 20
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Scan:
    """Something to segment, not read yet.

    kind: "flat" (one picture), "nifti" (one volume), "brats" (a volume for each modality), "dicom" (a series)
    or "lgg" (a TIFF a slice). `files` are in the order of slices (lgg) or of `roles`, the modalities that
    file names tell. `name` begins the names of what is written, in `folder` below the folder of masks, which
    keeps scans of one name apart. `path`: as the user knows the scan, or where it was fetched to from an
    `address`.
    """

    path: Path
    kind: str
    files: tuple[File, ...]
    name: str
    roles: tuple[str, ...] = ()
    folder: str = ""
    address: str = ""

    @classmethod
    def at(cls, path: Path, kind: str, files: Iterable[Path], roles: tuple[str, ...] = ()) -> Self:
        """A scan in `files`, called as the file or folder `path`, or as the link that it is."""
        folder = kind != "nifti" and path.is_dir()
        name = Path(os.path.abspath(path)).name if folder else stem(path.name)  # noqa: PTH100
        return cls(path, kind, tuple(map(_file, files)), writable(name), roles)

    def __str__(self) -> str:
        return legible(self.address or str(self.path))

    def content_hash(self) -> str:
        """SHA-256 of what its files contain, one after the other, whatever they are called. Raises
        `Unreadable`.
        """
        digest = hashlib.sha256()

        def add(stream: BinaryIO) -> None:
            while block := stream.read(_BLOCK):
                digest.update(block)

        for file in self.files:
            file.read(add)
        return digest.hexdigest()


def volume_in(folder: Path) -> Path | None:
    """The only file of a folder that is called as a volume, `x_flair.nii/00001.nii`, in which some copies of
    BraTS have each of theirs.
    """
    if suffix_of(folder.name) not in NIFTI or not folder.is_dir():
        return None
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return inside[0] if len(inside) == 1 and suffix_of(inside[0].name) in NIFTI else None


def _file(path: Path) -> File:
    volume = volume_in(path)
    return File(path.name, File.at(volume).open) if volume else File.at(path)


def legible(text: str) -> str:
    """A file's name or a sentence with one, as text that any file and terminal takes: bytes that are no
    UTF-8, which Python keeps as surrogates, and control characters become escapes.
    """
    known = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return _CONTROL.sub(lambda sign: sign[0].encode("unicode_escape").decode("ascii"), known)


def writable(name: str) -> str:
    """A name that any file system takes, of one that this one has."""
    return legible(name).replace("\\", "%")


def role_of(case: str, name: str) -> str:
    """What a volume is by its name in the folder of a case: a modality, "seg" or ""."""
    return brats_cases.role_of(PurePosixPath(case) / name)
