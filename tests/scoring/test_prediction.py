"""From probabilities and a store to cases that can be scored."""

import numpy as np

from stages.scoring import prediction
from tests.fixtures import trainings

REGIONS = {"whole": [1, 2, 3], "core": [2, 3], "enhancing": [3]}


def test_truth_and_identity_come_from_the_store(tmp_path):
    store = trainings.blobs(tmp_path, regions=REGIONS, spacing_mm=(3.0, 1.0, 0.5))
    rows = np.array([8, 9, 10, 11])
    probabilities = np.full((4, 3, 32, 32), 0.25, dtype=np.float32)
    (found,) = prediction.scored(store, [("case02", rows, probabilities)])
    assert (found.case_id, found.patient_id) == ("case02", "patient1")
    assert found.spacing_mm == (3.0, 1.0, 0.5)
    assert found.voxel_ml == 0.0015
    assert (found.levels == 50).all()
    labels = store.masks(rows)
    assert set(np.unique(labels)) == {0, 1, 2, 3}
    np.testing.assert_array_equal(found.truth[:, 0], labels > 0)
    np.testing.assert_array_equal(found.truth[:, 1], labels >= 2)
    np.testing.assert_array_equal(found.truth[:, 2], labels == 3)
