"""How a file's axes lie in the patient, by the affine in its header."""

import numpy as np
from nibabel import orientations

from stages.scan.volume import Grid

_SLICES = orientations.axcodes2ornt(("L", "P", "S"))
"""Where columns, rows and slices run to: the patient's left, back and head."""


def grid(shape: tuple[int, int, int], affine: np.ndarray) -> Grid:
    """The grid of a file with `shape` voxels along its axes; oblique axes count as the nearest straight ones.

    affine: (4, 4) from the file's axes to mm right, front, up (RAS).
    """
    turn = orientations.ornt_transform(orientations.io_orientation(affine), _SLICES)
    columns, rows, slices = (int(np.flatnonzero(turn[:, 0] == direction)[0]) for direction in range(3))
    x, y, z = (bool(flip < 0) for flip in turn[:, 1])
    return Grid(shape, affine, (slices, rows, columns), (x, y, z))
