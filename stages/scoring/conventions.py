"""The same masks scored the ways other people publish them, from voxel counts of every slice."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from stages.scoring import overlap
from stages.scoring.decision import Scored
from stages.scoring.overlap import Counts

COUNTS = ["tp", "predicted", "true"]


def slices(case: Scored, number: int, region: str, mask: np.ndarray) -> pd.DataFrame:
    """Voxel counts of each slice of a region (channel `number`) of a case: a row a slice, `COUNTS`."""
    truth = case.truth[:, number]
    counts = [np.count_nonzero(part, axis=(1, 2)) for part in (mask & truth, mask, truth)]
    table = pd.DataFrame(dict(zip(COUNTS, counts, strict=True)))
    return table.assign(case_id=case.case_id, patient_id=case.patient_id, region=region)


def volume_dice(table: pd.DataFrame) -> float:
    """This project's own: Dice of all slices of a case as one volume, mean over patients of their cases."""
    dice = _score(overlap.dice, table.groupby(["patient_id", "case_id", "region"])[COUNTS].sum())
    return float(dice.groupby("patient_id").mean().mean())


def card(table: pd.DataFrame) -> dict[str, float]:
    """Dice and IoU of the rows of `slices`, averaged over regions.

    pooled: all voxels of all cases as one; slice_empty_one: mean over slices, where a slice empty in truth
    and prediction counts 1; positive_slice: mean over slices that have tumour, NaN where there is none.
    """
    pooled = table.groupby("region")[COUNTS].sum()
    parts = {"pooled": pooled, "slice_empty_one": table, "positive_slice": table[table["true"] > 0]}
    return {
        f"{name}_{metric}": float(_score(function, counts).groupby(_regions(counts)).mean().mean())
        for name, counts in parts.items()
        for metric, function in {"dice": overlap.dice, "iou": overlap.iou}.items()
    }


def brief(table: pd.DataFrame) -> dict[str, float]:
    """This project's own volume Dice and the Dice of `card`."""
    others = {name: value for name, value in card(table).items() if name.endswith("_dice")}
    return {"volume_dice": volume_dice(table), **others}


def _regions(counts: pd.DataFrame) -> pd.Series:
    return counts.reset_index()["region"].set_axis(counts.index)


def _score(metric: Callable[[Counts], Any], table: pd.DataFrame) -> pd.Series:
    """A metric of each row of `COUNTS`."""
    columns = (table[name].to_numpy() for name in COUNTS)
    return pd.Series(metric(Counts(*columns)), index=table.index, dtype=float)
