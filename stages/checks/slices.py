"""The slices of a set as checks look at them."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from stages.checks.check import Each
from stages.checks.statistics import MIN_HEAD
from stages.checks.twins import Same
from stages.core import tables
from stages.formats import formats


@dataclass(frozen=True)
class Slices:
    """`rows`: manifest and measurements (`findings.measured`); `same`: what belongs together among them."""

    rows: pd.DataFrame
    same: Same

    @cached_property
    def ends(self) -> pd.Series:
        """`empty_ends` of the rows."""
        return empty_ends(self.rows)

    @cached_property
    def corrections(self) -> set[str]:
        """sample_ids of corrections that joined the set."""
        return set(self.rows.loc[tables.joined(self.rows), "sample_id"])

    @cached_property
    def ordered(self) -> pd.DataFrame:
        """The rows by sample_id: which slice stands for many must not hang on their order."""
        return self.rows.sort_values("sample_id", kind="stable")

    @cached_property
    def labelled(self) -> pd.DataFrame:
        """Those of `ordered` whose masks are not empty."""
        return self.ordered[self.ordered["components"] > 0]

    def parts(self, each: Each) -> Iterable[Any]:
        """What checks of `each` judge, part by part, in the order of the rows."""
        if each == "slice":
            return self.rows.itertuples()
        if each == "case":
            return (case for _, case in self.rows.groupby("case_id", sort=False))
        return (self,)


def empty_ends(rows: pd.DataFrame) -> pd.Series:
    """Which slices lie above or below all that a volume file shows: bool, index as of `rows`.

    rows: manifest and measurements. Only volumes: a set of single slices is used as it was published.
    """
    ends = pd.Series(False, index=rows.index)
    volumes = rows[rows["image"].map(formats.is_volume) & (rows["image_problem"] == "")]
    for _, case in volumes.groupby("case_id", sort=False):
        case = case.sort_values("slice")
        visible = (
            (case["head"] >= MIN_HEAD)
            | (case["mask_pixels"] > 0)
            | ~case["finite"]
            | (case["label_problem"] != "")
        )
        before, after = ~visible.cummax(), ~visible[::-1].cummax()
        ends[case.index] = before | after
    return ends
