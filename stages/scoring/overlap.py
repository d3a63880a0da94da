"""Overlap of a predicted and a true mask, from voxel counts.

Empty masks are scored as BraTS does: both empty is a perfect 1, one of them empty is 0.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Counts:
    """Voxels of a pair of binary masks: true positives, false positives, false negatives, true negatives."""

    tp: int
    fp: int
    fn: int
    tn: int

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)

    @property
    def predicted(self) -> int:
        return self.tp + self.fp

    @property
    def true(self) -> int:
        return self.tp + self.fn


def count(predicted: np.ndarray, truth: np.ndarray) -> Counts:
    """Counts of two boolean masks of the same, any, shape."""
    tp = int(np.count_nonzero(predicted & truth))
    fp = int(np.count_nonzero(predicted)) - tp
    fn = int(np.count_nonzero(truth)) - tp
    return Counts(tp, fp, fn, truth.size - tp - fp - fn)


def dice(c: Counts) -> float:
    """2 TP / (2 TP + FP + FN): Dice 1945, Sørensen 1948."""
    return _ratio(2 * c.tp, c.predicted + c.true, c)


def iou(c: Counts) -> float:
    """TP / (TP + FP + FN): Jaccard 1912."""
    return _ratio(c.tp, c.tp + c.fp + c.fn, c)


def precision(c: Counts) -> float:
    """TP / (TP + FP), the positive predictive value."""
    return _ratio(c.tp, c.predicted, c)


def recall(c: Counts) -> float:
    """TP / (TP + FN), the sensitivity."""
    return _ratio(c.tp, c.true, c)


def specificity(c: Counts) -> float:
    """TN / (TN + FP); 1 where nothing is negative."""
    return c.tn / (c.tn + c.fp) if c.tn + c.fp else 1.0


def pixel_accuracy(c: Counts) -> float:
    """(TP + TN) / all: near 1 for any prediction, since most of a scan is background."""
    return (c.tp + c.tn) / (c.tp + c.fp + c.fn + c.tn)


def _ratio(part: int, whole: int, c: Counts) -> float:
    if whole:
        return part / whole
    return 1.0 if c.predicted == c.true == 0 else 0.0
