"""A model on the cases of a store: predicted, held against their labels, measured as evaluate does."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from stages.core import progress
from stages.inference.onnx_predictor import Exported
from stages.scoring import kept, scores, summary
from stages.scoring.prediction import Predictions
from stages.scoring.scores import Scores
from stages.store.shards import Store
from stages.trials import answers
from stages.trials.regions import Regions


@dataclass(frozen=True)
class Trial:
    """store: with the regions that are compared. predictions: of its cases, that were scored. suspected: of
    the schema `SUSPECTS`; metrics: as `summary.metrics`.
    """

    store: Store
    predictions: Predictions
    scores: Scores
    suspected: pd.DataFrame
    metrics: dict[str, Any]


def run(
    model: Exported, store: Store, rows: np.ndarray, regions: Regions, tolerance_mm: float, resamples: int
) -> Trial:
    """Score the cases that `rows` of a store belong to. tolerance_mm: of the surface Dice; resamples: of
    patients, for the intervals.
    """
    meta = store.meta.model_copy(update={"regions": regions.classes, "exclusive": False})
    compared = Store(meta, store.index, store.image_shards, store.mask_shards)
    number = compared.index["case_id"].iloc[rows].nunique()
    predictions = Predictions(compared)
    for case in progress.track(answers.of(model, compared, rows, regions), "score", number):
        predictions.add(case)
    rule = model.spec.decision
    promised = model.spec.guarantees
    shift = dict.fromkeys(regions.classes, 0.0) | (promised.dice_shift if promised else {})
    parts = predictions.map(partial(scores.of_case, rule, tolerance_mm, shift))
    scored = scores.of(parts, regions.classes)
    tested = Store(meta, store.index.iloc[rows], store.image_shards, store.mask_shards)
    metrics = summary.metrics(scored, {rule.tta: scored.per_slice}, tested, resamples)
    metrics["guarantees"] = kept.metrics(promised, scored.per_case, list(regions.classes))
    return Trial(compared, predictions, scored, scores.suspected({"test": predictions}), metrics)
