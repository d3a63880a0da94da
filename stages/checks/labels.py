"""Masks that can be no outline of a tumour, by what `audit` measured of them."""

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from stages.checks.check import Finding
from stages.checks.slices import Slices

RECTANGLES = 0.5
"""Share of the set's labels."""
BOX_DICE = 0.58
"""Dice of a perfect outline against its box, mean of the 69 tumours that coco and figshare both hold."""
OUTSIDE = 0.5
"""Share of a mask beyond the head."""
BORDER = 0.05
"""Share of a picture's outermost pixels."""
COVERED = 0.7
"""Share of the head."""
HALF = 0.5
"""Share of the picture: a mask turned inside out has at least 0.79."""
SPECK = 1
"""Pixels."""


def full(labelled: pd.DataFrame) -> pd.Series:
    """Which masks fill the head, or half the picture: bool, index as of `labelled` (`Slices`)."""
    area = labelled["width"] * labelled["height"]
    share = labelled["mask_pixels"] / area.where(area > 0)  # unknown without an image
    return (labelled["covers"] > COVERED) | (share > HALF)


def boxes(labelled: pd.DataFrame) -> pd.Series:
    """Which labels are upright rectangles: bool, index as of `labelled` (`Slices`)."""
    return (labelled["rectangle"] | (labelled["label_kind"] == "box")) & ~full(labelled)


def rectangle_labels(slices: Slices) -> Iterator[Finding]:
    """One finding where most labels of the set are boxes."""
    labelled, flags = slices.labelled, boxes(slices.labelled)
    if flags.mean() > RECTANGLES:
        text = f"{flags.sum()} of {len(labelled)} labels are upright rectangles: boxes, not outlines; a "
        text += f"perfect outline of the tumour would reach a Dice of about {BOX_DICE:g} with them"
        first = labelled[flags].iloc[0]
        yield Finding(first["sample_id"], first["mask"], text)
        return
    yield from _by_case(
        labelled[flags],
        "mask_pixels",
        lambda row: f"the mask is an upright rectangle of {row['mask_pixels']} pixels, in a set of outlines",
    )


def outside_head(slices: Slices) -> Iterator[Finding]:
    labelled = slices.labelled
    yield from _by_case(
        labelled[(labelled["outside"] > OUTSIDE) & ~full(labelled)],
        "outside",
        lambda row: f"{100 * row['outside']:.0f} % of the mask lies outside the head",
    )


def follows_border(slices: Slices) -> Iterator[Finding]:
    yield from _by_case(
        slices.labelled[slices.labelled["border"] > BORDER],
        "border",
        lambda row: f"the mask takes {100 * row['border']:.0f} % of the picture's border",
    )


def full_mask(slices: Slices) -> Iterator[Finding]:
    yield from _by_case(
        slices.labelled[full(slices.labelled)],
        "covers",
        lambda row: f"the mask covers {100 * row['covers']:.0f} % of the head ({row['mask_pixels']} pixels)",
    )


def speck(slices: Slices) -> Iterator[Finding]:
    """Not where it is all of a mask, in a case of several: the last slice of a tumour may be one pixel."""
    labelled = slices.labelled
    alone = labelled.groupby("case_id")["sample_id"].transform("size") == 1
    yield from _by_case(
        labelled[(labelled["smallest_component"] == SPECK) & ((labelled["components"] > 1) | alone)],
        "components",
        lambda row: f"a part of the mask is a single pixel, one of {row['components']} parts",
    )


def _by_case(flagged: pd.DataFrame, worst: str, sentence: Callable[[Any], str]) -> Iterator[Finding]:
    """One finding a case, on the slice with the highest value in the column `worst`."""
    for case_id, case in flagged.groupby("case_id"):
        row = case[case[worst] == case[worst].max()].iloc[0]
        more = f"; {len(case)} slices of case {case_id} are like this" if len(case) > 1 else ""
        yield Finding(row["sample_id"], row["mask"], sentence(row) + more)
