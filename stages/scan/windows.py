"""Windows: each slice of a case with its neighbours. Numpy only, the only copy of the rule at the ends."""

import numpy as np


def positions(slices: int, depth: int) -> np.ndarray:
    """For each slice of a case the slices of the window around it, the lowest first: (slices, depth) int64.

    depth: an odd number of slices, the one itself in the middle. At both ends of the case the last slice
    repeats, as padding does.
    """
    around = np.arange(depth) - depth // 2
    return np.clip(np.arange(slices)[:, None] + around, 0, slices - 1)


def of(volume: np.ndarray, depth: int) -> np.ndarray:
    """The window around every slice of (S, H, W, C): (S, depth, H, W, C); a view where depth is 1."""
    return volume[:, None] if depth == 1 else volume[positions(len(volume), depth)]


def flat(windows: np.ndarray) -> np.ndarray:
    """Windows (N, D, H, W, C) -> (N, H, W, D x C), the lowest slice's channels first; a view where D is 1."""
    if windows.shape[1] == 1:
        return windows[:, 0]
    number, _, height, width, _ = windows.shape
    return windows.transpose(0, 2, 3, 1, 4).reshape(number, height, width, -1)
