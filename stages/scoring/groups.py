"""Results by groups of patients: the site they were scanned at, and what a source tells of them."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from stages.core import traits
from stages.scoring.intervals import patient_bootstrap

ENOUGH = 6
"""Patients of a group from which on an interval is given: fewer resamples than it takes to say anything."""
RESAMPLES = 2000
SITE = "site"


@dataclass(frozen=True)
class Group:
    """trait: what the group is by; value: which one, "not told" where the source does not say. dice: mean
    over its patients, worst: of one of them. low, high: ends of the 95 % interval, None of fewer than
    `ENOUGH`.
    """

    trait: str
    value: str
    patients: int
    dice: float
    worst: float
    low: float | None
    high: float | None


def of(scores: pd.DataFrame) -> list[Group]:
    """The groups of per_case.csv by site and by each trait that has two of them at least, those with the
    lowest Dice first. A patient's scans and regions are averaged, so that each patient counts once.
    """
    by_patient = scores.groupby("patient_id")["dice"].mean()
    first = scores.drop_duplicates("patient_id").set_index("patient_id").loc[by_patient.index]
    groups: list[Group] = []
    for trait, values in _traits(first):
        own = [_group(trait, str(value), dice) for value, dice in by_patient.groupby(values)]
        if len(own) > 1 or trait == SITE:
            groups += sorted(own, key=lambda group: (group.dice, group.value))
    return groups


def _traits(first: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    """Each trait with its value of each patient. first: a row a patient."""
    if "site" in first and (first["site"] != "").any():
        yield SITE, first["site"].replace("", "not told")
    if "traits" not in first:
        return
    known = [traits.parse(field) for field in first["traits"]]
    for trait in dict.fromkeys(name for own in known for name in own):
        yield trait, pd.Series([own.get(trait, "not told") for own in known], index=first.index)


def _group(trait: str, value: str, dice: pd.Series) -> Group:
    low, high = patient_bootstrap(dice.to_numpy(), RESAMPLES) if len(dice) >= ENOUGH else (None, None)
    return Group(trait, value, len(dice), float(dice.mean()), float(dice.min()), low, high)
