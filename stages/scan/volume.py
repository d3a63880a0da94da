"""A scan once it is decoded: its voxels as axial slices, their spacing, and where the file places them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from stages.scan.header import Unreadable
from stages.scan.spacing import Spacing


@dataclass(frozen=True, eq=False)
class Grid:
    """How a file keeps its voxels, which everywhere else are slices from the feet up, of rows from front to
    back, of columns from the patient's right to left.

    shape: voxels along the file's three axes. affine: (4, 4) from the file's axes to mm right, front, up
    (RAS). axes: those of the file along which slices, rows and columns follow each other. flipped: for each
    axis of the file, whether it runs the other way.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray
    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    @property
    def spacing(self) -> Spacing:
        """Millimetres between slices, rows and columns by the affine."""
        mm = np.linalg.norm(self.affine[:3, :3], axis=0)
        return Spacing(*(float(mm[axis]) for axis in self.axes))

    def away(self, other: "Grid") -> float:
        """Millimetres, along an axis of the scanner, between the two at the corner voxel where they differ
        most; 0 of grids of another size, which cannot be compared.
        """
        if self.size != other.size:
            return 0.0
        return float(np.abs(self.corners - other.corners).max())

    @property
    def tolerance(self) -> float:
        """Millimetres by which headers may differ through rounding: a quarter of a voxel's shortest side."""
        return 0.25 * min(self.spacing)

    @property
    def size(self) -> tuple[int, int, int]:
        """Slices, rows and columns."""
        slices, rows, columns = (self.shape[axis] for axis in self.axes)
        return slices, rows, columns

    @cached_property
    def corners(self) -> np.ndarray:
        """The eight corner voxels, lowest, foremost and rightmost first: (8, 3) in mm right, front, up."""
        ends = [
            (size - 1, 0) if flipped else (0, size - 1)
            for size, flipped in zip(self.shape, self.flipped, strict=True)
        ]
        corners = np.zeros((8, 3))
        for number, sides in enumerate(np.ndindex(2, 2, 2)):
            for axis, side in zip(self.axes, sides, strict=True):
                corners[number, axis] = ends[axis][side]
        placed: np.ndarray = corners @ self.affine[:3, :3].T + self.affine[:3, 3]
        return placed

    def to_slices(self, voxels: np.ndarray) -> np.ndarray:
        """(X, Y, Z) along the file's axes, or (X, Y, Z, C) -> a view (S, H, W, C), whose strides may be
        negative.
        """
        channels = voxels if voxels.ndim > 3 else voxels[..., np.newaxis]
        return channels[self._turn].transpose(*self.axes, 3)

    def from_slices(self, mask: np.ndarray) -> np.ndarray:
        """(S, H, W) -> (X, Y, Z) along the file's axes: `to_slices` undone."""
        return np.ascontiguousarray(mask.transpose(np.argsort(self.axes))[self._turn])

    @property
    def _turn(self) -> tuple[slice, ...]:
        return tuple(slice(None, None, -1 if flipped else 1) for flipped in self.flipped)


def together(grids: Mapping[str, Grid]) -> None:
    """Raise `Unreadable` where a file of a case, by name, does not lie where the first one does."""
    if not grids:
        return
    (first, grid), *others = ((PurePosixPath(file).name, grid) for file, grid in grids.items())
    for file, other in others:
        if (mm := grid.away(other)) > grid.tolerance:
            raise Unreadable(
                f"{file} lies {mm:.3g} mm away from {first} by their headers; resample it onto the grid of "
                f"{first}, or save it with that header if the voxels belong together as they are"
            )


@dataclass(frozen=True, eq=False)
class Volume:
    """Decoded slices; a flat picture is a volume of one.

    voxels: (S, H, W, C) of any numeric dtype, perhaps a view. spacing: None where the file does not say.
    grid: None of flat pictures. header: what a mask's file must repeat of the scan's, in the way of the
    format: bytes of a NIfTI header, attributes of a DICOM series' files in the order of slices; else None.
    remarks: sentences on what the file does not say, or says in two ways, and what it was taken to mean.
    """

    voxels: np.ndarray
    spacing: Spacing | None = None
    grid: Grid | None = None
    header: Any = None
    remarks: tuple[str, ...] = ()
