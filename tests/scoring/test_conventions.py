"""The same masks by other people's conventions, against numbers worked out by hand and scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from stages.scan.spacing import Spacing
from stages.scoring import conventions
from stages.scoring.decision import Scored


def table(
    predicted: list[list[int]] | np.ndarray,
    truth: list[list[int]] | np.ndarray,
    case_id: str = "a",
    patient_id: str = "p",
    region: str = "tumour",
) -> pd.DataFrame:
    """Slices of 4 pixels in a row; (S, 4) zeros and ones."""
    predicted, truth = (np.array(mask, dtype=bool)[:, None] for mask in (predicted, truth))
    case = Scored(
        case_id, patient_id, truth[:, None], truth[:, None], Spacing(10.0, 10.0, 10.0), np.arange(len(truth))
    )
    return conventions.slices(case, 0, region, predicted)


FIRST = [[1, 1, 0, 0], [0, 0, 0, 0]], [[1, 0, 0, 0], [0, 0, 0, 0]]
SECOND = [[0, 0, 0, 0], [0, 0, 1, 1]], [[0, 1, 1, 0], [0, 0, 1, 1]]


def test_by_hand() -> None:
    both = pd.concat([table(*FIRST), table(*SECOND, "b", "q")])
    # Slices: Dice 2/3, 1 (both empty), 0, 1; IoU 1/2, 1, 0, 1. Pooled: TP 1+2, FP 1, FN 2.
    assert conventions.card(both) == pytest.approx(
        {
            "pooled_dice": 6 / 9,
            "pooled_iou": 3 / 6,
            "slice_empty_one_dice": (2 / 3 + 1 + 0 + 1) / 4,
            "slice_empty_one_iou": (1 / 2 + 1 + 0 + 1) / 4,
            "positive_slice_dice": (2 / 3 + 0 + 1) / 3,
            "positive_slice_iou": (1 / 2 + 0 + 1) / 3,
        }
    )
    assert conventions.brief(both) == pytest.approx(
        {
            "volume_dice": (2 / 3 + 4 / 6) / 2,
            "pooled_dice": 6 / 9,
            "slice_empty_one_dice": (2 / 3 + 1 + 0 + 1) / 4,
            "positive_slice_dice": (2 / 3 + 0 + 1) / 3,
        }
    )


def test_regions_count_alike_however_many_of_their_slices_have_tumour() -> None:
    regions = pd.concat([table(*FIRST), table(*SECOND, region="core")])
    found = conventions.card(regions)
    assert found["pooled_dice"] == pytest.approx((2 / 3 + 4 / 6) / 2)
    assert found["positive_slice_dice"] == pytest.approx((2 / 3 + (0 + 1) / 2) / 2)


def test_a_patient_with_two_scans_counts_once() -> None:
    some = pd.concat([table(*FIRST, "a1", "p"), table(*FIRST, "a2", "p"), table(*SECOND, "b", "q")])
    assert conventions.volume_dice(some) == pytest.approx((2 / 3 + 4 / 6) / 2)
    perfect = pd.concat([table(*FIRST, "a1", "p"), table([[1, 1, 1, 1]], [[1, 1, 1, 1]], "a2", "p")])
    assert conventions.volume_dice(perfect) == pytest.approx((2 / 3 + 1) / 2)


def test_a_test_set_without_tumour_has_no_positive_slices() -> None:
    found = conventions.card(table([[0, 0, 0, 0]], [[0, 0, 0, 0]]))
    assert found["slice_empty_one_dice"] == found["pooled_iou"] == 1
    assert np.isnan(found["positive_slice_dice"])


def test_slices_and_pools_of_random_masks_are_scikit_learns() -> None:
    random = np.random.default_rng(0)
    predicted, truth = random.random((2, 40, 4)) < np.array([[[0.2]], [[0.3]]])
    found = conventions.card(table(predicted, truth))
    flat = {"y_true": truth.ravel(), "y_pred": predicted.ravel()}
    assert found["pooled_dice"] == pytest.approx(metrics.f1_score(**flat))
    assert found["pooled_iou"] == pytest.approx(metrics.jaccard_score(**flat))
    for name, metric in (("dice", metrics.f1_score), ("iou", metrics.jaccard_score)):
        each = [metric(t, p, zero_division=1.0) for t, p in zip(truth, predicted, strict=True)]
        assert found[f"slice_empty_one_{name}"] == pytest.approx(np.mean(each))
        positive = [one for one, t in zip(each, truth, strict=True) if t.any()]
        assert found[f"positive_slice_{name}"] == pytest.approx(np.mean(positive))
