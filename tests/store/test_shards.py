"""The slice store: any number of shards reads as one array, and a damaged store is refused in words."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.core.errors import UserError
from stages.store import shards
from tests.fixtures import stores

SLICE = stores.SIZE**2 * 3  # bytes


@settings(max_examples=25, deadline=None)
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
    assert len(list(folder.glob("images-*.npy"))) == -(-count // per_shard)
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


def test_a_writer_that_was_not_given_everything_does_not_close(tmp_path: Path) -> None:
    _, masks = stores.arrays(5)
    writer = shards.Writer(tmp_path, 5, stores.SIZE, 3)
    with pytest.raises(ValueError, match=r"^0 slices were added for an index of 5 rows$"):
        writer.close(None, stores.index_of(masks, [5]))  # type: ignore[arg-type]


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


def test_a_store_of_another_schema(tmp_path: Path) -> None:
    stores.write(tmp_path / "s", [2])
    path = tmp_path / "s" / "meta.json"
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    assert refused(tmp_path / "s") == f"{path} has schema 2, not 1; run `dvc repro preprocess`"


@pytest.mark.parametrize("kind", ["images", "masks"])
@pytest.mark.parametrize("damage", ["gone", "cut", "empty", "text", "shorter"])
def test_a_damaged_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, damage: str) -> None:
    monkeypatch.setattr(shards, "SHARD_BYTES", 3 * SLICE)
    stores.write(tmp_path / "s", [4, 3])
    path = tmp_path / "s" / f"{kind}-001.npy"
    shard = np.load(path)
    if damage == "gone":
        path.unlink()
    elif damage == "shorter":
        np.save(path, shard[:-1])
    else:
        path.write_bytes({"cut": path.read_bytes()[:-9], "empty": b"", "text": b"no array at all"}[damage])
    assert refused(tmp_path / "s") == f"{tmp_path}/s is incomplete; run `dvc repro --force preprocess`"
