"""Two ways to compute the same cases, held against each other by their Dice and by every probability."""

from collections.abc import Iterable
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from stages.inference.cases import Prediction
from stages.scoring import prediction
from stages.scoring.decision import Decision
from stages.store.shards import Store


class Parity(NamedTuple):
    """Volume Dice of both, mean over patients, and the largest difference of a probability between them."""

    reference: float
    other: float
    gap: float


def of(
    store: Store, chosen: Decision, reference: Iterable[Prediction], other: Iterable[Prediction]
) -> Parity:
    """Compare predictions of the same cases in the same order, one case of each in memory at a time."""
    scores: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    gap = 0.0
    for pair in zip_longest(reference, other):
        gap = max(gap, float(np.abs(pair[0].probabilities - pair[1].probabilities).max()))
        for rows, case in zip(scores, pair, strict=True):
            rows += _scores(store, chosen, case)
    return Parity(_mean(scores[0]), _mean(scores[1]), gap)


def dice(store: Store, chosen: Decision, predicted: Iterable[Prediction]) -> float:
    """Volume Dice of predictions, mean over patients of their cases and regions."""
    return _mean([score for case in predicted for score in _scores(store, chosen, case)])


def _scores(store: Store, chosen: Decision, case: Prediction) -> list[dict[str, Any]]:
    scored = prediction.scored(store, case)
    return [
        {"patient_id": scored.patient_id, "dice": prediction.dice(scored, number, region, chosen)}
        for number, region in enumerate(store.meta.regions)
    ]


def _mean(scores: list[dict[str, Any]]) -> float:
    return float(pd.DataFrame(scores).groupby("patient_id")["dice"].mean().mean())


def weighed(
    store: Store,
    chosen: Decision,
    reference: float,
    max_dice_drop: float,
    predicted: Iterable[Prediction],
    path: Path,
) -> dict[str, Any]:
    """Metrics of the int8 model at `path`, which is removed where it loses more test Dice than it may.

    reference: test Dice of the model that it was made of. predicted: its own test cases.
    """
    own = dice(store, chosen, predicted)
    metrics: dict[str, Any] = {
        "dice": own,
        "dice_change": own - reference,
        "shipped": reference - own <= max_dice_drop,
        "bytes": path.stat().st_size,
    }
    if not metrics["shipped"]:
        metrics["reason"] = (
            f"loses {reference - own:.4f} test Dice, export.max_dice_drop allows {max_dice_drop:g}"
        )
        path.unlink()
    return metrics
