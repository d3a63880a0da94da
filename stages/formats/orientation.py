"""Turn voxels as a file keeps them to axial slices, and a mask back onto the file's own axes."""

import numpy as np
from nibabel import orientations

from stages.scan.spacing import Spacing

_SLICES = orientations.axcodes2ornt(("L", "P", "S"))
"""Where columns, rows and slices run to: the patient's left, back and head, as `sources.nifti` turns them."""


def to_slices(voxels: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """(X, Y, Z) along the file's axes -> a view (S, H, W, 1): slices from the feet up, rows from front to
    back, columns from the patient's right to left. affine: from the file's axes to mm right, front, up (RAS).
    """
    turn = orientations.ornt_transform(orientations.io_orientation(affine), _SLICES)
    return orientations.apply_orientation(voxels, turn).transpose(2, 1, 0)[..., np.newaxis]


def from_slices(mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """(S, H, W) -> (X, Y, Z) along the file's axes: `to_slices` undone."""
    turn = orientations.ornt_transform(_SLICES, orientations.io_orientation(affine))
    return np.ascontiguousarray(orientations.apply_orientation(mask.transpose(2, 1, 0), turn))


def spacing(affine: np.ndarray) -> Spacing:
    """Millimetres between slices, rows and columns."""
    mm = np.linalg.norm(affine[:3, :3], axis=0)
    axis = orientations.io_orientation(affine)[:, 0]
    across, down, up = (float(mm[axis == direction][0]) for direction in range(3))
    return Spacing(up, down, across)
