"""Curves and calibration from histograms of levels, against scikit-learn and torchmetrics."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics
from torchmetrics.functional.classification import binary_calibration_error

from stages.masks.levels import LEVELS
from stages.scoring import histograms

VOXELS = st.integers(1, 60).flatmap(
    lambda n: st.tuples(
        hnp.arrays(np.uint8, n, elements=st.integers(0, LEVELS)), hnp.arrays(bool, n, elements=st.booleans())
    )
)


@settings(max_examples=100)
@given(VOXELS)
def test_a_histogram_counts_every_voxel_once(voxels: tuple[np.ndarray, np.ndarray]) -> None:
    values, truth = voxels
    counts = histograms.count(values, truth)
    assert counts.shape == (2, LEVELS + 1)
    for level in range(LEVELS + 1):
        here = values == level
        assert (counts[0, level], counts[1, level]) == ((here & ~truth).sum(), (here & truth).sum())


@settings(max_examples=25)
@given(VOXELS)
def test_the_curve_is_scikit_learns_at_its_thresholds(voxels: tuple[np.ndarray, np.ndarray]) -> None:
    values, truth = voxels
    curve = histograms.precision_recall(histograms.count(values, truth))
    assert list(curve["threshold"]) == pytest.approx([0.05 * n for n in range(1, 20)])
    above = values[:, None] >= np.round(curve["threshold"].to_numpy() * LEVELS)
    same = np.repeat(truth[:, None], above.shape[1], axis=1)  # to scikit-learn each threshold is a label
    precision = metrics.precision_score(same, above, average=None, zero_division=1)
    recall = metrics.recall_score(same, above, average=None, zero_division=0)
    assert list(curve["precision"]) == pytest.approx(list(precision))
    assert list(curve["recall"]) == pytest.approx(list(recall))


@settings(max_examples=40)
@given(VOXELS)
def test_the_calibration_error_is_that_of_torchmetrics(voxels: tuple[np.ndarray, np.ndarray]) -> None:
    values, truth = voxels
    # Below 1: torchmetrics gives a probability of exactly 1 a bin of its own, behind the last.
    probabilities = torch.from_numpy(np.minimum((values.astype(np.float64) + 0.5) / LEVELS, 1 - 1e-7))
    expected = binary_calibration_error(probabilities, torch.from_numpy(truth).long(), n_bins=histograms.BINS)
    found = histograms.calibration_error(histograms.count(values, truth))
    assert found == pytest.approx(float(expected), abs=1e-6)


def test_of_sure_and_right_voxels_nothing_is_off_but_half_a_level() -> None:
    values = np.array([0, 0, LEVELS, LEVELS], dtype=np.uint8)
    right = histograms.count(values, values > 0)
    assert histograms.calibration_error(right) == pytest.approx(0.5 * 0.5 / LEVELS)
    wrong = histograms.count(values, values == 0)
    assert histograms.calibration_error(wrong) == pytest.approx(1 - 0.5 * 0.5 / LEVELS)


def test_bins_without_voxels_are_left_out() -> None:
    values = np.array([10, 10, 190], dtype=np.uint8)
    bins = histograms.reliability(histograms.count(values, np.array([True, False, True])))
    expected = pd.DataFrame(
        {"confidence": [10.5 / 200, 190.5 / 200], "observed": [0.5, 1.0], "voxels": [2, 1]}
    )
    pd.testing.assert_frame_equal(bins, expected)
