"""Every slice of a manifest measured and held to the checks: which can be used, and what is amiss."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from stages.checks import findings, measuring, twins
from stages.checks.slices import empty_ends
from stages.checks.twins import Same


@dataclass(frozen=True)
class Judged:
    """rows: manifest and measurements (`findings.measured`); same: what belongs together among them;
    findings: of the schema `FINDINGS`; bad: which rows cannot be used; empty: which lie above or below all
    that their volume shows. The last two bool, index as of `rows`.
    """

    rows: pd.DataFrame
    same: Same
    findings: pd.DataFrame
    bad: pd.Series
    empty: pd.Series

    @property
    def kept(self) -> pd.Series:
        """Which rows are used."""
        return ~self.bad & ~self.empty


def judge(
    raw: Path, table: pd.DataFrame, folder: Path, bits: int, meanwhile: Callable[[], object] | None = None
) -> Judged:
    """Judge the slices of a manifest, whose files lie below `raw`. folder: where measurements are kept for
    the next time; bits: validate.near_duplicate_bits; meanwhile: as of `measuring.measure`.
    """
    rows = findings.measured(table, measuring.measure(raw, table, folder, meanwhile))
    same = twins.of(rows, bits)
    flagged = findings.of(rows, same)
    critical = flagged.loc[flagged["severity"] == "critical", "sample_id"]
    return Judged(rows, same, flagged, rows["sample_id"].isin(critical), empty_ends(rows))
