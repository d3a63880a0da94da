"""Detection of lesions against sets of voxels found by flood fill."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stages.scoring import lesions
from tests.fixtures.flooding import flooded

MASKS = hnp.arrays(bool, (2, 5, 6), elements=st.sampled_from([False, False, False, False, True]))


@settings(max_examples=100)
@given(MASKS, MASKS)
def test_f1_is_that_of_sets_of_voxels(predicted: np.ndarray, truth: np.ndarray) -> None:
    true, found = list(flooded(truth)), list(flooded(predicted))
    tp = sum(any(lesion & other for other in found) for lesion in true)
    fp = sum(not any(lesion & other for other in true) for lesion in found)
    whole = 2 * tp + fp + len(true) - tp
    assert lesions.detection_f1(predicted, truth) == pytest.approx(2 * tp / whole if whole else 1.0)


def test_one_found_one_missed_two_invented() -> None:
    truth, predicted = np.zeros((2, 1, 20, 20), bool)
    truth[0, 1:4, 1:4] = truth[0, 10:12, 10:12] = True
    predicted[0, 3:6, 3:6] = predicted[0, 1, 15] = predicted[0, 17, 1] = True
    assert lesions.detection_f1(predicted, truth) == pytest.approx(2 / (2 + 1 + 2))


def test_empty_masks() -> None:
    empty, full = np.zeros((2, 3, 4), bool), np.ones((2, 3, 4), bool)
    assert lesions.detection_f1(empty, empty) == 1
    assert lesions.detection_f1(empty, full) == 0
    assert lesions.detection_f1(full, empty) == 0
    assert lesions.detection_f1(full, full) == 1
