"""A case handed to another process: the same slices as of the store, from files alone."""

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.store import excerpt, shards
from tests.fixtures import stores

LENGTHS = [7, 3, 9]
BEGINS = [0, 7, 10]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> shards.Store:
    """A store of three shards, each of a case."""
    folder = tmp_path_factory.mktemp("store") / "slices"
    whole = tmp_path_factory.mktemp("whole") / "slices"
    stores.write(whole, LENGTHS)
    store = shards.open_store(whole)
    folder.mkdir()
    for number, (first, length) in enumerate(zip(BEGINS, LENGTHS, strict=True)):
        rows = np.arange(first, first + length)
        shards.write_shard(folder, number, length, [(store.images(rows), store.masks(rows))])
    shards.close(folder, store.meta, store.index)
    return shards.open_store(folder)


@pytest.fixture(scope="module")
def joined(opened: shards.Store, tmp_path_factory: pytest.TempPathFactory) -> shards.Store:
    """The same, with the cases of another store in one shard before it."""
    folder = tmp_path_factory.mktemp("other") / "slices"
    stores.write(folder, [4, 5], seed=1)
    return shards.joined(shards.open_store(folder), opened)


@settings(max_examples=50)
@given(data=st.data())
def test_slices_of_a_case_are_those_of_the_store(
    opened: shards.Store, joined: shards.Store, data: Any
) -> None:
    store, before = data.draw(st.sampled_from([(opened, 0), (joined, 9)]))
    number = data.draw(st.integers(0, 2))
    places = data.draw(st.sets(st.integers(0, LENGTHS[number] - 1), min_size=1))
    rows = np.array(sorted(places)) + BEGINS[number] + before
    part, own = excerpt.of(store, f"c{number}", rows)
    handed = pickle.dumps(part)
    assert store.masks(rows[-1:]).tobytes() not in handed
    again = pickle.loads(handed).open()  # noqa: S301 - our own
    np.testing.assert_array_equal(again.images(own), store.images(rows))
    np.testing.assert_array_equal(again.masks(own), store.masks(rows))
    for column in ("sample_id", "case_id", "patient_id"):
        assert list(again.index[column].iloc[own]) == list(store.index[column].iloc[rows])
    assert list(again.meta.cases) == [f"c{number}"]
