"""Slices that are missing from the middle of a case, by the numbers of the others."""

from collections.abc import Sequence
from itertools import pairwise

REGULAR = 0.5
"""Share of the steps from number to number that must be alike: below it slices were picked, or numbers mean
something else.
"""
_NAMED = 4
"""Runs of missing numbers that a sentence lists."""


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


def sentence(numbers: Sequence[int]) -> str:
    """What is missing from ascending numbers; "" for nothing."""
    runs = missing(numbers)
    if not runs:
        return ""
    listed = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs[:_NAMED])
    more = ", ..." if len(runs) > _NAMED else ""
    return (
        f"slices {numbers[0]} to {numbers[-1]} without {listed}{more}; those around a gap count as "
        "neighbours, and volumes leave it out: fetch what is missing"
    )
