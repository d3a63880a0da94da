"""Resize planes by area or linearly, one axis after the other, as products of narrow matrices. Numpy only."""

from functools import lru_cache

import numpy as np

BAND = 16
"""Rows of a resampling matrix multiplied at a time: they share most of the few pixels that they need."""

Band = tuple[slice, slice, np.ndarray]
"""Part of a resampling matrix: its rows, its columns, the values there."""


@lru_cache(maxsize=16)
def between(source: int, target: int, start: int, span: int) -> list[Band]:
    return bands(weights(source, target, start, span))


def weights(source: int, target: int, start: int, span: int) -> np.ndarray:
    """(target, source) matrix that resamples pixels [start, start + span) of a line to `target` pixels.

    Shrinking averages the area a target pixel covers, enlarging interpolates linearly; what lies beyond the
    line counts as zero, so a crop may reach over the image's edge.
    """
    scale = span / target
    position = np.arange(source, dtype=np.float64)
    if scale >= 1:
        begin = start + np.arange(target)[:, None] * scale
        overlap = np.minimum(begin + scale, position + 1) - np.maximum(begin, position)
        return (np.clip(overlap, 0, None) / scale).astype(np.float32)
    centre = start + (np.arange(target)[:, None] + 0.5) * scale - 0.5
    # Half a pixel at the crop's own edge has no outer neighbour: it takes the edge pixel.
    centre = np.clip(centre, start, start + span - 1)
    return np.clip(1 - np.abs(position - centre), 0, None).astype(np.float32)


def pasted(weights: np.ndarray, start: int, length: int) -> np.ndarray:
    """Rows of `weights` placed at `start` of a line of `length`, cut where they stand over."""
    out = np.zeros((length, weights.shape[1]), dtype=np.float32)
    first, last = max(start, 0), min(start + len(weights), length)
    out[first:last] = weights[first - start : last - start]
    return out


def bands(weights: np.ndarray) -> list[Band]:
    """A resampling matrix (target, source) cut into the parts of it that are not all zero."""
    bands = []
    for start in range(0, len(weights), BAND):
        part = weights[start : start + BAND]
        used = np.flatnonzero(part.any(axis=0))
        source = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 0)
        bands.append((slice(start, start + len(part)), source, np.ascontiguousarray(part[:, source])))
    return bands


def apply(planes: np.ndarray, rows: list[Band], columns: list[Band]) -> np.ndarray:
    """(..., H, W) float32 -> (..., h, w), one axis after the other."""
    height, width = rows[-1][0].stop, columns[-1][0].stop
    lines = np.empty((*planes.shape[:-2], height, planes.shape[-1]), np.float32)
    for target, source, weights in rows:
        np.matmul(weights, planes[..., source, :], out=lines[..., target, :])
    out = np.empty((*planes.shape[:-2], height, width), np.float32)
    for target, source, weights in columns:
        out[..., target] = lines[..., source] @ weights.T
    return out


def majority(none: np.ndarray, covers: np.ndarray, values: list[int]) -> np.ndarray:
    """The label that covers most of each pixel, uint8; of one that a single label covers half, that label.

    none: share that no label covers; covers: (K, ...), that of each of `values`, in rising order.
    """
    out = np.zeros(none.shape, np.uint8)
    if len(values) == 1:
        out[covers[0] >= 0.5] = values[0]
        return out
    best = none.copy()
    for value, cover in zip(values, covers, strict=True):
        out[cover > best] = value
        np.maximum(best, cover, out=best)
    return out
