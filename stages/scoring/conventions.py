"""The same masks scored the ways other people publish them, from voxel counts of every slice."""

import numpy as np
import pandas as pd

from stages.scoring.decision import Scored

COUNTS = ["tp", "predicted", "true"]


def slices(case: Scored, number: int, region: str, mask: np.ndarray) -> pd.DataFrame:
    """Voxel counts of each slice of a region (channel `number`) of a case: a row a slice, `COUNTS`."""
    truth = case.truth[:, number]
    counts = [np.count_nonzero(part, axis=(1, 2)) for part in (mask & truth, mask, truth)]
    table = pd.DataFrame(dict(zip(COUNTS, counts, strict=True)))
    return table.assign(case_id=case.case_id, patient_id=case.patient_id, region=region)


def volume_dice(table: pd.DataFrame) -> float:
    """This project's own: Dice of all slices of a case as one volume, mean over patients of their cases."""
    dice = _dice(table.groupby(["patient_id", "case_id", "region"])[COUNTS].sum())
    return float(dice.groupby("patient_id").mean().mean())


def card(table: pd.DataFrame) -> dict[str, float]:
    """Dice and IoU of the rows of `slices`, averaged over regions.

    pooled: all voxels of all cases as one; slice_empty_one: mean over slices, where a slice empty in truth
    and prediction counts 1; positive_slice: mean over slices that have tumour, NaN where there is none.
    """
    pooled = table.groupby("region")[COUNTS].sum()
    found = {"pooled": pooled, "slice_empty_one": table, "positive_slice": table[table["true"] > 0]}
    return {
        f"{name}_{metric.__name__.strip('_')}": float(metric(counts).groupby(_regions(counts)).mean().mean())
        for name, counts in found.items()
        for metric in (_dice, _iou)
    }


def brief(table: pd.DataFrame) -> dict[str, float]:
    """This project's own volume Dice and the Dice of `card`."""
    others = {name: value for name, value in card(table).items() if name.endswith("_dice")}
    return {"volume_dice": volume_dice(table), **others}


def _regions(counts: pd.DataFrame) -> pd.Series:
    return counts.reset_index()["region"].set_axis(counts.index)


def _dice(counts: pd.DataFrame) -> pd.Series:
    """2 TP / (predicted + true); 1 where both are empty."""
    return (2 * counts["tp"] / (counts["predicted"] + counts["true"])).fillna(1.0)


def _iou(counts: pd.DataFrame) -> pd.Series:
    """TP / (predicted + true - TP); 1 where both are empty."""
    return (counts["tp"] / (counts["predicted"] + counts["true"] - counts["tp"])).fillna(1.0)
