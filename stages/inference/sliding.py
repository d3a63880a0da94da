"""A volume through a model of fixed windows: overlapping ones, weighted by a Gaussian. Numpy only.

As nnU-Net does it (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z): windows overlap by half at least,
and count less towards their borders, where a network sees one side only. In memory are the levels of a
volume, one batch of windows and the probabilities of the slices that are not complete yet.
"""

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import product

import numpy as np

Size = tuple[int, int, int]
"""Slices, rows and columns."""
OVERLAP = 0.5
SPREAD = 1 / 8
"""Standard deviation of the weights as a share of the window's side."""

Answer = Callable[[np.ndarray], np.ndarray]
"""Windows (N, D, H, W, C) uint8 -> probabilities (N, R, D, H, W) float32."""


def starts(length: int, side: int) -> list[int]:
    """Where windows of `side` begin along a line of `length`: evenly, from end to end, overlapping by
    `OVERLAP` at least. One at 0 where the line is shorter.
    """
    if length <= side:
        return [0]
    steps = math.ceil((length - side) / (side * (1 - OVERLAP)))
    return list(dict.fromkeys(round(step * (length - side) / steps) for step in range(steps + 1)))


@lru_cache(maxsize=8)
def weights(window: Size) -> np.ndarray:
    """Of the voxels of a window: (D, H, W) float32, 1 in the middle, above 0 everywhere."""
    lines = []
    for side in window:
        away = (np.arange(side) - (side - 1) / 2) / (side * SPREAD)
        lines.append(np.exp(-0.5 * away**2))
    volume = lines[0][:, None, None] * lines[1][:, None] * lines[2]
    return (volume / volume.max()).astype(np.float32)


def probabilities(answer: Answer, levels: np.ndarray, window: Size, batch: int) -> np.ndarray:
    """Of a whole volume (S, H, W, C) uint8: (S, R, H, W) float32.

    Beyond its ends a volume goes on as background, 0. batch: windows at a time. Where one window holds all,
    its answer is given as it is.
    """
    return np.concatenate(list(slabs(answer, levels, window, batch)))


def slabs(answer: Answer, levels: np.ndarray, window: Size, batch: int) -> Iterator[np.ndarray]:
    """The same, slices from the first on as soon as they are complete."""
    shape, depth = levels.shape[:3], window[0]
    plane = [
        list(places)
        for places in product(*(starts(*pair) for pair in zip(shape[1:], window[1:], strict=True)))
    ]
    first = starts(shape[0], depth)
    alone = len(first) == len(plane) == 1
    weight = weights(window)
    height, width = (max(pair) for pair in zip(shape[1:], window[1:], strict=True))
    total = np.zeros((depth, height, width), np.float32)
    summed: np.ndarray | None = None
    for top, following in zip(first, [*first[1:], None], strict=True):
        for start in range(0, len(plane), batch):
            places = plane[start : start + batch]
            answers = answer(np.stack([_cut(levels, (top, row, column), window) for row, column in places]))
            if alone:
                whole = answers[0][:, : shape[0], : shape[1], : shape[2]]
                yield np.ascontiguousarray(whole.transpose(1, 0, 2, 3))
                return
            if summed is None:
                summed = np.zeros((answers.shape[1], depth, height, width), np.float32)
            for (row, column), own in zip(places, answers, strict=True):
                at = (slice(row, row + window[1]), slice(column, column + window[2]))
                summed[:, :, *at] += own * weight
                total[:, *at] += weight
        assert summed is not None
        done = min(depth, shape[0] - top) if following is None else following - top
        ready = summed[:, :done, : shape[1], : shape[2]] / total[:done, : shape[1], : shape[2]]
        yield np.ascontiguousarray(ready.transpose(1, 0, 2, 3))
        for sums in (summed, total):
            kept = sums[..., done:, :, :].copy()
            sums[..., : depth - done, :, :] = kept
            sums[..., depth - done :, :, :] = 0


def _cut(levels: np.ndarray, corner: Size, window: Size) -> np.ndarray:
    """A window of a volume, (D, H, W, C), which goes on as background where it ends."""
    part = levels[tuple(slice(at, at + side) for at, side in zip(corner, window, strict=True))]
    missing = [(0, side - length) for side, length in zip(window, part.shape[:3], strict=True)]
    return np.pad(part, [*missing, (0, 0)]) if any(end for _, end in missing) else part
