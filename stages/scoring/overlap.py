"""Overlap of a predicted and a true mask, from voxel counts: the only place where these formulas stand.

Empty masks are scored as BraTS does: both empty is a perfect 1, one of them empty is 0.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Counts:
    """Voxels that a pair of binary masks agree on (true positives), that were predicted, that are true, and
    of the whole image, which only specificity and accuracy ask for. Volumes do as well, and arrays of either.
    """

    tp: Any
    predicted: Any
    true: Any
    size: Any = 0


def count(predicted: np.ndarray, truth: np.ndarray) -> Counts:
    """Counts of two boolean masks of the same, any, shape."""
    tp, positive, true = (int(np.count_nonzero(mask)) for mask in (predicted & truth, predicted, truth))
    return Counts(tp, positive, true, truth.size)


def dice(c: Counts) -> Any:
    """2 TP / (predicted + true): Dice 1945, Sørensen 1948."""
    return _ratio(2 * c.tp, c.predicted + c.true, c)


def iou(c: Counts) -> Any:
    """TP / (predicted + true - TP): Jaccard 1912."""
    return _ratio(c.tp, c.predicted + c.true - c.tp, c)


def precision(c: Counts) -> Any:
    """TP / predicted, the positive predictive value."""
    return _ratio(c.tp, c.predicted, c)


def recall(c: Counts) -> Any:
    """TP / true, the sensitivity."""
    return _ratio(c.tp, c.true, c)


def specificity(c: Counts) -> float:
    """Share of what is not true that was not predicted; 1 where everything is true."""
    negative = c.size - c.true
    return (negative - c.predicted + c.tp) / negative if negative else 1.0


def pixel_accuracy(c: Counts) -> float:
    """Share of all voxels that is right: near 1 for any prediction, since most of a scan is background."""
    return (c.size - c.predicted - c.true + 2 * c.tp) / c.size


def _ratio(part: Any, whole: Any, c: Counts) -> Any:
    """A float of numbers, an array of arrays."""
    empty = (np.asarray(c.predicted) == 0) & (np.asarray(c.true) == 0)
    shares = np.where(whole, part / np.where(whole, whole, 1), np.where(empty, 1.0, 0.0))
    return shares if shares.ndim else float(shares)
