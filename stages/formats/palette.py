"""Masks with a palette: which of its indices is the background."""

import numpy as np

from stages.scan.header import Unreadable


def labels(indices: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Labels of a mask: its indices, as label editors write them, with 0 for background.

    indices: (H, W) of whole numbers. colours: (N, 3) of the palette. Programs that shrink files sort a
    palette anew: where black, the background, has another index, what is not black is the label of a picture
    of two colours (0 and 255, uint8), and of more nobody can tell which number was which: `Unreadable`.
    """
    used = np.unique(indices)
    black = [int(index) for index in used if index < len(colours) and not colours[index].any()]
    if 0 in black or not colours[0].any() or not black:
        return indices
    if len(used) - len(black) > 1:
        raise Unreadable(
            f"its palette has the background, black, at index {black[0]} instead of 0, so that its labels "
            "have lost their numbers; save it with one grey level a label"
        )
    return np.where(np.isin(indices, black), np.uint8(0), np.uint8(255))
