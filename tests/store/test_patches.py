"""3D windows over the store: where they lie, that each voxel is in one, and what they are drawn by."""

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.augmentation import policies
from stages.core.errors import UserError
from stages.framing.sections import Sections, labelled
from stages.store import shards
from stages.store.dataset import Batch, Key
from stages.store.patches import PatchDataset
from tests.fixtures import stores

LENGTHS = [7, 3, 9]


def unchanged(image: np.ndarray, labels: np.ndarray, key: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    return image, labels


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> shards.Store:
    folder = tmp_path_factory.mktemp("store") / "slices"
    stores.write(folder, LENGTHS)
    return shards.open_store(folder)


def everything(data: PatchDataset, epoch: int = 0) -> Batch:
    return data.__getitems__([Key(epoch, position) for position in range(len(data))])


@settings(max_examples=25)
@given(window=st.tuples(st.integers(1, 12), st.integers(5, 32), st.integers(5, 32)))
def test_each_voxel_is_in_one_window_of_validation(
    opened: shards.Store, window: tuple[int, int, int]
) -> None:
    rows = np.flatnonzero(opened.index["case_id"] != "c1")
    data = PatchDataset(opened, rows, window)
    batch = everything(data)
    assert batch.images.shape == (len(data), *window, 3)
    assert batch.labels.shape == (len(data), *window)
    for sums, whole in ((batch.images, opened.images(rows)), (batch.labels, opened.masks(rows))):
        assert int(sums.numpy().astype(int).sum()) == int(whole.astype(int).sum())
    assert set(batch.rows.tolist()) == {0, 10}


def test_a_window_is_a_part_of_its_case_and_background_beyond(opened: shards.Store) -> None:
    data = PatchDataset(opened, np.arange(7, 10), (5, 32, 32))
    (image,), (labels,), _ = everything(data)
    np.testing.assert_array_equal(image[:3], opened.images(np.arange(7, 10)))
    np.testing.assert_array_equal(labels[:3], opened.masks(np.arange(7, 10)))
    assert not image[3:].any()


@pytest.mark.long
@pytest.mark.parametrize("foreground", [0.0, 1.0])
def test_windows_are_drawn_around_labelled_voxels_or_anywhere(
    opened: shards.Store, foreground: float
) -> None:
    rows = np.arange(len(opened.index))
    data = PatchDataset(opened, rows, (2, 8, 8), unchanged, foreground, seed=3)
    batches = [everything(data, epoch) for epoch in range(4)]
    labelled = np.mean([(batch.labels.numpy() > 0).any(axis=(1, 2, 3)).mean() for batch in batches])
    assert labelled == 1 if foreground else labelled < 0.9
    whole = opened.images(rows)
    for window, row in zip(batches[0].images.numpy(), batches[0].rows.tolist(), strict=True):
        length = LENGTHS[[0, 7, 10].index(row)]
        case = whole[row : row + length]
        assert any(
            np.array_equal(window, case[top : top + 2, y : y + 8, x : x + 8])
            for top in range(length - 1)
            for y in range(25)
            for x in range(25)
            if np.array_equal(window[0, 0], case[top, y, x : x + 8])
        )


def test_the_key_alone_decides(opened: shards.Store) -> None:
    rows = np.arange(len(opened.index))
    augment = partial(policies.apply, policies.build("strong", opened.meta.channels))
    data = PatchDataset(opened, rows, (4, 16, 16), augment, 0.5, seed=1)
    whole = everything(data, epoch=2)
    for position in (5, 0, len(data) - 1):
        (image,), (labels,), _ = data[Key(2, position)]
        np.testing.assert_array_equal(image, whole.images[position])
        np.testing.assert_array_equal(labels, whole.labels[position])
    assert not np.array_equal(everything(data, epoch=3).images, whole.images)
    later = PatchDataset(opened, rows[7:], (4, 16, 16), augment, 0.5, seed=1)  # a part of the set draws alike
    np.testing.assert_array_equal(everything(later, epoch=2).images, whole.images[-len(later) :])


def test_a_divided_case_is_refused(opened: shards.Store) -> None:
    with pytest.raises(UserError, match=r"the split divides case c2, and train\.dims 3 needs whole ones"):
        PatchDataset(opened, np.arange(12), (4, 16, 16))


def test_a_window_larger_than_a_slice(opened: shards.Store) -> None:
    with pytest.raises(
        UserError, match=r"train.window \[4, 64, 32\] is larger than the slices, which have 32 x"
    ):
        PatchDataset(opened, np.arange(7), (4, 64, 32))


@pytest.mark.parametrize("policy", ["light", "default", "strong"])
def test_labels_of_all_slices_move_as_that_of_one_would(policy: str) -> None:
    images, masks = stores.arrays(6)
    built = policies.build(policy, ["pre", "flair", "post"])
    for number in range(12):
        window, labels = policies.apply(built, images, masks, (number,))
        for place in range(6):
            same, alone = policies.apply(built, images, masks[place], (number,))
            np.testing.assert_array_equal(same, window)
            np.testing.assert_array_equal(alone, labels[place])


@pytest.mark.parametrize("through_mm", [2.5, 4.0, 10.0])  # the cases' slices lie 5 mm apart
def test_windows_of_slices_at_another_distance(opened: shards.Store, through_mm: float) -> None:
    data = PatchDataset(opened, np.arange(len(opened.index)), (4, 32, 32), through_mm=through_mm)
    batch = everything(data)
    for first, length in zip((0, 7, 10), LENGTHS, strict=True):
        own = np.arange(first, first + length)
        planned = Sections.of(length, 5.0, through_mm)
        _, weights = planned.part(0, planned.planned)
        here = batch.rows.numpy() == first
        images, labels = (part.numpy()[here].reshape(-1, *part.shape[2:]) for part in batch[:2])
        assert len(images) == 4 * math.ceil(planned.planned / 4)
        np.testing.assert_array_equal(images[: planned.planned], planned.levels(opened.images(own)))
        np.testing.assert_array_equal(labels[: planned.planned], labelled(opened.masks(own), weights))
        assert not images[planned.planned :].any()


def test_drawn_windows_of_slices_at_another_distance_show_the_label(opened: shards.Store) -> None:
    rows = np.arange(len(opened.index))
    data = PatchDataset(opened, rows, (3, 12, 12), unchanged, 1.0, seed=3, through_mm=2.5)
    labels = np.concatenate([everything(data, epoch).labels.numpy() for epoch in range(4)])
    assert (labels > 0).any(axis=(1, 2, 3)).all()
    assert (data.label_pixels > 0).any()


def test_a_case_that_does_not_tell_its_distance_keeps_its_slices(opened: shards.Store) -> None:
    untold = stores.untold(opened, ["c1"])
    rows = np.arange(len(opened.index))
    lengths = [
        sections.planned for sections in PatchDataset(untold, rows, (4, 16, 16), through_mm=2.5).sections
    ]
    assert lengths == [14, 3, 18]
