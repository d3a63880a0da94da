"""The slice store: any number of shards reads as one array, and a damaged store is refused in words."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.core.errors import UserError
from stages.store import shards
from tests.fixtures import stores

SLICE = stores.SIZE**2 * 3  # bytes


LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=30)


@given(LENGTHS, st.integers(1, 100))
def test_a_plan_has_whole_cases_in_order_and_bounded_shards(lengths: list[int], slice_bytes: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "SHARD_BYTES", 1000)
        patch.setattr(shards, "LEAST_BYTES", 100)
        planned = shards.plan(lengths, slice_bytes)
    assert [place for places in planned for place in places] == list(range(len(lengths)))
    sizes = [sum(lengths[place] for place in places) * slice_bytes for places in planned]
    for places, size in zip(planned, sizes, strict=True):
        assert size <= 1000 or len(places) == 1
        assert size <= max(100, sum(sizes) / 16) or len(places) == 1
    for places, size, follower in zip(planned, sizes, planned[1:], strict=False):
        # None is smaller than it must be: the next case would not have fitted.
        assert size + lengths[follower[0]] * slice_bytes > min(max(100, sum(sizes) // 16), 1000), places


@settings(max_examples=25)
@given(
    cases=st.lists(st.integers(1, 5), min_size=1, max_size=5),
    per_shard=st.integers(1, 30),
    spare=st.integers(0, SLICE - 1),
    seed=st.integers(0, 99),
)
def test_any_number_of_shards_is_one_array(
    tmp_path_factory: pytest.TempPathFactory, cases: list[int], per_shard: int, spare: int, seed: int
) -> None:
    folder, count = tmp_path_factory.mktemp("store") / "s", sum(cases)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "SHARD_BYTES", per_shard * SLICE + spare)
        images, masks = stores.write(folder, cases)
        assert len(list(folder.glob("images-*.npy"))) == len(shards.plan(cases, SLICE))
    opened = shards.open_store(folder)
    rows = np.random.default_rng(seed).integers(0, count, 2 * count)  # any order, some twice
    np.testing.assert_array_equal(opened.images(rows), images[rows])
    np.testing.assert_array_equal(opened.masks(rows), masks[rows])
    assert opened.images(np.array([], int)).shape == (0, stores.SIZE, stores.SIZE, 3)
    assert list(opened.index["label_pixels"]) == [int((mask > 0).sum()) for mask in masks]


def test_shards_are_memory_maps_that_cannot_be_written(tmp_path: Path) -> None:
    stores.write(tmp_path / "s", [3])
    opened = shards.open_store(tmp_path / "s")
    assert all(isinstance(shard, np.memmap) for shard in opened.image_shards + opened.mask_shards)
    with pytest.raises(ValueError, match="read-only"):
        opened.image_shards[0][0] = 1
    taken = opened.images(np.array([0]))
    taken[:] = 7  # augmentation writes into a batch
    assert not (opened.images(np.array([0])) == 7).all()


def test_the_same_slices_give_the_same_bytes(tmp_path: Path) -> None:
    stores.write(tmp_path / "a", [3, 2])
    stores.write(tmp_path / "b", [3, 2])
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_two_stores_joined_are_one(tmp_path: Path) -> None:
    first, second = stores.write(tmp_path / "a", [3, 2])[0], stores.write(tmp_path / "b", [4], seed=1)[0]
    joined = shards.joined(shards.open_store(tmp_path / "a"), shards.open_store(tmp_path / "b"))
    np.testing.assert_array_equal(joined.images(np.arange(9)), np.concatenate([first, second]))
    assert list(joined.index.index) == list(range(9))


@pytest.mark.parametrize(
    ("count", "lacking"), [(4, "4 slices came for a shard of 5"), (5, None), (6, "6 slices")]
)
def test_a_shard_is_of_as_many_slices_as_planned(tmp_path: Path, count: int, lacking: str | None) -> None:
    images, masks = stores.arrays(count)
    cases = [(images[:2], masks[:2]), (images[2:], masks[2:])]
    if lacking is None:
        shards.write_shard(tmp_path, 7, 5, cases)
        np.testing.assert_array_equal(np.load(tmp_path / "images-007.npy"), images)
        np.testing.assert_array_equal(np.load(tmp_path / "masks-007.npy"), masks)
        return
    with pytest.raises(ValueError, match=lacking):
        shards.write_shard(tmp_path, 7, 5, cases)


def test_slices_of_another_shape_do_not_fit(tmp_path: Path) -> None:
    images, masks = stores.arrays(4)
    with pytest.raises(ValueError, match="do not fit the store"):
        shards.write_shard(tmp_path, 0, 4, [(images[:2], masks[:2]), (images[2:, :16], masks[2:, :16])])
    with pytest.raises(ValueError, match="do not fit the store"):
        shards.write_shard(tmp_path, 0, 4, [(images, masks[:3])])


def refused(folder: Path) -> str:
    with pytest.raises(UserError) as error:
        shards.open_store(folder)
    return str(error.value)


def test_a_missing_store(tmp_path: Path) -> None:
    assert refused(tmp_path) == f"{tmp_path}/meta.json does not exist; `dvc repro preprocess` makes it"


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"size": "x"}', "\x00"])
def test_a_damaged_description(tmp_path: Path, content: str) -> None:
    stores.write(tmp_path / "s", [2])
    (tmp_path / "s" / "meta.json").write_text(content)
    assert refused(tmp_path / "s") == f"{tmp_path}/s/meta.json is damaged; run `dvc repro --force preprocess`"


def test_a_store_as_schema_1_had_it_is_old_and_not_damaged(tmp_path: Path) -> None:
    stores.write(tmp_path / "s", [2])
    path = tmp_path / "s" / "meta.json"
    old = json.loads(path.read_text()) | {"schema_version": 1}
    del old["exclusive"], old["noun"]
    for about in old["cases"].values():
        about["spacing_mm"] = about.pop("frame_spacing_mm")
    path.write_text(json.dumps(old))
    assert refused(tmp_path / "s") == f"{path} has schema 1, not 3; run `dvc repro preprocess`"


def test_a_store_of_another_schema(tmp_path: Path) -> None:
    stores.write(tmp_path / "s", [2])
    path = tmp_path / "s" / "meta.json"
    path.write_text(path.read_text().replace('"schema_version": 3', '"schema_version": 1'))
    assert refused(tmp_path / "s") == f"{path} has schema 1, not 3; run `dvc repro preprocess`"


@pytest.mark.parametrize("kind", ["images", "masks"])
@pytest.mark.parametrize("damage", ["gone", "cut", "empty", "text", "shorter"])
def test_a_damaged_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, damage: str) -> None:
    monkeypatch.setattr(shards, "SHARD_BYTES", 3 * SLICE)
    stores.write(tmp_path / "s", [4, 3])  # a shard each
    path = tmp_path / "s" / f"{kind}-001.npy"
    shard = np.load(path)
    if damage == "gone":
        path.unlink()
    elif damage == "shorter":
        np.save(path, shard[:-1])
    else:
        path.write_bytes({"cut": path.read_bytes()[:-9], "empty": b"", "text": b"no array at all"}[damage])
    assert refused(tmp_path / "s") == f"{tmp_path}/s is incomplete; run `dvc repro --force preprocess`"


def test_slices_of_a_case_that_do_not_lie_together(tmp_path: Path) -> None:
    stores.write(tmp_path / "s", [2, 1, 2])
    path = tmp_path / "s" / "index.csv"
    path.write_text(path.read_text().replace(",c2,", ",c0,"))
    assert refused(tmp_path / "s") == f"{tmp_path}/s is incomplete; run `dvc repro --force preprocess`"
