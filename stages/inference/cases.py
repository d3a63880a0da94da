"""Probabilities of the cases of a store, one case in memory at a time."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from stages.inference import predictor
from stages.inference.predictor import Predictor
from stages.store.dataset import Windows
from stages.store.shards import Store


class Prediction(NamedTuple):
    """rows: (S,) of the case in the store's index, of a case that a leaky split divides not all.
    probabilities: (S, R, H, W) float32.
    """

    case_id: str
    rows: np.ndarray
    probabilities: np.ndarray


def of(model: Predictor, store: Store, rows: np.ndarray, tta: str) -> Iterator[Prediction]:
    """The cases that `rows` of a store belong to, in their order; windows see the whole case."""
    windows = Windows(store.index, model.depth)
    for case_id, case in store.index.iloc[rows].groupby("case_id", sort=False):
        members = case.index.to_numpy()
        parts = (windows.images(store, part) for part in predictor.batches(members, model.batch_size))
        yield Prediction(str(case_id), members, predictor.probabilities(model, parts, tta))
