"""Every metric of a region of a case, in one list: evaluate, report, model card and compare all ask it.

A new metric is an entry here and its function.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stages.scan.spacing import Spacing
from stages.scoring import histograms, lesions, overlap, surface
from stages.scoring.overlap import Counts


@dataclass(frozen=True)
class Pair:
    """A predicted and a true mask of a case, all its slices pooled.

    predicted, truth: (S, H, W) bool. levels: (S, H, W) uint8, the probabilities. tolerance_mm: of the surface
    Dice. What several metrics need is computed once.
    """

    predicted: np.ndarray
    truth: np.ndarray
    levels: np.ndarray
    spacing: Spacing
    tolerance_mm: float

    @cached_property
    def counts(self) -> Counts:
        return overlap.count(self.predicted, self.truth)

    @cached_property
    def surfaces(self) -> tuple[float, float]:
        """95 % Hausdorff distance in mm and surface Dice."""
        return surface.hd95_and_nsd(self.predicted, self.truth, self.spacing, self.tolerance_mm)

    @property
    def truth_ml(self) -> float:
        return self.counts.true * self.spacing.voxel_ml

    @property
    def predicted_ml(self) -> float:
        return self.counts.predicted * self.spacing.voxel_ml


@dataclass(frozen=True)
class Metric:
    """name: of its column and its key. title: in words. unit: "" for a share. digits: after the point, that a
    reader can use.
    """

    name: str
    title: str
    unit: str
    digits: int
    higher_is_better: bool
    function: Callable[[Pair], float]

    @property
    def head(self) -> str:
        """Title with unit, and which way is better where that is not the usual one."""
        about = [self.unit] * bool(self.unit) + ["lower is better"] * (not self.higher_is_better)
        return self.title + (f" ({', '.join(about)})" if about else "")


METRICS = (
    Metric("dice", "volume Dice", "", 3, True, lambda pair: overlap.dice(pair.counts)),
    Metric("iou", "IoU", "", 3, True, lambda pair: overlap.iou(pair.counts)),
    Metric("precision", "precision", "", 3, True, lambda pair: overlap.precision(pair.counts)),
    Metric("recall", "recall", "", 3, True, lambda pair: overlap.recall(pair.counts)),
    Metric("specificity", "specificity", "", 4, True, lambda pair: overlap.specificity(pair.counts)),
    Metric("pixel_accuracy", "pixel accuracy", "", 4, True, lambda pair: overlap.pixel_accuracy(pair.counts)),
    Metric("hd95_mm", "95 % Hausdorff distance", "mm", 2, False, lambda pair: pair.surfaces[0]),
    Metric("nsd", "normalised surface Dice", "", 3, True, lambda pair: pair.surfaces[1]),
    Metric(
        "volume_error_ml",
        "absolute volume error",
        "ml",
        2,
        False,
        lambda pair: abs(pair.predicted_ml - pair.truth_ml),
    ),
    Metric(
        "detection_f1",
        "F1 of lesions found",
        "",
        3,
        True,
        lambda pair: lesions.detection_f1(pair.predicted, pair.truth),
    ),
    Metric(
        "calibration_error",
        "expected calibration error",
        "",
        4,
        False,
        lambda pair: histograms.calibration_error(histograms.count(pair.levels, pair.truth)),
    ),
)
"""In the order of their columns; the first is the headline."""

BY_NAME = {metric.name: metric for metric in METRICS}
NAMES = tuple(BY_NAME)
