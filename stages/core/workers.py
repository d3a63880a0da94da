"""Processes that share out the work of a stage, here or on a cluster: the one place that starts them."""

import gc
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from threadpoolctl import threadpool_limits

from stages.core import cluster
from stages.core.errors import UserError

CGROUP = Path("/sys/fs/cgroup")
AHEAD = 256
"""Tasks at a pool at a time: more than most have workers, and few enough to hold."""
Item = TypeVar("Item")
Answer = TypeVar("Answer")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def granted(cgroup: Path = CGROUP) -> float:
    """The same, or less where a container is granted less (cgroup v2: "<quota> <period>" in microseconds)."""
    try:
        quota, _, period = (cgroup / "cpu.max").read_text(encoding="ascii").partition(" ")
    except OSError:
        return cores()
    return int(quota) / int(period) if quota.isdecimal() else cores()


def number() -> int:
    """Worker processes on this machine where nobody says how many."""
    return max(1, math.floor(granted()))


def elsewhere() -> bool:
    """Whether work is shared out on a cluster, and not in this machine's processes."""
    return bool(os.environ.get(cluster.ADDRESS))


@contextmanager
def pool(processes: int | None = None) -> Iterator[Executor]:
    """Worker processes, as many as cores are granted by default.

    With BRAINSEG_SCHEDULER they are those of a Dask cluster, as many as it has.

    What a worker gives back must depend on what it was handed alone: outs are the same for any number. The
    thread pools of a worker's libraries are held to one thread: two workers with two BLAS threads each took
    three times as long. Raises `UserError` where workers are lost.
    """
    if elsewhere():
        with cluster.executor(os.environ[cluster.ADDRESS]) as executor:
            yield executor
        return
    try:
        with ProcessPoolExecutor(processes or number(), initializer=_begin) as executor:
            yield executor
    except BrokenProcessPool:
        raise UserError(
            "a worker process ended before its work, as where memory runs out; free some, or use fewer "
            "processes (preprocess.jobs)"
        ) from None


def in_order(pool: Executor, task: Callable[[Item], Answer], items: Iterable[Item]) -> Iterator[Answer]:
    """What a task makes of each item, in their order.

    For items that are large: `Executor.map` takes all of them at once, this `AHEAD` before the first answer.
    """
    waiting: deque[Future[Answer]] = deque()
    try:
        for item in items:
            if len(waiting) == AHEAD:
                yield waiting.popleft().result()
            waiting.append(pool.submit(task, item))
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _begin() -> None:
    """In a new worker process."""
    # What the parent left unreferenced is not collected here: a session of ONNX Runtime waits, when it goes,
    # for threads that a fork does not bring along.
    gc.freeze()
    threadpool_limits(1)
