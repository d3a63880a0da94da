"""The slice store of a data set: whole cases to a shard, the same bytes for any number of workers."""

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from stages import preprocess
from stages.core import tables
from stages.core.errors import UserError
from stages.fingerprints import seen
from stages.preprocessing import case
from stages.project.params import Preprocess
from stages.project.paths import Paths
from stages.sources import lgg
from stages.store import shards
from tests.fixtures import scans

LENGTHS = (4, 9, 3, 6, 2)
"""By patient; the table has the last one second, since cases are sorted by site: shards of 6, 9
and 9 slices, so that the largest first is not their order."""
SLICE = 32 * 32 * 3  # bytes


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """Five cases of `LENGTHS` slices; a shard holds ten at most."""
    for name, value in {"SHARD_BYTES": 10 * SLICE, "LEAST_BYTES": 10 * SLICE}.items():
        monkeypatch.setattr(shards, name, value)
    paths = Paths(tmp_path)
    for patient, slices in enumerate(LENGTHS):
        images, masks = scans.volume(slices, seed=(0, patient))
        for k, (image, mask) in enumerate(zip(images, masks, strict=True), 1):
            scans.write_slice(paths.raw / "kaggle_3m", scans.case_name(patient), k, image, mask)
    table = tables.from_records(lgg.find(paths.raw).records)
    tables.write(table, paths.validated)
    seen.write(seen.packed(f"{number:0144x}" for number in range(len(table))), paths.fingerprints)
    return paths


def stored(paths: Paths, jobs: int) -> dict[str, bytes]:
    """Run the stage; the store's files by name."""
    preprocess.run(Preprocess(size=32, channels="all", crop="brain", jobs=jobs), paths)
    return {path.name: path.read_bytes() for path in sorted(paths.slices.iterdir())}


class Shuffled:
    """An executor of this process: starts tasks in any order, gives results in that of the tasks."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.started: list[int] = []

    def map(self, function: Callable, tasks: Iterable[tuple[int, list]]) -> list:
        tasks, results = list(tasks), {}
        for place in self.random.sample(range(len(tasks)), len(tasks)):
            self.started.append(tasks[place][0])
            results[place] = function(tasks[place])
        return [results[place] for place in range(len(tasks))]


def test_the_bytes_depend_neither_on_the_number_of_workers_nor_on_their_order(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = stored(paths, jobs=1)
    assert [name for name in alone if name.startswith("images")] == [f"images-{n:03d}.npy" for n in range(3)]
    assert stored(paths, jobs=3) == alone
    orders = set()
    for seed in range(4):
        executor = Shuffled(seed)

        @contextmanager
        def pool(_: int | None, executor: Shuffled = executor) -> Iterator[Shuffled]:
            yield executor

        monkeypatch.setattr(preprocess.workers, "pool", pool)
        assert stored(paths, jobs=1) == alone
        orders.add(tuple(executor.started))
    assert len(orders) > 1


def test_a_shard_holds_whole_cases_in_the_order_of_the_table(paths: Paths) -> None:
    stored(paths, jobs=2)
    store, table = shards.open_store(paths.slices), tables.read(tables.MANIFEST, paths.validated)
    assert list(store.index["sample_id"]) == list(table["sample_id"])
    lengths = [len(rows) for rows in case.rows(table)]
    planned = shards.plan(lengths, SLICE)
    assert len(planned) > 1
    assert [len(shard) for shard in store.image_shards] == [sum(lengths[i] for i in part) for part in planned]
    preparation = case.preparation(table, "all", 32, "brain")
    begin = 0
    for rows in case.rows(table):
        done = case.prepare(paths.raw, preparation, rows)
        members = np.arange(begin, begin + len(rows))
        np.testing.assert_array_equal(store.images(members), done.images)
        np.testing.assert_array_equal(store.masks(members), done.masks)
        begin += len(rows)


def test_a_crash_leaves_the_store_that_was_there(paths: Paths) -> None:
    before = stored(paths, jobs=2)
    next(paths.raw.rglob(f"{scans.case_name(3)}_2.tif")).write_bytes(b"no image")
    with pytest.raises(UserError):
        stored(paths, jobs=2)
    assert {path.name: path.read_bytes() for path in paths.slices.iterdir()} == before
    assert [path.name for path in paths.slices.parent.iterdir() if "slices" in path.name] == ["slices"]
