"""Predicted probabilities and the store's labels as cases that can be scored."""

import zlib
from collections.abc import Iterable, Iterator

import numpy as np

from stages.inference.cases import Prediction
from stages.masks import levels
from stages.scoring import overlap
from stages.scoring.decision import Decision, Scored
from stages.store.shards import Store


class Predictions:
    """Predicted cases of a store; iterating gives them as `Scored`, one in memory at a time.

    Held are levels packed by zlib, a few percent of their size because most of a scan is background: 125
    cases of BraTS are 20 to 50 MB so, and 3.8 GB as floats. The truth is read from the store again each time.
    """

    def __init__(self, store: Store, predicted: Iterable[Prediction] = ()) -> None:
        self.store = store
        self._packed: list[tuple[str, np.ndarray, tuple[int, ...], bytes]] = []
        for case in predicted:
            self.add(case)

    def add(self, predicted: Prediction) -> None:
        """Hold one case more."""
        own = np.ascontiguousarray(_levels(self.store, predicted.probabilities))
        self._packed.append((predicted.case_id, predicted.rows, own.shape, zlib.compress(own.data, 1)))

    def __len__(self) -> int:
        return len(self._packed)

    def __iter__(self) -> Iterator[Scored]:
        for case_id, rows, shape, packed in self._packed:
            own = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(shape)
            yield _scored(self.store, case_id, rows, own)


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
