"""Decode the slices that manifest rows name, whatever their files' format."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from stages.core import record
from stages.core.errors import UserError
from stages.formats import annotations, nifti, raster, tiff
from stages.scan.header import Header, Unreadable


@dataclass(frozen=True)
class Format:
    """How files of one kind are read. `read` and `read_mask` give (S, H, W, C) in the file's own dtype."""

    read_header: Callable[[Path], Header]
    read: Callable[[Path], np.ndarray]
    read_mask: Callable[[Path], np.ndarray]
    volume: bool = False  # a file holds all slices of a case


_TIFF = Format(tiff.read_header, tiff.read, tiff.read)
_RASTER = Format(raster.read_header, raster.read, raster.read_mask)
_NIFTI = Format(nifti.read_header, nifti.read, nifti.read, volume=True)

FORMATS = {
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".png": _RASTER,
    ".jpg": _RASTER,
    ".jpeg": _RASTER,
    ".nii": _NIFTI,
    ".nii.gz": _NIFTI,
}
"""By suffix, in lower case."""


def suffix_of(name: str) -> str:
    """The suffix of a file name that tells its format, in lower case; "" where we read no such files."""
    low = name.lower()
    return next((suffix for suffix in FORMATS if low.endswith(suffix)), "")


def format_of(name: str) -> Format:
    """How a file is read. Raises `Unreadable` where its name does not end in one of `FORMATS`."""
    suffix = suffix_of(name)
    if not suffix:
        raise Unreadable(f"its name does not end in {', '.join(FORMATS)}")
    return FORMATS[suffix]


def is_volume(reference: str) -> bool:
    """Whether a row's image is one slice of files that hold a whole case."""
    suffixes = {suffix_of(name) for name in record.names(reference) if name}
    return any(FORMATS[suffix].volume for suffix in suffixes if suffix)


def contained(root: Path, relative: str) -> Path:
    """`root / relative`, refused with a `UserError` where that leaves `root`: a table may have been tampered
    with.
    """
    # os.path: pathlib takes as long over this as the decoder over a small file, and so does following the
    # links of the same folder once more for every file in it.
    if "\0" in relative:  # which ends names
        raise UserError(f"{relative!r} is no name of a file; correct the row that names it")
    home = _real(os.path.abspath(root))  # noqa: PTH100
    folder, name = os.path.split(os.path.join(home, relative))  # noqa: PTH118
    path = os.path.join(_real(folder), name)  # noqa: PTH118
    if name in ("", ".", "..") or os.path.islink(path):  # noqa: PTH114
        path = os.path.realpath(path)
    if not path.startswith(home + os.sep):
        raise UserError(f"{relative} lies outside {root}; correct the row that names it")
    return Path(path)


@lru_cache(maxsize=64)
def _real(folder: str) -> str:
    return os.path.realpath(folder)


def read_header(path: Path) -> Header:
    """Read size, channels, slices and spacing without decoding pixels. Raises `Unreadable`."""
    return format_of(path.name).read_header(path)


def header_fields(path: Path) -> dict[str, Any]:
    """What the header of a file has for a `Record`: width, height, channels, spacing_mm.

    Zeros and nothing for a file that cannot be read: validate reads it again and says why.
    """
    try:
        header = read_header(path)
    except Unreadable:
        return {"width": 0, "height": 0, "channels": 0, "spacing_mm": ""}
    return {
        "width": header.width,
        "height": header.height,
        "channels": header.channels,
        "spacing_mm": header.spacing_mm.text() if header.spacing_mm else "",
    }


def colours(channels: int) -> str:
    """`modalities` of a picture of which only the number of channels is known."""
    if channels == 1:
        return "gray"
    return "red;green;blue" if channels in (0, 3) else ";".join(f"channel{n}" for n in range(1, channels + 1))


class _Volumes:
    """The decoded volume files of one case; a damaged one is remembered as such."""

    def __init__(self) -> None:
        self.decoded: dict[str, np.ndarray | Unreadable] = {}

    def keep(self, files: list[str]) -> None:
        """Forget all but these."""
        for old in set(self.decoded).difference(files):
            del self.decoded[old]

    def plane(self, file: str, path: Path, read: Callable[[Path], np.ndarray], position: int) -> np.ndarray:
        """A slice of a file as (H, W, C). Raises `Unreadable`."""
        if file not in self.decoded:
            try:
                self.decoded[file] = read(path)
            except Unreadable as error:
                self.decoded[file] = error
        volume = self.decoded[file]
        if isinstance(volume, Unreadable):
            raise volume
        if not 0 <= position < len(volume):
            raise Unreadable(f"it has {len(volume)} slices, there is no number {position}")
        return volume[position]

    def lengths(self) -> set[int]:
        """Numbers of slices."""
        return {len(volume) for volume in self.decoded.values() if isinstance(volume, np.ndarray)}


class Reader:
    """Decodes slices below a folder, one case after the other.

    Volume files are decoded once and kept until a slice of other files is asked for, so that memory holds one
    case.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._images = _Volumes()
        self._masks = _Volumes()

    def image(self, reference: str, position: int, modalities: str = "") -> np.ndarray:
        """A slice as (H, W, C) in the file's own dtype; `reference`, `position` and `modalities` are the
        row's `image`, `slice` and `modalities`. Raises `Unreadable`.
        """
        files = record.names(reference)
        if "" in files:
            named = modalities.split(";")
            which = [named[n] if n < len(named) else str(n + 1) for n, file in enumerate(files) if not file]
            raise Unreadable(f"modality {', '.join(which)} is missing")
        self._images.keep(files)
        planes = [self._plane(self._images, file, position, mask=False) for file in files]
        if len({plane.shape[:2] for plane in planes}) > 1 or len(self._images.lengths()) > 1:
            raise Unreadable("its modalities differ in size")
        if len({plane.dtype for plane in planes}) > 1:
            planes = [plane.astype(np.float32) for plane in planes]  # numpy itself would choose float64
        return np.concatenate(planes, axis=2) if len(planes) > 1 else planes[0]

    def mask(self, reference: str, position: int) -> np.ndarray:
        """A mask as (H, W) in the file's own dtype, of an annotation uint8 0 and 1. Raises `Unreadable`.

        Read after the slice's image, for a volume of masks must have as many slices as that.
        """
        file = record.names(reference)[0]
        if "#" in reference:
            return annotations.mask(contained(self.root, file), reference.split("#", 1)[1])
        self._masks.keep([file])
        mask = self._plane(self._masks, file, position, mask=True)
        slices, expected = self._masks.lengths(), self._images.lengths()
        if slices and expected and slices != expected:
            raise Unreadable(f"the mask has {slices.pop()} slices and its image {expected.pop()}")
        if mask.shape[2] != 1 and not (mask == mask[:, :, :1]).all():
            raise Unreadable(f"a mask has one channel, this one has {mask.shape[2]} that differ")
        return mask[:, :, 0]

    def _plane(self, volumes: _Volumes, file: str, position: int, mask: bool) -> np.ndarray:
        path, kind = contained(self.root, file), format_of(file)
        read = kind.read_mask if mask else kind.read
        return volumes.plane(file, path, read, position) if kind.volume else read(path)[0]
