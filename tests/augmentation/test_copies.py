"""Offline copies: whole cases, each with one draw for all its slices, as a store like any other."""

from pathlib import Path

import numpy as np
import pytest

from stages.augmentation import copies, policies
from stages.store import shards
from tests.fixtures import stores


@pytest.fixture
def written(tmp_path: Path) -> tuple[shards.Store, shards.Store, np.ndarray]:
    """The original, two "strong" copies of its cases 0 and 2, and the rows of those."""
    stores.write(tmp_path / "s", [4, 3, 5])
    original = shards.open_store(tmp_path / "s")
    rows = np.flatnonzero(original.index["case_id"] != "c1")
    (tmp_path / "copies").mkdir()
    copies.write(original, rows, policies.build("strong", []), 2, tmp_path / "copies")
    return original, shards.open_store(tmp_path / "copies"), rows


def test_every_training_slice_is_there_as_often_as_wanted_and_no_other(
    written: tuple[shards.Store, shards.Store, np.ndarray],
) -> None:
    original, copied, rows = written
    wanted = [f"{sample}~{copy}" for copy in (1, 2) for sample in original.index["sample_id"].iloc[rows]]
    assert list(copied.index["sample_id"]) == wanted
    assert set(copied.index["case_id"]) == set(copied.meta.cases) == {"c0~1", "c0~2", "c2~1", "c2~2"}
    assert set(copied.index["patient_id"]) == {"p0", "p2"}  # whose copies they are decides on splits
    assert list(copied.index["label_pixels"]) == [
        int((m > 0).sum()) for m in copied.masks(np.arange(len(wanted)))
    ]
    assert copied.meta.channels == original.meta.channels


def test_all_slices_of_a_copied_case_share_one_draw_and_copies_differ(
    written: tuple[shards.Store, shards.Store, np.ndarray],
) -> None:
    """The same key on each slice by hand gives the same; shapes of heads are then moved alike."""
    original, copied, _ = written
    policy = policies.build("strong", [])
    for copy in (1, 2):
        for number, case in enumerate(("c0", "c2")):
            before = np.flatnonzero(original.index["case_id"] == case)
            after = np.flatnonzero(copied.index["case_id"] == f"{case}~{copy}")
            for image, mask, done, labelled in zip(
                original.images(before),
                original.masks(before),
                copied.images(after),
                copied.masks(after),
                strict=True,
            ):
                window, changed = policies.apply(policy, image[None], mask, (0, copy, number))
                np.testing.assert_array_equal(done, window[0])
                np.testing.assert_array_equal(labelled, changed)
            heads = (copied.images(after) > 0).any(axis=3)
            assert heads.all(axis=0).sum() > 0.95 * heads.any(axis=0).sum()
    half = len(copied.index) // 2
    assert not np.array_equal(copied.images(np.arange(half)), copied.images(np.arange(half, 2 * half)))
