"""The dataset over the store: neighbours within a case, augmentation whatever the batch, fair sampling."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import BatchSampler, DataLoader

from stages.augmentation import policies
from stages.store import dataset, shards
from stages.store.dataset import Augment, Batch, EpochSampler, InOrder, Key, SliceDataset, Windows
from tests.fixtures import stores


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> shards.Store:
    folder = tmp_path_factory.mktemp("store") / "s"
    stores.write(folder, [4, 1, 6, 3])
    return shards.open_store(folder)


@settings(max_examples=60)
@given(cases=st.lists(st.integers(1, 6), min_size=1, max_size=6), context=st.integers(0, 5))
def test_neighbours_stay_in_the_case_and_repeat_at_its_ends(cases: list[int], context: int) -> None:
    index = pd.DataFrame({"case_id": [f"c{9 - i}" for i, count in enumerate(cases) for _ in range(count)]})
    wanted, start = [], 0
    for count in cases:
        for k in range(count):
            wanted.append([start + min(max(k + step, 0), count - 1) for step in range(-context, context + 1)])
        start += count
    np.testing.assert_array_equal(Windows(index, 2 * context + 1).rows, wanted)


@pytest.mark.parametrize("context", [0, 1, 2])
def test_the_slice_itself_is_in_the_middle_of_its_window(opened: shards.Store, context: int) -> None:
    rows = np.array([0, 4, 13, 7])
    around = Windows(opened.index, 2 * context + 1)
    stack = around.images(opened, rows)
    assert stack.shape == (4, 2 * context + 1, 32, 32, 3)
    for step in range(2 * context + 1):
        np.testing.assert_array_equal(stack[:, step], opened.images(around.rows[rows, step]))
    np.testing.assert_array_equal(stack[:, context], opened.images(rows))


def augmented(policy: str) -> Augment:
    return partial(policies.apply, policies.build(policy, []))


def everything(data: SliceDataset, batch_size: int, workers: int = 0, epoch: int = 3) -> Batch:
    keys = [
        [Key(epoch, p) for p in range(s, min(s + batch_size, len(data)))]
        for s in range(0, len(data), batch_size)
    ]
    loader = DataLoader(
        data,
        batch_sampler=keys,
        num_workers=workers,
        collate_fn=lambda batch: batch,
        multiprocessing_context="fork" if workers else None,
    )
    return Batch(*(torch.cat(parts) for parts in zip(*loader, strict=True)))


def test_a_slice_is_augmented_alike_in_any_batch_worker_or_subset(opened: shards.Store) -> None:
    rows = np.arange(len(opened.index))
    whole = everything(SliceDataset(opened, rows, 3, augmented("strong"), seed=5), 14)
    for batch_size, workers in ((1, 0), (5, 0), (3, 2)):
        other = everything(SliceDataset(opened, rows, 3, augmented("strong"), seed=5), batch_size, workers)
        for one, two in zip(whole, other, strict=True):
            assert torch.equal(one, two)
    some = np.array([11, 2, 6])
    subset = everything(SliceDataset(opened, some, 3, augmented("strong"), seed=5), 2)
    assert torch.equal(subset.images, whole.images[some])
    assert torch.equal(subset.labels, whole.labels[some])
    assert subset.rows.tolist() == some.tolist()
    assert subset.rows.dtype == torch.int64


def test_epoch_and_seed_change_the_augmentation_and_never_the_store(opened: shards.Store) -> None:
    rows = np.arange(len(opened.index))
    before = opened.images(rows)
    data = SliceDataset(opened, rows, 1, augmented("default"), seed=5)
    one, two = everything(data, 14, epoch=0), everything(data, 14, epoch=1)
    assert not torch.equal(one.images, two.images)
    other = everything(SliceDataset(opened, rows, 1, augmented("default"), seed=6), 14, epoch=0)
    assert not torch.equal(one.images, other.images)
    np.testing.assert_array_equal(opened.images(rows), before)
    plain = everything(SliceDataset(opened, rows), 14)
    np.testing.assert_array_equal(plain.images.numpy()[:, 0], before)
    np.testing.assert_array_equal(plain.labels.numpy(), opened.masks(rows))


def test_neighbours_are_augmented_as_the_slice_is(opened: shards.Store) -> None:
    """The case of one slice is its own neighbour on both sides, and stays so."""
    data = SliceDataset(opened, np.array([4]), 3, augmented("strong"), seed=5)
    for epoch in range(30):
        below, itself, above = everything(data, 1, epoch=epoch).images[0]
        assert torch.equal(below, itself)
        assert torch.equal(above, itself)


PIXELS = st.lists(st.sampled_from([0, 0, 5, 70]), min_size=1, max_size=40)


@settings(max_examples=80)
@given(pixels=PIXELS, seed=st.integers(0, 99), epoch=st.integers(0, 99))
def test_all_means_every_slice_once_in_an_order_of_seed_and_epoch(
    pixels: list[int], seed: int, epoch: int
) -> None:
    sampler, late = (EpochSampler(np.array(pixels), "all", seed) for _ in range(2))
    for past in range(epoch % 3):
        late.set_epoch(past)
        list(late)
    sampler.set_epoch(epoch)
    late.set_epoch(epoch)
    keys = list(sampler)
    assert keys == list(late)
    assert len(keys) == len(sampler)
    assert sorted(key.position for key in keys) == list(range(len(pixels)))
    assert {key.epoch for key in keys} == {epoch}


@settings(max_examples=80)
@given(pixels=PIXELS, seed=st.integers(0, 99), epoch=st.integers(0, 99))
def test_balanced_means_every_tumour_and_as_many_without(pixels: list[int], seed: int, epoch: int) -> None:
    sampler = EpochSampler(np.array(pixels), "balanced", seed)
    sampler.set_epoch(epoch)
    positions = [key.position for key in sampler]
    positive = [p for p in positions if pixels[p]]
    negative = [p for p in positions if not pixels[p]]
    assert sorted(positive) == [p for p, count in enumerate(pixels) if count]
    assert len(set(negative)) == len(negative) == min(len(positive), pixels.count(0))
    assert len(sampler) == len(positions)


def test_epochs_differ_in_order_and_in_the_slices_drawn() -> None:
    pixels = np.array([0] * 50 + [9] * 10)
    orders: list[list[int]] = []
    drawn: list[list[int]] = []
    for epoch in range(5):
        for sampling, found in (("all", orders), ("balanced", drawn)):
            sampler = EpochSampler(pixels, sampling, 0)
            sampler.set_epoch(epoch)
            found.append([key.position for key in sampler])
    assert len({tuple(order) for order in orders}) == 5
    assert len({frozenset(positions) for positions in drawn}) == 5


def test_in_order_is_in_order() -> None:
    assert list(InOrder(3)) == [Key(0, 0), Key(0, 1), Key(0, 2)]
    assert len(InOrder(3)) == 3
    positions: Any = InOrder(5)  # torch takes any, its annotation only numbers
    assert [len(batch) for batch in BatchSampler(positions, 2, drop_last=False)] == [2, 2, 1]


def test_mean_and_deviation_are_those_of_numpy(tmp_path: Path) -> None:
    images, _ = stores.write(tmp_path / "s", [300, 5], channels=2)
    rows = np.arange(3, 300)
    mean, std = dataset.mean_std(shards.open_store(tmp_path / "s"), rows)
    assert mean == pytest.approx(images[rows].mean(axis=(0, 1, 2)))
    assert std == pytest.approx(images[rows].std(axis=(0, 1, 2)))


def test_a_blank_channel_has_a_deviation_that_can_be_divided_by(opened: shards.Store) -> None:
    blank = shards.Store(opened.meta, opened.index, [np.zeros((14, 32, 32, 3), np.uint8)], opened.mask_shards)
    assert dataset.mean_std(blank, np.arange(14)) == ([0.0] * 3, [1.0] * 3)


def test_rows_of_a_split_in_index_order_whatever_the_order_of_the_table(
    opened: shards.Store, tmp_path: Path
) -> None:
    ids = {name: opened.index[name] for name in ("sample_id", "case_id", "patient_id")}
    splits = pd.DataFrame(ids | {"group": ids["patient_id"], "split": ["train", "val"] * 7})
    mixed = splits.sample(frac=1, random_state=0)
    mixed.to_csv(tmp_path / "splits.csv", index=False)
    for table in (splits, mixed, tmp_path / "splits.csv"):
        assert dataset.rows_of(opened, table, "val").tolist() == list(range(1, 14, 2))
    assert dataset.rows_of(opened, splits, "test").tolist() == []
