"""Overlap metrics against scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics

from stages.scoring import overlap

MASKS = hnp.arrays(bool, (2, 3, 4), elements=st.booleans())
ALL = (
    overlap.dice,
    overlap.iou,
    overlap.precision,
    overlap.recall,
    overlap.specificity,
    overlap.pixel_accuracy,
)
EMPTY, FULL = np.zeros((2, 3, 4), bool), np.ones((2, 3, 4), bool)


@pytest.mark.long
@settings(max_examples=60)
@given(MASKS, MASKS)
def test_counts_and_metrics_are_those_of_scikit_learn(predicted: np.ndarray, truth: np.ndarray) -> None:
    counts = overlap.count(predicted, truth)
    tn, fp, fn, tp = metrics.confusion_matrix(truth.ravel(), predicted.ravel(), labels=[False, True]).ravel()
    assert (counts.tp, counts.predicted, counts.true) == (tp, tp + fp, tp + fn)
    assert counts.size == tp + fp + fn + tn
    assert overlap.pixel_accuracy(counts) == pytest.approx(
        metrics.accuracy_score(truth.ravel(), predicted.ravel())
    )
    if truth.any() or predicted.any():
        flat = {"y_true": truth.ravel(), "y_pred": predicted.ravel(), "zero_division": 0}
        assert overlap.dice(counts) == pytest.approx(metrics.f1_score(**flat))
        assert overlap.iou(counts) == pytest.approx(metrics.jaccard_score(**flat))
        assert overlap.precision(counts) == pytest.approx(metrics.precision_score(**flat))
        assert overlap.recall(counts) == pytest.approx(metrics.recall_score(**flat))
    if not truth.all():
        specificity = metrics.recall_score(~truth.ravel(), ~predicted.ravel(), zero_division=0)
        assert overlap.specificity(counts) == pytest.approx(specificity)


def test_two_empty_masks_are_perfect_and_one_is_a_miss() -> None:
    for metric in (overlap.dice, overlap.iou, overlap.precision, overlap.recall):
        assert metric(overlap.count(EMPTY, EMPTY)) == 1
        assert metric(overlap.count(EMPTY, FULL)) == 0
        assert metric(overlap.count(FULL, EMPTY)) == 0


def test_specificity_is_one_where_nothing_is_negative() -> None:
    assert overlap.specificity(overlap.count(EMPTY, FULL)) == 1
    assert overlap.specificity(overlap.count(FULL, EMPTY)) == 0


@settings(max_examples=50)
@given(st.lists(st.tuples(MASKS, MASKS), max_size=4))
def test_arrays_of_counts_are_scored_one_by_one(pairs: list[tuple[np.ndarray, np.ndarray]]) -> None:
    counts = [overlap.count(*pair) for pair in pairs]
    columns = (np.array([getattr(c, name) for c in counts], int) for name in ("tp", "predicted", "true"))
    together = overlap.Counts(*columns)
    for metric in (overlap.dice, overlap.iou, overlap.precision, overlap.recall):
        assert metric(together).tolist() == [metric(c) for c in counts]


@settings(max_examples=50)
@given(MASKS, MASKS)
def test_all_lie_between_zero_and_one_and_iou_follows_dice(predicted: np.ndarray, truth: np.ndarray) -> None:
    counts = overlap.count(predicted, truth)
    assert all(0 <= metric(counts) <= 1 for metric in ALL)
    dice = overlap.dice(counts)
    assert overlap.iou(counts) == pytest.approx(dice / (2 - dice))
