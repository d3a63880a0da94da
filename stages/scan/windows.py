"""Windows: each slice of a case with its neighbours. Numpy only, the only copy of the rule at the ends."""

import numpy as np


def depth_of(context: int) -> int:
    """Slices of a window with so many neighbours on each side."""
    return 2 * context + 1


def positions(lengths: np.ndarray, depth: int) -> np.ndarray:
    """For each slice of cases that lie one after the other the slices of the window around it, the lowest
    first: (sum of lengths, depth) int64.

    lengths: slices of each case. depth: an odd number of slices, the one itself in the middle. At both ends
    of a case its last slice repeats, as padding does.
    """
    ends = np.cumsum(lengths)
    first = np.repeat(ends - lengths, lengths)[:, None]
    last = np.repeat(ends - 1, lengths)[:, None]
    around = np.arange(depth) - depth // 2
    return np.clip(np.arange(len(first))[:, None] + around, first, last)


def flat(windows: np.ndarray) -> np.ndarray:
    """Windows (N, D, H, W, C) -> (N, H, W, D x C), the lowest slice's channels first; a view where D is 1."""
    if windows.shape[1] == 1:
        return windows[:, 0]
    number, _, height, width, _ = windows.shape
    return windows.transpose(0, 2, 3, 1, 4).reshape(number, height, width, -1)
