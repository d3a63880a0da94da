"""Sites scored by networks that have not seen them: a table that git keeps, for the report."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from stages.core import tables
from stages.scoring import groups
from stages.scoring.groups import Group


@dataclass(frozen=True)
class Sites:
    """scored: each site by networks that have not seen it, the lowest Dice first. prepared: how their scans
    were prepared, in words. same_recipe: whether they were trained as the model of the report was, but for
    the seed.
    """

    scored: list[Group]
    prepared: str
    same_recipe: bool


def of(
    scores: pd.DataFrame, patients: Iterable[str], prepared: str, recipe: Mapping[str, Any]
) -> pd.DataFrame:
    """The rows of the table (`tables.SITES`) that folds make which are sites.

    scores: rows of per_case.csv of all folds, and of all seeds; patients: of the whole set, by whom a report
    knows that the rows are of its set; recipe: the params of training.
    """
    rows = [
        {
            "patients_hash": hash_of(patients),
            "recipe": recipe_hash(recipe),
            "prepared": prepared,
            "site": group.value,
            "patients": group.patients,
            "dice": group.dice,
            "dice_ci_low": group.low,
            "dice_ci_high": group.high,
            "worst_dice": group.worst,
        }
        for group in groups.of(scores)
        if group.trait == groups.SITE
    ]
    return pd.DataFrame(rows, columns=list(tables.SITES.columns))


def enter(rows: pd.DataFrame, path: Path) -> None:
    """Enter rows of one set and recipe into the table, in the place of earlier ones of both."""
    tables.enter(tables.SITES, rows, path, by=("patients_hash", "recipe"))


def read(path: Path, patients: Iterable[str], recipe: Mapping[str, Any]) -> Sites | None:
    """What the table says of a set, of its own recipe where that was measured, else of the one entered last;
    None where it says nothing.
    """
    if not path.exists():
        return None
    table = tables.read(tables.SITES, path)
    own = table[table["patients_hash"] == hash_of(patients)]
    if own.empty:
        return None
    same = own["recipe"] == recipe_hash(recipe)
    rows = own[same] if same.any() else own[own["recipe"] == own["recipe"].iloc[-1]]
    return Sites([_group(row) for row in rows.to_dict("records")], rows["prepared"].iloc[0], bool(same.any()))


def hash_of(patients: Iterable[str]) -> str:
    """Of the patients of a set, in any order."""
    return hashlib.sha256("\n".join(sorted(set(patients))).encode()).hexdigest()[:16]


def recipe_hash(params: Mapping[str, Any]) -> str:
    """Of the params of training, but for the seed."""
    alike = {name: value for name, value in params.items() if name != "seed"}
    return hashlib.sha256(json.dumps(alike, sort_keys=True).encode()).hexdigest()[:16]


def _group(row: Mapping[Any, Any]) -> Group:
    low, high = (None if pd.isna(row[name]) else row[name] for name in ("dice_ci_low", "dice_ci_high"))
    return Group(groups.SITE, row["site"], row["patients"], row["dice"], row["worst_dice"], low, high)
