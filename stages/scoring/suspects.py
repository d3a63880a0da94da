"""Labels that a sure model contradicts: where to look for a slip of the pen."""

import numpy as np
import pandas as pd
from scipy import ndimage

from stages.core import tables
from stages.masks.levels import LEVELS
from stages.scoring.decision import Scored

SURE = 0.9
"""Probability from which the model is sure of tumour; up to 1 - `SURE` it is sure of none."""
LISTED = 50
_CORE = np.ones((1, 3, 3), bool)  # in the plane: neighbouring slices are labelled one by one


def of_case(case: Scored, number: int, region: str, split: str, sample_ids: list[str]) -> pd.DataFrame:
    """The slices of a region (channel `number`) of a case whose label a sure model contradicts: a table of
    the schema `SUSPECTS`.

    After the idea of confident learning (Northcutt, Jiang and Chuang 2021, JAIR 70) to look where a confident
    prediction and the label disagree; the model must not have trained on the case. `label_says` is the
    region or "none", the model the opposite; `probability` is its mean there. What is narrower than three
    pixels is left out: along an edge labels and predictions always differ.
    """
    levels, truth = case.levels[:, number], case.truth[:, number]
    rows = []
    for says, contradicted in (
        ("none", ~truth & (levels >= round(SURE * LEVELS))),
        (region, truth & (levels < round((1 - SURE) * LEVELS))),
    ):
        if not contradicted.any():
            continue
        areas = ndimage.binary_opening(contradicted, structure=_CORE)
        for place in np.flatnonzero(areas.any(axis=(1, 2))):
            pixels = int(np.count_nonzero(areas[place]))
            probability = float(levels[place][areas[place]].mean()) / LEVELS
            about = (sample_ids[place], case.case_id, split, region, says)
            rows.append((*about, pixels, pixels * case.voxel_ml, probability))
    return pd.DataFrame(rows, columns=list(tables.SUSPECTS.columns))


def ranked(found: list[pd.DataFrame]) -> pd.DataFrame:
    """The `LISTED` largest contradictions of all cases, the largest first."""
    table = pd.concat(
        [part for part in found if len(part)] or [pd.DataFrame(columns=list(tables.SUSPECTS.columns))]
    )
    order = table.sort_values(["ml", "sample_id", "region"], ascending=[False, True, True], kind="stable")
    return order.head(LISTED).reset_index(drop=True)
