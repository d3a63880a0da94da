"""A scan once it is decoded: its voxels as axial slices, their spacing, and where the file places them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

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

    def to_slices(self, voxels: np.ndarray) -> np.ndarray:
        """(X, Y, Z) along the file's axes -> a view (S, H, W, 1), whose strides may be negative."""
        return voxels[self._turn].transpose(self.axes)[..., np.newaxis]

    def from_slices(self, mask: np.ndarray) -> np.ndarray:
        """(S, H, W) -> (X, Y, Z) along the file's axes: `to_slices` undone."""
        return np.ascontiguousarray(mask.transpose(np.argsort(self.axes))[self._turn])

    @property
    def _turn(self) -> tuple[slice, ...]:
        return tuple(slice(None, None, -1 if flipped else 1) for flipped in self.flipped)


@dataclass(frozen=True, eq=False)
class Volume:
    """Decoded slices; a flat picture is a volume of one.

    voxels: (S, H, W, C) of any numeric dtype, perhaps a view. spacing: None where the file does not say.
    grid: None of flat pictures. header: what a mask's file must repeat of the scan's, in the way of the
    format: bytes of a NIfTI header, attributes of a DICOM series' files in the order of slices; else None.
    """

    voxels: np.ndarray
    spacing: Spacing | None = None
    grid: Grid | None = None
    header: Any = None
