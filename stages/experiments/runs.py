"""Experiments that are not there yet, run one after the other or several beside each other."""

import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from threading import Event, Lock

from rich.console import Console
from rich.progress import Progress

from stages.core import workers
from stages.core.errors import UserError
from stages.experiments import tracked
from stages.experiments.experiment import Experiment

THREADS = "OMP_NUM_THREADS"


def check(jobs: int) -> None:
    """Raise `UserError` where so many experiments cannot run beside each other here.

    The number of threads decides the last bits of a training. So it follows from no number of jobs: it is
    what the environment says, for one job as for many, and there must be a core for each.
    """
    if jobs < 1:
        raise UserError(f"--jobs {jobs} runs nothing; give 1 or more")
    if jobs == 1:
        return
    cores = workers.granted()
    asked = os.environ.get(THREADS, "")
    threads = int(asked) if asked.isdecimal() else cores
    if threads > 1 and threads * jobs > cores:
        raise UserError(
            f"--jobs {jobs} with {threads:g} threads each is more than the {cores:g} cores here; set "
            f"{THREADS}={max(1, int(cores // jobs))} (the same number of threads gives the same bytes)"
        )


def finished(title: str, planned: list[Experiment], jobs: int = 1) -> Iterator[tuple[Experiment, Console]]:
    """Run those experiments that are not there yet, and come back after each that is there then.

    jobs: how many run at a time. Of one, a failure ends them; of more, the others go on, and the `UserError`
    at the end names those that failed. Ctrl-C begins no other, and waits until DVC has tidied up.
    """
    if jobs > 1:
        tracked.prepare()
    watched = sys.stderr.isatty()
    begun = _Begun(stops=jobs == 1)
    with (
        Progress(console=Console(stderr=True, quiet=not watched), disable=not watched) as progress,
        ThreadPoolExecutor(jobs) as pool,
    ):
        task = progress.add_task(title, total=len(planned))
        # By name: what comes twice is the same experiment.
        futures = {pool.submit(begun.run, each): each for each in {one.name: one for one in planned}.values()}
        failures: list[UserError] = []
        try:
            for future in as_completed(futures):
                each = futures[future]
                try:
                    minutes = future.result()
                except UserError as failure:
                    if begun.no_more.is_set():
                        raise
                    failures.append(failure)
                    progress.console.print(str(failure))
                    continue
                if minutes is not None:
                    progress.console.print(f"{each.name}: {minutes:.1f} min")
                progress.advance(task)
                yield each, progress.console
        finally:
            begun.no_more.set()
    if failures:
        raise UserError(
            f"{len(failures)} of {len(futures)} experiments failed, the others are kept: "
            + "; ".join(sorted(str(failure) for failure in failures))
        )


class _Begun:
    """Experiments in threads. Until it comes to train each is alone: DVC, as it begins one, changes the work
    tree and its own queue, and of two that prepare the same data the second finds it in the run cache.
    """

    def __init__(self, *, stops: bool) -> None:
        self.no_more = Event()
        self._stops = stops  # at the first failure
        self._alone = Lock()

    def run(self, experiment: Experiment) -> float | None:
        """The minutes it took; None where it was there already, or no more were to begin."""
        with ExitStack() as alone:
            alone.enter_context(self._alone)
            if self.no_more.is_set() or experiment.done():
                return None
            began = time.perf_counter()
            try:
                experiment.run(at_train=alone.close)
            except UserError:
                if self._stops:
                    self.no_more.set()
                raise
            return (time.perf_counter() - began) / 60
