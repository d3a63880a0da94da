"""Scans in the order of their arrival before the process that holds the model, and what came of them."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from pathlib import Path, PurePosixPath
from typing import ParamSpec, TypeVar

import numpy as np

from stages.core.errors import UserError
from stages.serving import view, worker
from stages.serving.entry import Answer, Entry, Statement
from stages.serving.refusal import Refusal
from stages.serving.view import View
from stages.serving.worker import Opened

P = ParamSpec("P")
T = TypeVar("T")
DRAWN = 8
"""Scans that are drawn on disk at a time: one of BraTS takes 70 MB."""
_DIED = "the process that segments it ended, as it does where memory runs out; other scans go on"


class Line:
    """Of one server. limit: how many scans may wait at a time."""

    def __init__(self, model: Path, limit: int) -> None:
        self.model = model
        self.limit = limit
        self.entries: dict[str, Entry] = {}
        """By key, in the order of arrival."""
        self.opened: Opened
        self._looked_at: list[Entry] = []
        """Scans that are drawn, the last one last."""
        self._names: Counter[str] = Counter()
        self._waiting: asyncio.Queue[Entry] = asyncio.Queue()
        self._process: Executor
        self.finished: Callable[[Entry], None] = lambda entry: None
        """Called with each scan that got its mask."""

    async def open(self) -> None:
        """Start the process. Raises `UserError` where the model cannot be opened."""
        self._process = ProcessPoolExecutor(1, get_context("spawn"), worker.begin)
        self.opened = await self._ask(worker.open_model, self.model)

    def close(self) -> None:
        """End the process, in the middle of a scan if need be."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.opened.process, signal.SIGKILL)
        self._process.shutdown(wait=True, cancel_futures=True)

    @property
    def waiting(self) -> int:
        return sum(entry.status in ("queued", "running") for entry in self.entries.values())

    def admit(self, entries: Sequence[Entry]) -> None:
        """Put scans at the end of the line, all of them or none. Raises `Refusal` where it is full."""
        new = sum(entry.status == "queued" for entry in entries)
        if new > self.limit:
            raise Refusal(413, f"{new} scans are more than may wait, {self.limit}; send them in parts")
        if self.waiting + new > self.limit:
            raise full(self.waiting)
        for entry in entries:
            self.entries[entry.key] = entry
            if entry.status == "queued":
                entry.place = self._place(entry)
                self._waiting.put_nowait(entry)

    def _place(self, entry: Entry) -> str:
        """A folder for scans whose name an earlier one has had."""
        name = str(PurePosixPath(entry.scan.folder, entry.scan.name)).casefold()
        self._names[name] += 1
        return f"{self._names[name]}" if self._names[name] > 1 else ""

    def entry(self, key: str) -> Entry:
        """Raises `Refusal` where there is none."""
        if key not in self.entries:
            raise Refusal(
                404, f"there is no scan {key[:40]!r}; it was removed, or the server was started anew"
            )
        return self.entries[key]

    def done(self, key: str) -> tuple[Entry, Answer]:
        """A scan with its mask. Raises `Refusal` where it has none, or none yet."""
        entry = self.entry(key)
        if entry.status == "failed":
            raise Refusal(409, f"{entry.scan} has no mask: {entry.error}")
        if entry.answer is None:
            raise Refusal(409, f"{entry.scan} is {entry.status}; ask again when it is done")
        return entry, entry.answer

    def remove(self, key: str) -> None:
        """Forget a scan and what is on disk of it."""
        entry = self.entry(key)
        del self.entries[key]
        shutil.rmtree(entry.home, ignore_errors=True)
        if all(other.uploaded != entry.uploaded for other in self.entries.values()):
            shutil.rmtree(entry.uploaded, ignore_errors=True)

    async def work(self) -> None:
        """Segment one scan after the other, for good."""
        while True:
            entry = await self._waiting.get()
            if entry.key not in self.entries:  # removed meanwhile
                continue
            entry.status = "running"
            try:
                entry.answer = await self._ask(worker.segment, entry.scan, entry.results, entry.view)
            except UserError as error:
                entry.status, entry.error = "failed", str(error).replace(f"{entry.uploaded}/", "")
            else:
                entry.status = "done"
            if entry.key not in self.entries:
                shutil.rmtree(entry.home, ignore_errors=True)
            elif entry.status == "done":
                self.finished(entry)

    async def correct(self, entry: Entry, answer: Answer, labels: np.ndarray) -> None:
        """Give a scan the labels (S, H, W) uint8 that a person drew. Raises `Refusal` where these cannot be
        written.
        """
        try:
            entry.answer = await self._ask(
                worker.correct, entry.scan, answer, entry.results, entry.view, labels
            )
        except UserError as error:
            raise Refusal(409, f"the correction was not kept: {error}") from None
        entry.verdict = "corrected"
        self.finished(entry)

    async def plane(self, entry: Entry, seen: View, sequence: int, axis: str, index: int) -> bytes:
        """A plane of a scan (`view.plane`), which is drawn where it is not among those looked at last.

        Raises `Refusal` where its files cannot be read any more, and IndexError where there is no such plane.
        """
        async with entry.drawing:
            if not view.is_drawn(entry.view):
                try:
                    await self._ask(worker.draw, entry.scan, entry.view, seen)
                except UserError as error:
                    raise Refusal(409, str(error)) from None
            self._looked_at = [*(other for other in self._looked_at if other is not entry), entry]
            for other in self._looked_at[:-DRAWN]:
                if not other.drawing.locked():
                    self._looked_at.remove(other)
                    view.forget(other.view)
            return await asyncio.to_thread(view.plane, entry.view, sequence, axis, index)

    async def collect(self, entry: Entry, answer: Answer, statement: Statement, folder: Path) -> None:
        """Add a scan and its mask to the corrections in a folder. Raises `Refusal` where that cannot be."""
        try:
            await self._ask(worker.collect, entry.scan, entry.view, answer.view, statement, folder)
        except UserError as error:
            raise Refusal(409, f"the correction was not collected: {error}") from None

    async def _ask(self, job: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
        """Have the process do something. One that died is replaced; raises `UserError` then."""
        process = self._process
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(process, partial(job, *arguments, **keywords))
        except BrokenProcessPool:
            if process is self._process:  # and was not replaced by another job that it took along
                await self.open()
            raise UserError(_DIED) from None


def full(waiting: int) -> Refusal:
    return Refusal(429, f"{waiting} scans are waiting, and no more may; send it again in a while")
