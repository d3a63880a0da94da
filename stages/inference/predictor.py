"""Windows in, probabilities out, whatever computes them; flips stand above it, once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from stages.inference import sliding
from stages.masks.rule import Tta
from stages.scan import windows as scan_windows


class Predictor(Protocol):
    """A model that answers. depth: slices of the windows it takes, odd of one that answers for the slice in
    the middle. window: of one that answers for whole windows, slices, rows and columns; else None.
    batch_size: windows at a time.
    """

    @property
    def depth(self) -> int: ...

    @property
    def window(self) -> sliding.Size | None: ...

    @property
    def batch_size(self) -> int: ...

    def answer(self, windows: np.ndarray) -> np.ndarray:
        """Windows (N, D, H, W, C) uint8 -> probabilities (N, R, H, W) float32, 0 to 1, of the slices in their
        middle; (N, R, D, H, W) of a predictor with a `window`.
        """
        ...


def of_volume(predictor: Predictor, levels: np.ndarray, options: Sequence[Tta]) -> dict[Tta, np.ndarray]:
    """Probabilities of all slices of a case (S, H, W, C) uint8 with each of the options: (S, R, H, W)."""
    if predictor.window is None:
        around = scan_windows.positions(np.array([len(levels)]), predictor.depth)
        parts = (levels[part] for part in batches(around, predictor.batch_size))
        return by_tta(predictor, parts, options)
    return by_tta(_Whole(predictor, predictor.window), [levels[None]], options)


@dataclass(frozen=True)
class _Whole:
    """A predictor of windows as one that is asked for a volume: (1, S, H, W, C) -> (S, R, H, W)."""

    predictor: Predictor
    window: sliding.Size

    def answer(self, volumes: np.ndarray) -> np.ndarray:
        (levels,) = volumes
        return sliding.probabilities(self.predictor.answer, levels, self.window, self.predictor.batch_size)


def by_tta(
    predictor: Predictor | _Whole, batches: Iterable[np.ndarray], options: Sequence[Tta]
) -> dict[Tta, np.ndarray]:
    """Probabilities of all windows of a case (S, D, H, W, C) uint8, which come in batches, for each of the
    options: (S, R, H, W) float32. What they share is computed once.

    "flip" averages the probabilities of a window and of its mirror image; left and right of a head look
    alike.
    """
    parts: dict[Tta, list[np.ndarray]] = {tta: [] for tta in options}
    for windows in batches:
        plain = predictor.answer(windows)
        if "none" in parts:
            parts["none"].append(plain)
        if "flip" in parts:
            mirrored = predictor.answer(np.ascontiguousarray(windows[:, :, :, ::-1]))
            parts["flip"].append((plain + mirrored[..., ::-1]) / 2)
    return {tta: np.concatenate(part) for tta, part in parts.items()}


def batches(windows: np.ndarray, size: int) -> Iterable[np.ndarray]:
    """Windows (S, ...) in batches of at most `size`; views."""
    return (windows[start : start + size] for start in range(0, len(windows), size))
