"""Windows in, probabilities out, whatever computes them; flips stand above it, once."""

from collections.abc import Iterable
from typing import Protocol

import numpy as np


class Predictor(Protocol):
    """A model that answers. depth: slices of the windows it takes, odd. batch_size: windows at a time."""

    @property
    def depth(self) -> int: ...

    @property
    def batch_size(self) -> int: ...

    def answer(self, windows: np.ndarray) -> np.ndarray:
        """Windows (N, D, H, W, C) uint8 -> probabilities (N, R, H, W) float32, 0 to 1."""
        ...


def probabilities(predictor: Predictor, batches: Iterable[np.ndarray], tta: str) -> np.ndarray:
    """Of all windows of a case (S, D, H, W, C) uint8, which come in batches: (S, R, H, W) float32.

    tta "flip" averages the probabilities of a window and of its mirror image; left and right of a head look
    alike.
    """
    parts = []
    for windows in batches:
        part = predictor.answer(windows)
        if tta == "flip":
            mirrored = predictor.answer(np.ascontiguousarray(windows[:, :, :, ::-1]))
            part = (part + mirrored[..., ::-1]) / 2
        parts.append(part)
    return np.concatenate(parts)


def batches(windows: np.ndarray, size: int) -> Iterable[np.ndarray]:
    """Windows (S, ...) in batches of at most `size`; views."""
    return (windows[start : start + size] for start in range(0, len(windows), size))
