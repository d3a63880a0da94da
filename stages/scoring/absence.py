"""Test patients without anything to find, whose scores count false alarms alone: what a reader must be told.

Their Dice is 1 where nothing was predicted, else 0 (`overlap`): a mean over them says little of finding
tumours, and a mean over nobody else says nothing of it.
"""

from typing import Any

import pandas as pd


def empty_patients(per_case: pd.DataFrame) -> int:
    """How many patients have no labelled pixel in any row of per_case.csv."""
    return int((per_case["truth_ml"] == 0).groupby(per_case["patient_id"]).all().sum())


def counts(per_case: pd.DataFrame) -> dict[str, Any]:
    """What `sentence` reads, of a table of an older version as well."""
    regions = {name: {"empty_patients": empty_patients(rows)} for name, rows in per_case.groupby("region")}
    return {
        "patients": per_case["patient_id"].nunique(),
        "empty_patients": empty_patients(per_case),
        "regions": regions if len(regions) > 1 else {},
    }


def everybody(test: dict[str, Any]) -> bool:
    """Whether no test patient has a labelled pixel. test: of evaluate's metrics; older ones do not tell."""
    return bool(test["patients"]) and test.get("empty_patients") == test["patients"]


def sentence(test: dict[str, Any]) -> str:
    """How many test patients, and in which regions, have nothing to find, and how they count; "" where all
    have something.
    """
    if everybody(test):
        return (
            "none of the test patients has a labelled pixel, so that a Dice of 1 means no false alarm, and "
            "how well anything is found is not known"
        )
    number, regions = test.get("empty_patients", 0), test.get("regions", {})
    parts = [f"{number} of {test['patients']} test patients have no labelled pixel"] if number else []
    parts += [
        f"{lacking} have none of {name}"
        for name, scores in regions.items()
        if (lacking := scores.get("empty_patients", 0)) > number
    ]
    if not parts:
        return ""
    if not number:
        parts[0] = parts[0].replace(" have", f" of {test['patients']} test patients have", 1)
    return f"{', '.join(parts)}; they count as 1 where nothing was predicted, else as 0"
