"""Predicted probabilities and the store's labels as cases that can be scored."""

import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from typing import Self, TypeVar

import numpy as np

from stages.core import workers
from stages.inference.cases import Prediction
from stages.masks import levels
from stages.scoring import overlap
from stages.scoring.decision import Decision, Scored, Task
from stages.store import excerpt
from stages.store.excerpt import Excerpt
from stages.store.shards import Store

T = TypeVar("T")


@dataclass(frozen=True)
class Packed:
    """A predicted case without its truth: rows (S,) in the store's index; levels (S, R, H, W) uint8 packed by
    zlib, with their shape.
    """

    case_id: str
    rows: np.ndarray
    shape: tuple[int, ...]
    levels: bytes

    def scored(self, store: Store) -> Scored:
        """The case with its truth, which is read from the store."""
        own = np.frombuffer(zlib.decompress(self.levels), np.uint8).reshape(self.shape)
        return _scored(store, self.case_id, self.rows, own)


class Predictions:
    """Predicted cases of a store; iterating gives them as `Scored`, one in memory at a time.

    Held are levels packed by zlib, a few percent of their size because most of a scan is background: 125
    cases of BraTS are 20 to 50 MB so, and 3.8 GB as floats. The truth is read from the store again each time.
    """

    def __init__(self, store: Store, predicted: Iterable[Prediction] = ()) -> None:
        self.store = store
        self._packed: list[Packed] = []
        self._pool: Executor | None = None
        for case in predicted:
            self.add(case)

    def add(self, predicted: Prediction) -> None:
        """Hold one case more."""
        own = np.ascontiguousarray(_levels(self.store, predicted.probabilities))
        packed = zlib.compress(own.data, 1)
        self._packed.append(Packed(predicted.case_id, predicted.rows, own.shape, packed))

    def at(self, pool: Executor | None) -> Self:
        """The same cases, which `map` goes through at the workers of a pool; None is this process."""
        shared = type(self)(self.store)
        shared._packed, shared._pool = self._packed, pool
        return shared

    def __len__(self) -> int:
        return len(self._packed)

    def __iter__(self) -> Iterator[Scored]:
        return (case.scored(self.store) for case in self._packed)

    def map(self, task: Task[T]) -> Iterator[T]:
        """What a task makes of each case, in their order. A worker is handed a case packed, and reads what
        else it needs from the store's files.
        """
        if self._pool is None:
            return (task(case, self.store) for case in self)
        return workers.in_order(self._pool, partial(_done, task), map(self._handed, self._packed))

    def _handed(self, case: Packed) -> tuple[Packed, Excerpt]:
        part, rows = excerpt.of(self.store, case.case_id, case.rows)
        return replace(case, rows=rows), part


def _done(task: Task[T], handed: tuple[Packed, Excerpt]) -> T:
    """At a worker."""
    case, part = handed
    store = part.open()
    return task(case.scored(store), store)


def scored(store: Store, predicted: Prediction) -> Scored:
    """A case with its truth, which is taken from the store's label maps."""
    return _scored(store, predicted.case_id, predicted.rows, _levels(store, predicted.probabilities))


def _levels(store: Store, probabilities: np.ndarray) -> np.ndarray:
    quantised = levels.quantise(probabilities)
    return levels.exclusive(quantised) if store.meta.exclusive else quantised


def _scored(store: Store, case_id: str, rows: np.ndarray, own: np.ndarray) -> Scored:
    labels = store.masks(rows)
    return Scored(
        case_id=case_id,
        patient_id=str(store.index["patient_id"].iloc[rows[0]]),
        levels=own,
        truth=np.stack([np.isin(labels, values) for values in store.meta.regions.values()], axis=1),
        spacing=store.meta.cases[case_id].frame_spacing_mm,
        rows=rows,
    )


def dice(case: Scored, number: int, region: str, chosen: Decision) -> float:
    """Volume Dice of a region (channel `number`) of a case."""
    mask = chosen.mask(case.levels[:, number], region, case.voxel_ml)
    return overlap.dice(overlap.count(mask, case.truth[:, number]))
