"""Scores of every case, their mean over patients, and the same predictions by other people's conventions."""

from typing import Any

import numpy as np
import pandas as pd

from stages.scoring import overlap, surface
from stages.scoring.decision import Decision, Scored
from stages.scoring.intervals import patient_bootstrap

METRICS = (
    "dice",
    "iou",
    "precision",
    "recall",
    "specificity",
    "pixel_accuracy",
    "hd95_mm",
    "nsd",
    "volume_error_ml",
)


def score(case: Scored, number: int, region: str, decision: Decision, tolerance_mm: float) -> dict[str, Any]:
    """One row of per_case.csv: a region (channel `number`) of a case, all its slices pooled."""
    truth = case.truth[:, number]
    mask = decision.mask(case.levels[:, number], region, case.voxel_ml)
    counts = overlap.count(mask, truth)
    truth_ml, predicted_ml = counts.true * case.voxel_ml, counts.predicted * case.voxel_ml
    return {
        "case_id": case.case_id,
        "patient_id": case.patient_id,
        "region": region,
        "slices": len(truth),
        "dice": overlap.dice(counts),
        "iou": overlap.iou(counts),
        "precision": overlap.precision(counts),
        "recall": overlap.recall(counts),
        "specificity": overlap.specificity(counts),
        "pixel_accuracy": overlap.pixel_accuracy(counts),
        "hd95_mm": surface.hd95_mm(mask, truth, case.spacing_mm),
        "nsd": surface.nsd(mask, truth, case.spacing_mm, tolerance_mm),
        "volume_error_ml": abs(predicted_ml - truth_ml),
        "truth_ml": truth_ml,
        "predicted_ml": predicted_ml,
    }


def means(table: pd.DataFrame, resamples: int) -> dict[str, Any]:
    """Mean over patients of each metric, with the bootstrap interval of Dice.

    table: rows of `score`; a patient's scans and regions are averaged first, so each patient counts once.
    """
    by_patient = table.groupby("patient_id")[list(METRICS)].mean()
    low, high = patient_bootstrap(by_patient["dice"].to_numpy(), resamples)
    found = {name: float(by_patient[name].mean()) for name in METRICS}
    return {"dice": found["dice"], "dice_ci_low": low, "dice_ci_high": high, **found}


def conventions(cases: list[Scored], regions: list[str], decision: Decision) -> dict[str, float]:
    """Dice and IoU of the same masks the ways others publish them, averaged over regions.

    pooled: all voxels of all cases as one; slice_empty_one: mean over slices, a slice empty in truth and
    prediction counts 1; positive_slice: mean over slices that have tumour.
    """
    rows = []
    for number, region in enumerate(regions):
        pooled, slices, positive = overlap.Counts(0, 0, 0, 0), [], []
        for case in cases:
            mask = decision.mask(case.levels[:, number], region, case.voxel_ml)
            for predicted, truth in zip(mask, case.truth[:, number], strict=True):
                counts = overlap.count(predicted, truth)
                pooled += counts
                slices.append(counts)
                if counts.true:
                    positive.append(counts)
        rows.append(
            {
                "pooled_dice": overlap.dice(pooled),
                "pooled_iou": overlap.iou(pooled),
                "slice_empty_one_dice": _mean(overlap.dice, slices),
                "slice_empty_one_iou": _mean(overlap.iou, slices),
                "positive_slice_dice": _mean(overlap.dice, positive),
                "positive_slice_iou": _mean(overlap.iou, positive),
            }
        )
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _mean(metric: Any, counts: list[overlap.Counts]) -> float:
    return float(np.mean([metric(one) for one in counts])) if counts else float("nan")
