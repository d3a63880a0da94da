"""Probabilities of the cases of a store, one case in memory at a time."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from stages.inference import predictor
from stages.inference.predictor import Predictor
from stages.masks.rule import Tta
from stages.store.dataset import Windows
from stages.store.shards import Store


class Prediction(NamedTuple):
    """rows: (S,) of the case in the store's index, of a case that a leaky split divides not all.
    probabilities: (S, R, H, W) float32.
    """

    case_id: str
    rows: np.ndarray
    probabilities: np.ndarray


def of(model: Predictor, store: Store, rows: np.ndarray, tta: Tta) -> Iterator[Prediction]:
    """The cases that `rows` of a store belong to, in their order; windows see the whole case."""
    return (case[tta] for case in by_tta(model, store, rows, (tta,)))


def by_tta(
    model: Predictor, store: Store, rows: np.ndarray, options: Sequence[Tta]
) -> Iterator[dict[Tta, Prediction]]:
    """The same cases with each of the options (see `predictor.by_tta`)."""
    windows = None if model.window else Windows(store.index, model.depth)
    for case_id, case in store.index.iloc[rows].groupby("case_id", sort=False):
        members = case.index.to_numpy()
        if windows is None:
            mm = store.meta.cases[str(case_id)].through_mm
            answers = predictor.of_volume(model, store.images(members), mm, options)
        else:
            parts = (windows.images(store, part) for part in predictor.batches(members, model.batch_size))
            answers = predictor.by_tta(model, parts, options)
        yield {tta: Prediction(str(case_id), members, answer) for tta, answer in answers.items()}
