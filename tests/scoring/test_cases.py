"""Scores of cases, patient means, and other people's conventions, against numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.learning.segmenter import volume_dice
from stages.scoring import cases, overlap, prediction
from stages.scoring.decision import Decision, Scored

DECISION = Decision(
    threshold={"tumour": 0.5, "core": 0.5},
    tta="none",
    smallest_component_ml={"tumour": 0.0, "core": 0.0},
    val_dice=1.0,
)


def scored(predicted, truth, case_id="a", patient_id="p", spacing=(10.0, 10.0, 10.0)):
    """Slices of 4 pixels in a row; (S, 4) zeros and ones."""
    levels = (np.array(predicted, dtype=np.uint8) * 200)[:, None, None, :]
    return Scored(case_id, patient_id, levels, np.array(truth, dtype=bool)[:, None, None, :], spacing)


FIRST = scored([[1, 1, 0, 0], [0, 0, 0, 0]], [[1, 0, 0, 0], [0, 0, 0, 0]])
SECOND = scored([[0, 0, 0, 0], [0, 0, 1, 1]], [[0, 1, 1, 0], [0, 0, 1, 1]], "b", "q")


def test_conventions_by_hand():
    found = cases.conventions([FIRST, SECOND], ["tumour"], DECISION)
    # Slices: Dice 2/3, 1 (both empty), 0, 1; IoU 1/2, 1, 0, 1. Pooled: TP 1+2, FP 1, FN 2.
    assert found == pytest.approx(
        {
            "pooled_dice": 6 / 9,
            "pooled_iou": 3 / 6,
            "slice_empty_one_dice": (2 / 3 + 1 + 0 + 1) / 4,
            "slice_empty_one_iou": (1 / 2 + 1 + 0 + 1) / 4,
            "positive_slice_dice": (2 / 3 + 0 + 1) / 3,
            "positive_slice_iou": (1 / 2 + 0 + 1) / 3,
        }
    )


def test_conventions_average_over_regions():
    both = Scored(
        "a",
        "p",
        np.concatenate([FIRST.levels, SECOND.levels], 1),
        np.concatenate([FIRST.truth, SECOND.truth], 1),
        FIRST.spacing_mm,
    )
    found = cases.conventions([both], ["tumour", "core"], DECISION)
    assert found["pooled_dice"] == pytest.approx((2 / 3 + 4 / 6) / 2)


def test_a_test_set_without_tumour_has_no_positive_slices():
    found = cases.conventions([scored([[0, 0, 0, 0]], [[0, 0, 0, 0]])], ["tumour"], DECISION)
    assert found["slice_empty_one_dice"] == 1
    assert np.isnan(found["positive_slice_dice"])


def test_a_row_pools_the_slices_of_a_case_and_measures_ml():
    row = cases.score(SECOND, 0, "tumour", DECISION, 2.0)
    assert row["case_id"] == "b"
    assert row["patient_id"] == "q"
    assert row["slices"] == 2
    assert row["dice"] == pytest.approx(4 / 6)
    assert row["iou"] == pytest.approx(1 / 2)
    assert (row["precision"], row["recall"], row["specificity"]) == (1, 0.5, 1)
    assert row["pixel_accuracy"] == 6 / 8
    # Voxels of 1 ml.
    assert (row["truth_ml"], row["predicted_ml"], row["volume_error_ml"]) == (4, 2, 2)
    assert prediction.dice(SECOND, 0, "tumour", DECISION) == row["dice"]


def test_a_patient_with_several_cases_counts_once():
    values = {name: [0.0, 1.0, 0.5, 0.5] for name in cases.METRICS}
    table = pd.DataFrame({"patient_id": ["p", "q", "q", "q"], **values})
    table.loc[3, "dice"] = 0.9
    found = cases.means(table, 200)
    assert found["dice"] == pytest.approx((0 + (1 + 0.5 + 0.9) / 3) / 2)
    assert found["iou"] == pytest.approx((0 + 2 / 3) / 2)
    assert found["dice_ci_low"] <= found["dice"] <= found["dice_ci_high"]
    assert list(found)[:3] == ["dice", "dice_ci_low", "dice_ci_high"]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_training_and_evaluation_mean_the_same_dice(tp, fp, fn):
    in_training = volume_dice(torch.tensor([tp, tp + fp, tp + fn], dtype=torch.float64))
    assert float(in_training) == pytest.approx(overlap.dice(overlap.Counts(tp, fp, fn, 7)))
