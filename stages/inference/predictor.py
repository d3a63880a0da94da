"""Windows in, probabilities out, whatever computes them; flips stand above it, once."""

from collections.abc import Iterable, Sequence
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
    window, batch = predictor.window, predictor.batch_size
    if "flip" not in options:
        return {tta: sliding.probabilities(predictor.answer, levels, window, batch) for tta in options}
    plain = sliding.probabilities(predictor.answer, levels, window, batch)
    mirrored = sliding.probabilities(
        predictor.answer, np.ascontiguousarray(levels[:, :, ::-1]), window, batch
    )
    answers: dict[Tta, np.ndarray] = {"none": plain, "flip": (plain + mirrored[..., ::-1]) / 2}
    return {tta: answers[tta] for tta in options}


def probabilities(predictor: Predictor, batches: Iterable[np.ndarray], tta: Tta) -> np.ndarray:
    """Of all windows of a case (S, D, H, W, C) uint8, which come in batches: (S, R, H, W) float32."""
    return by_tta(predictor, batches, (tta,))[tta]


def by_tta(
    predictor: Predictor, batches: Iterable[np.ndarray], options: Sequence[Tta]
) -> dict[Tta, np.ndarray]:
    """`probabilities` for each of the options; what they share is computed once.

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
