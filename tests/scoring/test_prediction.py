"""From probabilities and a store to cases that can be scored."""

from pathlib import Path

import numpy as np
import pytest

from stages.inference.cases import Prediction
from stages.scoring import prediction
from stages.scoring.decision import Decision
from stages.store.shards import Store
from tests.fixtures import trainings

REGIONS = {"whole": [1, 2, 3], "core": [2, 3], "enhancing": [3]}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return trainings.blobs(tmp_path, regions=REGIONS, spacing_mm=(3.0, 1.0, 0.5))


def test_truth_and_identity_come_from_the_store(store: Store) -> None:
    rows = np.array([8, 9, 10, 11])
    probabilities = np.full((4, 3, 32, 32), 0.25, dtype=np.float32)
    found = prediction.scored(store, Prediction("case02", rows, probabilities))
    assert (found.case_id, found.patient_id) == ("case02", "patient1")
    assert found.spacing == (3.0, 1.0, 0.5)
    assert found.voxel_ml == 0.0015
    assert (found.levels == 50).all()
    labels = store.masks(rows)
    assert set(np.unique(labels)) == {0, 1, 2, 3}
    np.testing.assert_array_equal(found.truth[:, 0], labels > 0)
    np.testing.assert_array_equal(found.truth[:, 1], labels >= 2)
    np.testing.assert_array_equal(found.truth[:, 2], labels == 3)
    keep = Decision(threshold={"core": 0.25}, tta="none", smallest_component_ml={"core": 0.0}, val_dice=0.0)
    share = (labels >= 2).mean()  # all is predicted
    assert prediction.dice(found, 1, "core", keep) == pytest.approx(2 * share / (1 + share))


def test_packed_predictions_come_back_whole_as_often_as_wanted(store: Store) -> None:
    random = np.random.default_rng(0)
    values = random.random((4, 3, 32, 32)).astype(np.float32)
    as_channels_last = np.ascontiguousarray(values.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    predicted = [
        Prediction("case00", np.arange(4), values),
        Prediction("case01", np.array([5, 7]), as_channels_last[:2]),
    ]
    packed = prediction.Predictions(store, iter(predicted))
    assert len(packed) == 2
    for _ in range(2):
        for found, case in zip(packed, predicted, strict=True):
            expected = prediction.scored(store, case)
            assert (found.case_id, found.patient_id) == (expected.case_id, expected.patient_id)
            np.testing.assert_array_equal(found.levels, expected.levels)
            np.testing.assert_array_equal(found.truth, expected.truth)
            np.testing.assert_array_equal(found.rows, expected.rows)
