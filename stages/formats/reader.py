"""Decode the slices that manifest rows name, whatever their files' format."""

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np

from stages.core import record
from stages.core.errors import UserError
from stages.formats import annotations, formats
from stages.formats.file import File
from stages.scan.header import Unreadable
from stages.scan.volume import Grid, Volume, together


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


class _Volumes:
    """The decoded volume files of one case; a damaged one is remembered as such."""

    def __init__(self) -> None:
        self.decoded: dict[str, Volume | Unreadable] = {}

    def keep(self, files: list[str]) -> None:
        """Forget all but these."""
        for old in set(self.decoded).difference(files):
            del self.decoded[old]

    def volume(self, file: str, path: Path, decode: Callable[[BinaryIO], Volume]) -> Volume:
        """What a file holds. Raises `Unreadable`."""
        if file not in self.decoded:
            try:
                self.decoded[file] = File.at(path).read(decode)
            except Unreadable as error:
                self.decoded[file] = error
        volume = self.decoded[file]
        if isinstance(volume, Unreadable):
            raise volume
        return volume

    def lengths(self) -> set[int]:
        """Numbers of slices."""
        return {len(volume.voxels) for volume in self._sound().values()}

    def grids(self) -> dict[str, Grid]:
        """The grid of each file that has one."""
        return {file: volume.grid for file, volume in self._sound().items() if volume.grid}

    def _sound(self) -> dict[str, Volume]:
        return {file: volume for file, volume in self.decoded.items() if isinstance(volume, Volume)}


class Reader:
    """Decodes slices below a folder, one case after the other.

    Files that hold a whole case are decoded once and kept until a slice of other files is asked for, so that
    memory holds one case.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._images = _Volumes()
        self._masks = _Volumes()
        self._last: dict[str, Volume] = {}

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
        self._last.clear()
        page = record.page(reference)
        planes = [self._plane(self._images, file, position, page, mask=False) for file in files]
        if len({plane.shape[:2] for plane in planes}) > 1 or len(self._images.lengths()) > 1:
            raise Unreadable("its modalities differ in size")
        together(self._images.grids())
        count, named = sum(plane.shape[2] for plane in planes), modalities.split(";")
        if modalities and count != len(named):
            raise Unreadable(f"it has {count} channels, and {len(named)} are named ({', '.join(named)})")
        if len({plane.dtype for plane in planes}) > 1:
            planes = [plane.astype(np.float32) for plane in planes]  # numpy itself would choose float64
        return np.concatenate(planes, axis=2) if len(planes) > 1 else planes[0]

    def mask(self, reference: str, position: int) -> np.ndarray:
        """A mask as (H, W) in the file's own dtype, of an annotation uint8 0 and 1. Raises `Unreadable`.

        Read after the slice's image, for a volume of masks must have as many slices as that.
        """
        file = record.names(reference)[0]
        if "#" in reference and not formats.suffix_of(file):
            return annotations.mask(contained(self.root, file), reference.split("#", 1)[1])
        self._masks.keep([file])
        mask = self._plane(self._masks, file, position, record.page(reference), mask=True)
        slices, expected = self._masks.lengths(), self._images.lengths()
        if slices and expected and slices != expected:
            raise Unreadable(f"the mask has {slices.pop()} slices and its image {expected.pop()}")
        together(dict(list(self._images.grids().items())[:1]) | self._masks.grids())
        if mask.shape[2] != 1 and not (mask == mask[:, :, :1]).all():
            raise Unreadable(f"a mask has one channel, this one has {mask.shape[2]} that differ")
        return mask[:, :, 0]

    def remarks(self) -> list[str]:
        """`Volume.remarks` of the files of the last image and its mask, with their names."""
        return [
            f"{PurePosixPath(file).name}: {remark}"
            for file, volume in self._last.items()
            for remark in volume.remarks
        ]

    def _plane(self, volumes: _Volumes, file: str, position: int, page: int | None, mask: bool) -> np.ndarray:
        path, kind = contained(self.root, file), formats.format_of(file)
        decode = kind.decode_mask if mask else kind.decode
        whole = kind.volume or page is not None
        volume = volumes.volume(file, path, decode) if whole else File.at(path).read(decode)
        self._last[file] = volume
        if not whole:
            if len(volume.voxels) > 1:
                raise Unreadable(f"it holds {len(volume.voxels)} pages where one slice is expected")
            return volume.voxels[0]
        place = position if page is None else page
        if not 0 <= place < len(volume.voxels):
            raise Unreadable(f"it has {len(volume.voxels)} slices, there is no number {place}")
        return volume.voxels[place]
