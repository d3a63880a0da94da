"""Probabilities as whole levels, so that any threshold that is tried compares exactly."""

import numpy as np

LEVELS = 200
"""Probabilities are kept as uint8 floor(p x 200): p >= t is then exact for every t that is a multiple of
1/200.
"""


def quantise(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities 0..1, float32 -> uint8 levels 0..`LEVELS`, rounded down."""
    # In float64 the product of a float32 is exact; in float32 it would round up across a threshold.
    return np.multiply(probabilities, LEVELS, dtype=np.float64).astype(np.uint8)


def at(threshold: float) -> int:
    """The level from which probabilities reach a threshold, a multiple of 1 / `LEVELS`."""
    return round(threshold * LEVELS)


def exclusive(levels: np.ndarray) -> np.ndarray:
    """Levels (S, R, H, W) where of several regions only the most probable keeps its own; of equals the first.

    For tasks whose regions never share a pixel: thresholds and components then need not know of it.
    """
    best = levels.argmax(axis=1)[:, None]
    return np.where(np.arange(levels.shape[1])[:, None, None] == best, levels, 0).astype(levels.dtype)
