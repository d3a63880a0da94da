"""Windows in, probabilities out, whatever computes them; flips stand above it, once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from stages.framing.sections import Sections
from stages.inference import sliding
from stages.masks.rule import Tta
from stages.scan import windows as scan_windows


class Predictor(Protocol):
    """A model that answers. depth: slices of the windows it takes, odd of one that answers for the slice in
    the middle. window: of one that answers for whole windows, slices, rows and columns; else None.
    through_mm: between the slices of such a window, None where they are the scan's own. batch_size: windows
    at a time.
    """

    @property
    def depth(self) -> int: ...

    @property
    def window(self) -> sliding.Size | None: ...

    @property
    def through_mm(self) -> float | None: ...

    @property
    def batch_size(self) -> int: ...

    def answer(self, windows: np.ndarray) -> np.ndarray:
        """Windows (N, D, H, W, C) uint8 -> probabilities (N, R, H, W) float32, 0 to 1, of the slices in their
        middle; (N, R, D, H, W) of a predictor with a `window`.
        """
        ...


def of_volume(
    predictor: Predictor, levels: np.ndarray, mm: float | None, options: Sequence[Tta]
) -> dict[Tta, np.ndarray]:
    """Probabilities of all slices of a case (S, H, W, C) uint8 with each of the options: (S, R, H, W). mm:
    between the slices, None where the scan does not tell.
    """
    if predictor.window is None:
        around = scan_windows.positions(np.array([len(levels)]), predictor.depth)
        parts = (levels[part] for part in batches(around, predictor.batch_size))
        return by_tta(predictor, parts, options)
    whole = _Whole(predictor, predictor.window, Sections.of(len(levels), mm, predictor.through_mm))
    return by_tta(whole, [levels[None]], options)


@dataclass(frozen=True)
class _Whole:
    """A predictor of windows as one that is asked for a volume: (1, S, H, W, C) -> (S, R, H, W)."""

    predictor: Predictor
    window: sliding.Size
    sections: Sections

    def answer(self, volumes: np.ndarray) -> np.ndarray:
        levels = self.sections.levels(volumes[0])
        answer, batch_size = self.predictor.answer, self.predictor.batch_size
        return self.sections.back(sliding.probabilities(answer, levels, self.window, batch_size))


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
