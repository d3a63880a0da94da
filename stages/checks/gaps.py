"""Slices that are missing from the middle of a case, by the numbers of the others."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import pandas as pd

from stages.checks.check import Finding
from stages.formats import formats

REGULAR = 0.5
"""Share of the steps from number to number that must be alike: below it slices were picked, or numbers mean
something else.
"""
_NAMED = 4
"""Runs of missing numbers that a sentence lists."""


def missing_slices(case: pd.DataFrame) -> Iterator[Finding]:
    """Of cases with a file for each slice; in a volume file none can be missing."""
    rows = case.sort_values("slice", kind="stable")
    numbers = [int(number) for number in rows["slice"]]
    runs = missing(numbers)
    if not runs or any(map(formats.is_volume, rows["image"])):
        return
    before = rows[rows["slice"] < runs[0][0]].iloc[-1]
    listed = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs[:_NAMED])
    more = ", ..." if len(runs) > _NAMED else ""
    text = f"case {before['case_id']} has slices {numbers[0]} to {numbers[-1]} without {listed}{more}; those "
    text += "around a gap count as neighbours, and volumes leave it out: fetch what is missing"
    yield Finding(str(before["sample_id"]), str(before["image"] or before["mask"]), text)


def missing(numbers: Sequence[int]) -> list[range]:
    """Runs of numbers that are missing from ascending ones, which may also go by twos or tens; none where
    they go by no rule.
    """
    steps = [after - before for before, after in pairwise(numbers)]
    if not steps:
        return []
    step = min(set(steps), key=lambda size: (-steps.count(size), size))
    if step < 1 or steps.count(step) < REGULAR * len(steps) or any(other % step for other in steps):
        return []
    return [range(before + step, after, step) for before, after in pairwise(numbers) if after - before > step]
