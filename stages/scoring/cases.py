"""Scores of every case, and their mean over patients with intervals."""

from typing import Any

import numpy as np
import pandas as pd

from stages.scoring import absence
from stages.scoring.decision import Scored
from stages.scoring.intervals import patient_bootstrap
from stages.scoring.metrics import METRICS, NAMES, Pair


def score(case: Scored, number: int, region: str, mask: np.ndarray, tolerance_mm: float) -> dict[str, Any]:
    """One row of per_case.csv: a region (channel `number`) of a case, all its slices pooled.

    mask: the prediction (S, H, W), bool. tolerance_mm: of the surface Dice.
    """
    pair = Pair(mask, case.truth[:, number], case.levels[:, number], case.spacing, tolerance_mm)
    return {
        "case_id": case.case_id,
        "patient_id": case.patient_id,
        "region": region,
        "slices": len(mask),
        **{metric.name: metric.function(pair) for metric in METRICS},
        "truth_ml": pair.truth_ml,
        "predicted_ml": pair.predicted_ml,
    }


def contrast(images: np.ndarray, truth: np.ndarray) -> float:
    """How much the tumour of a case stands out from its head, in standard deviations of the head.

    images: (S, H, W, C) uint8 of the store, where 0 in all channels is background; truth: (S, H, W) bool. Of
    the channel that shows it best: the largest |mean of tumour - mean of the rest| / sd of the rest. NaN
    without tumour, or without a head around it.
    """
    rest = images[(images > 0).any(axis=-1) & ~truth].astype(np.float64)
    if not truth.any() or len(rest) < 2:
        return float("nan")
    away = np.abs(images[truth].mean(axis=0) - rest.mean(axis=0))
    return float((away / np.maximum(rest.std(axis=0), 1.0)).max())  # a level, where the head is all alike


def means(table: pd.DataFrame, resamples: int) -> dict[str, Any]:
    """Mean over patients of each metric, with its 95 % bootstrap interval as `<metric>_ci_low`, `_ci_high`.

    table: rows of `score`; a patient's scans and regions are averaged first, so each patient counts once.
    empty_truth, empty_prediction, empty_both: how many rows have no tumour, no prediction, neither; their
    Dice is 0, 0 and 1, as BraTS scores it. empty_patients: how many patients have no tumour in any row.
    """
    by_patient = table.groupby("patient_id")[list(NAMES)].mean()
    means = {name: float(by_patient[name].mean()) for name in NAMES}
    ends: dict[str, float] = {}
    for name in NAMES:
        low, high = patient_bootstrap(by_patient[name].to_numpy(), resamples)
        ends |= {f"{name}_ci_low": low, f"{name}_ci_high": high}
    no_truth, no_prediction = table["truth_ml"] == 0, table["predicted_ml"] == 0
    return {
        **{name: {**means, **ends}[name] for name in ("dice", "dice_ci_low", "dice_ci_high")},
        **means,
        **ends,
        "empty_truth": int(no_truth.sum()),
        "empty_prediction": int(no_prediction.sum()),
        "empty_both": int((no_truth & no_prediction).sum()),
        "empty_patients": absence.empty_patients(table),
    }
