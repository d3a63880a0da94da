"""Slices without a head, and cases without tumour."""

from collections.abc import Iterator

import pandas as pd

from stages.checks.check import Finding
from stages.checks.slices import Slices
from stages.checks.statistics import MIN_HEAD


def blank(slices: Slices) -> Iterator[Finding]:
    rows = slices.rows
    usable = (rows["image_problem"] == "") & rows["finite"] & ~slices.ends
    for row in rows[usable & (rows["head"] < MIN_HEAD)].itertuples():
        yield Finding(str(row.sample_id), str(row.image), "the slice shows next to nothing")


def no_brain(slices: Slices) -> Iterator[Finding]:
    for case_id, case in slices.rows[slices.ends].groupby("case_id", sort=False):
        first = case.iloc[0]
        text = f"{len(case)} slices above and below the brain of case {case_id} show nothing and are left out"
        yield Finding(first["sample_id"], first["image"], text)


def no_tumour(case: pd.DataFrame) -> Iterator[Finding]:
    """Of cases of one slice nothing is said."""
    if len(case) > 1 and (case["mask_problem"] == "").all() and not case["mask_pixels"].any():
        first = case.iloc[0]
        yield Finding(first["sample_id"], first["mask"], f"no slice of case {first['case_id']} has tumour")
