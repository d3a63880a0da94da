"""Findings of validation: what is wrong with which slice, in words a person can act on."""

from collections.abc import Iterable
from itertools import groupby

import pandas as pd

from stages.checks.catalogue import CATALOGUE
from stages.checks.check import Check
from stages.checks.slices import Slices
from stages.checks.twins import Same
from stages.core import tables
from stages.core.errors import UserError


def of(rows: pd.DataFrame, same: Same, checks: Iterable[Check] = CATALOGUE) -> pd.DataFrame:
    """What `checks` find in slices (`measured` gives the rows), and in those that are the same under several
    names (`twins.of`): a table of the schema `FINDINGS`.
    """
    slices = Slices(rows, same)
    findings = []
    for each, neighbours in groupby(checks, key=lambda check: check.each):
        together = list(neighbours)
        for part in slices.parts(each):
            for check in together:
                findings += [(check.severity, check.name, *finding) for finding in check.function(part)]
    return pd.DataFrame(findings, columns=list(tables.FINDINGS.columns))


def measured(table: pd.DataFrame, numbers: pd.DataFrame) -> pd.DataFrame:
    """The manifest with what was measured of each slice (`statistics.measure`) beside it.

    What the manifest has in a column that was measured goes to the same name with _told. Raises `UserError`
    where two rows have the same sample_id.
    """
    twice = table.loc[table["sample_id"].duplicated(), "sample_id"]
    if len(twice):
        raise UserError(f"the manifest lists slice {twice.iloc[0]} twice; give every slice its own sample_id")
    return table.merge(numbers, on="sample_id", suffixes=("_told", ""), validate="one_to_one")


def refuse(findings: pd.DataFrame, slices: int, on_error: str, max_quarantined: float) -> None:
    """Raise `UserError` where unusable slices must stop the run: any under "fail", too many under
    "quarantine".
    """
    critical = findings[findings["severity"] == "critical"]
    bad = critical["sample_id"].nunique()
    if not bad:
        return
    first = "; ".join(f"{row.file}: {row.explanation}" for row in critical.head(3).itertuples())
    more = f" (and {len(critical) - 3} more)" if len(critical) > 3 else ""
    what = f"{bad} of {slices} slices cannot be used: {first}{more}"
    if bad == slices:
        raise UserError(f"{what}; no slice is left, check ingest.source and ingest.location")
    if on_error == "fail":
        raise UserError(
            f"{what}; repair or remove them, or set validate.on_error: quarantine to go on without them"
        )
    if bad > max_quarantined * slices:
        raise UserError(
            f"{what}; that is more than validate.max_quarantined {max_quarantined:g}, "
            "repair the data or raise it"
        )
