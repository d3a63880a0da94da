"""Pictures that say how they are to be turned: the orientation of TIFF 6.0 and EXIF, tag 274.

A picture that a camera or scanner stored lying is upright in every viewer, and so is what was drawn on it
there.
"""

from collections.abc import Callable

import numpy as np

TAG = 274

_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels[::-1].swapaxes(0, 1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels[:, ::-1].swapaxes(0, 1),
}
"""By what the first row and the first column of the stored picture are: 6 is the right side and the top."""


def orientation(value: object) -> int:
    """The tag's value; 1, which changes nothing, where it is none of the eight that there are."""
    return value if isinstance(value, int) and value in _TURNS else 1


def turned(pixels: np.ndarray, value: int) -> np.ndarray:
    """(H, W) or (H, W, C) as stored -> a view of it upright. value: of `orientation`."""
    return _TURNS[value](pixels)


def lies(value: int) -> bool:
    """Whether stored rows are columns."""
    return value >= 5
