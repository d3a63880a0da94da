"""Scores of cases and patient means, against numbers worked out by hand."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.scan.spacing import Spacing
from stages.scoring import cases, metrics, overlap
from stages.scoring.decision import Scored
from stages.scoring.intervals import patient_bootstrap
from stages.training.segmenter import volume_dice

TRUTH = np.array([[0, 1, 1, 0], [0, 0, 1, 1]], dtype=bool)[:, None]
MASK = np.array([[0, 0, 0, 0], [0, 0, 1, 1]], dtype=bool)[:, None]
MM = Spacing(10.0, 10.0, 10.0)
CASE = Scored("b", "q", (MASK * np.uint8(200))[:, None], TRUTH[:, None], MM, np.arange(2))


def test_a_row_pools_the_slices_of_a_case_and_measures_ml() -> None:
    row = cases.score(CASE, 0, "tumour", MASK, 2.0)
    assert (row["case_id"], row["patient_id"], row["region"], row["slices"]) == ("b", "q", "tumour", 2)
    assert row["dice"] == pytest.approx(4 / 6)
    assert row["iou"] == pytest.approx(1 / 2)
    assert (row["precision"], row["recall"], row["specificity"]) == (1, 0.5, 1)
    assert row["pixel_accuracy"] == 6 / 8
    # Voxels of 1 ml.
    assert (row["truth_ml"], row["predicted_ml"], row["volume_error_ml"]) == (4, 2, 2)
    assert row["detection_f1"] == 1  # the two slices touch: one lesion, found
    # Two of eight voxels are missed with a probability of almost 0.
    assert row["calibration_error"] == pytest.approx(2 / 8, abs=0.005)
    assert set(metrics.NAMES) <= set(row)


def rows(**columns: Any) -> pd.DataFrame:
    values = {name: [0.0, 1.0, 0.5, 0.5] for name in metrics.NAMES}
    volumes = {"truth_ml": 1.0, "predicted_ml": 1.0}
    return pd.DataFrame({"patient_id": ["p", "q", "q", "r"], **values, **volumes, **columns})


def test_a_patient_with_several_cases_counts_once() -> None:
    found = cases.means(rows(dice=[0.0, 1.0, 0.5, 0.9]), 200)
    assert found["dice"] == pytest.approx((0 + 0.75 + 0.9) / 3)
    assert found["iou"] == pytest.approx((0 + 0.75 + 0.5) / 3)


def test_every_metric_has_its_own_interval_over_patients() -> None:
    found = cases.means(rows(hd95_mm=[5.0, 90.0, 10.0, 30.0]), 500)
    assert list(found)[:4] == ["dice", "dice_ci_low", "dice_ci_high", "iou"]
    for name in metrics.NAMES:
        assert found[f"{name}_ci_low"] < found[name] < found[f"{name}_ci_high"]
    ends = patient_bootstrap(np.array([5.0, 50.0, 30.0]), 500)
    assert (found["hd95_mm_ci_low"], found["hd95_mm_ci_high"]) == ends


def test_empty_masks_are_counted() -> None:
    found = cases.means(rows(truth_ml=[0.0, 0.0, 1.0, 2.0], predicted_ml=[0.0, 3.0, 0.0, 2.0]), 200)
    assert (found["empty_truth"], found["empty_prediction"], found["empty_both"]) == (2, 2, 1)


def test_contrast_is_of_the_channel_that_shows_the_tumour_best() -> None:
    random = np.random.default_rng(0)
    images = random.normal(100, 10, (2, 40, 40, 3)).clip(1, 255).astype(np.uint8)
    truth = np.zeros((2, 40, 40), bool)
    truth[:, 5:15, 5:15] = True
    images[truth, 1] -= 30  # dark in the second, as tall as three standard deviations
    images[..., 30:, :] = 0  # beyond the head
    assert cases.contrast(images, truth) == pytest.approx(3, abs=0.3)
    assert np.isnan(cases.contrast(images, np.zeros_like(truth)))
    assert np.isnan(cases.contrast(np.zeros_like(images), truth))


@settings(max_examples=100)
@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_training_and_evaluation_mean_the_same_dice(tp: int, fp: int, fn: int) -> None:
    in_training = volume_dice(torch.tensor([tp, tp + fp, tp + fn], dtype=torch.float64))
    assert float(in_training) == pytest.approx(overlap.dice(overlap.Counts(tp, tp + fp, tp + fn)))
