"""Workers: as many as are granted, results in order, one thread in each."""

import gc
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import threadpoolctl

from stages.core import workers


@pytest.mark.parametrize(
    ("content", "cores"), [("250000 100000\n", 2.5), ("50000 100000", 0.5), ("max 100000\n", 7), (None, 7)]
)
def test_a_container_is_granted_what_its_cgroup_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, cores: float
) -> None:
    monkeypatch.setattr(workers, "cores", lambda: 7)
    if content is not None:
        (tmp_path / "cpu.max").write_text(content, encoding="ascii")
    assert workers.granted(tmp_path) == cores


@pytest.mark.parametrize(("granted", "processes"), [(0.5, 1), (1.9, 1), (2.0, 2), (3.5, 3)])
def test_a_pool_has_a_process_for_each_whole_core(
    monkeypatch: pytest.MonkeyPatch, granted: float, processes: int
) -> None:
    monkeypatch.setattr(workers, "granted", lambda: granted)
    asked = []

    class Pool:
        def __init__(self, number: int, **_: object) -> None:
            asked.append(number)

        def __enter__(self) -> "Pool":
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(workers, "ProcessPoolExecutor", Pool)
    with workers.pool(), workers.pool(5):
        pass
    assert asked == [processes, 5]


def slow_at_first(number: int) -> tuple[int, int]:
    time.sleep(0.3 if number == 0 else 0)
    return number, os.getpid()


def test_results_come_in_the_order_of_the_tasks_though_the_first_ends_last() -> None:
    with workers.pool(2) as pool:
        results = list(pool.map(slow_at_first, range(8)))
    assert [number for number, _ in results] == list(range(8))
    assert os.getpid() not in {process for _, process in results}


def test_so_they_do_of_items_that_are_made_as_they_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "AHEAD", 3)
    made = []

    def items() -> Iterator[int]:
        for number in range(8):
            made.append(number)
            yield number

    with workers.pool(2) as pool:
        answers = workers.in_order(pool, slow_at_first, items())
        for number in range(8):
            assert next(answers)[0] == number
            assert len(made) <= number + 4  # the next one is made before there is room for it
        assert next(answers, None) is None


def fail(number: int) -> int:
    if number:
        time.sleep(0.05)
        return number
    raise ValueError("the first")


def test_no_task_begins_after_one_that_failed() -> None:
    with workers.pool(1) as pool:
        running = []

        class Watched:
            def submit(self, task: Callable[[int], int], item: int) -> Future[int]:
                running.append(pool.submit(task, item))
                return running[-1]

        with pytest.raises(ValueError, match="the first"):
            list(workers.in_order(cast(Executor, Watched()), fail, range(100)))
    assert sum(future.cancelled() for future in running) > 90


def threads(_: int) -> list[int]:
    np.ones((4, 4)) @ np.ones((4, 4))  # the library is loaded
    return [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]


def test_blas_has_one_thread_in_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    with threadpoolctl.threadpool_limits(2):  # a worker that only inherits has two
        assert 2 in threads(0)
        with workers.pool(1) as pool:
            (limits,) = pool.map(threads, [0])
    assert limits
    assert set(limits) == {1}


def collected(_: int) -> int:
    """How many unreachable objects of its parent a worker would end."""
    return gc.collect()


class Cycle:
    def __init__(self, marker: Path) -> None:
        self.me = self
        self.marker = marker
        self.process = os.getpid()

    def __del__(self) -> None:
        if os.getpid() != self.process:
            self.marker.touch()


def test_what_the_parent_left_unreferenced_is_not_ended_in_a_worker(tmp_path: Path) -> None:
    """A session of ONNX Runtime would wait for its threads there, which a fork does not bring along."""
    gc.disable()
    try:
        Cycle(tmp_path / "ended")
        with workers.pool(1) as pool:
            assert list(pool.map(collected, range(2)))
    finally:
        gc.enable()
    assert not (tmp_path / "ended").exists()
