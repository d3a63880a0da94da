"""Two models on the same test patients: paired differences, and whether they show more than noise."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
from scipy.stats import wilcoxon

from stages.core import tables
from stages.scoring.intervals import patient_bootstrap

ROW = list(tables.PER_CASE.key)
RESAMPLES = 10_000
CONCLUSIVE = 6
"""Patients that must differ for Wilcoxon's p to fall under 0.05: 2 / 2^6 = 0.03, but 2 / 2^5 = 0.06."""
SHOWN = 5
"""Patients, those that changed most."""


class Verdict(StrEnum):
    """What the test Dice says about HEAD against BASE.

    better, worse: the 95 % interval of the mean paired difference excludes 0. The interval decides, and not
    Wilcoxon's p, for three reasons: it is about the mean over patients, which is the headline, while
    Wilcoxon ranks and so hears a patient lost completely as loudly as one that lost a little; it says how
    large the difference is, and a p does not; and with fewer than `CONCLUSIVE` patients the p cannot fall
    under 0.05 at all, so that a gate on it would let everything pass. With few patients the interval itself
    is narrower than it should be: `Outcome.notes` then tells how often chance alone would do the same.
    within noise: the interval includes 0, or there is one patient and so no interval, or nothing differs.
    not comparable: the two were not tested on the same thing, and no difference says anything.
    """

    BETTER = "better"
    WORSE = "worse"
    NOISE = "within noise"
    INCOMPARABLE = "not comparable"


@dataclass(frozen=True)
class Difference:
    """Mean over patients of a score at BASE and at HEAD, and of HEAD minus BASE within patients.

    low, high: 95 % BCa bootstrap interval of the difference, None with a single pair. p: Wilcoxon's signed
    rank test, two-sided, 1 where no patient differs. pairs: patients; differing: those whose score changed.
    """

    base: float
    head: float
    difference: float
    low: float | None
    high: float | None
    p: float
    pairs: int
    differing: int


@dataclass(frozen=True)
class Moved:
    """Dice of a patient's region at BASE and HEAD."""

    patient: str
    region: str
    base: float
    head: float
    difference: float


@dataclass(frozen=True)
class Outcome:
    """The comparison: a verdict with its reason, differences by metric (and by region, then metric, where
    there are several regions), the patients that changed most, and what must be known to read it.
    """

    verdict: Verdict
    reason: str
    metrics: dict[str, Difference]
    regions: dict[str, dict[str, Difference]]
    moved: tuple[Moved, ...]
    notes: tuple[str, ...]


def outcome(
    base: pd.DataFrame,
    head: pd.DataFrame,
    metrics: Iterable[str],
    unlike: str | None = None,
    resamples: int = RESAMPLES,
) -> Outcome:
    """Compare two tables of `cases.score`, one row for each patient, case and region (`ROW`).

    metrics: columns of both, "dice" among them. Rows are paired first, and count where the score is
    known in both (hd95_mm may be missing); then, as in `cases.means`, a patient's scans and regions are
    averaged, so that each patient counts once. What only one of them tested is left out, and makes the
    verdict `INCOMPARABLE`, as does `unlike`, a reason that the tables do not show. The order of rows makes
    no difference.
    """
    metrics = list(metrics)
    base, head = base.set_index(ROW).sort_index(), head.set_index(ROW).sort_index()
    unlike = unlike or _other_tests(base, head)
    common = base.index.intersection(head.index).sort_values()
    base_rows, head_rows = base.loc[common], head.loc[common]
    differences = _differences(base_rows, head_rows, metrics, resamples)
    regions = list(dict.fromkeys(common.get_level_values("region")))
    by_region = {
        region: _differences(
            base_rows.query("region == @region"), head_rows.query("region == @region"), metrics, resamples
        )
        for region in (regions if len(regions) > 1 else ())
    }
    verdict, reason = _verdict(differences.get("dice"), unlike)
    notes = _notes(differences.get("dice"), verdict is not Verdict.INCOMPARABLE, base_rows, head_rows)
    return Outcome(verdict, reason, differences, by_region, _moved(base_rows, head_rows), notes)


def _differences(
    base: pd.DataFrame, head: pd.DataFrame, metrics: Iterable[str], resamples: int
) -> dict[str, Difference]:
    pairs = {name: pd.DataFrame({"base": base[name], "head": head[name]}).dropna() for name in metrics}
    return {
        name: difference(table.groupby("patient_id").mean(), resamples)
        for name, table in pairs.items()
        if len(table)
    }


def difference(pairs: pd.DataFrame, resamples: int = RESAMPLES) -> Difference:
    """Mean difference of a table with the columns `base` and `head` and a row for each patient."""
    # Means of six-digit scores: what differs in the tenth place is the order of the additions.
    gains = (pairs["head"] - pairs["base"]).round(9).to_numpy()
    differing = int(np.count_nonzero(gains))
    low, high = patient_bootstrap(gains, resamples) if len(gains) > 1 else (None, None)
    return Difference(
        base=float(pairs["base"].mean()),
        head=float(pairs["head"].mean()),
        difference=float(gains.mean()),
        low=low,
        high=high,
        p=float(wilcoxon(gains).pvalue) if differing else 1.0,
        pairs=len(gains),
        differing=differing,
    )


def _verdict(dice: Difference | None, unlike: str | None) -> tuple[Verdict, str]:
    if unlike or dice is None:
        return Verdict.INCOMPARABLE, unlike or "no patient was tested in both"
    if not dice.differing:
        return Verdict.NOISE, "every patient has the same Dice in both"
    if dice.low is None or dice.high is None:
        return Verdict.NOISE, "one patient has no interval"
    if dice.low > 0:
        return Verdict.BETTER, "the 95 % interval of the difference lies above 0"
    if dice.high < 0:
        return Verdict.WORSE, "the 95 % interval of the difference lies below 0"
    return Verdict.NOISE, "the 95 % interval of the difference includes 0"


def _other_tests(base: pd.DataFrame, head: pd.DataFrame) -> str | None:
    for level, what in (
        ("patient_id", "other test patients"),
        ("case_id", "other scans of the same test patients"),
        ("region", "other regions"),
    ):
        ours, theirs = (set(table.index.get_level_values(level)) for table in (base, head))
        if ours != theirs:
            return f"{what}: {len(ours - theirs)} only in BASE, {len(theirs - ours)} only in HEAD, " + (
                f"{len(ours & theirs)} in both"
            )
    if not base.index.equals(head.index):
        return "the same patients, scans and regions, but not together"
    return None


def _moved(base: pd.DataFrame, head: pd.DataFrame) -> tuple[Moved, ...]:
    """The patients, in each region, whose Dice changed most; the largest change first."""
    means = pd.DataFrame({"base": base["dice"], "head": head["dice"]})
    means = means.groupby(["patient_id", "region"]).mean()
    means["difference"] = (means["head"] - means["base"]).round(9)
    order = means["difference"].abs().sort_values(ascending=False, kind="stable").index
    ranked = means.loc[order][means["difference"].loc[order] != 0].head(SHOWN)
    return tuple(Moved(*where, *map(float, scores)) for where, *scores in ranked.itertuples())


def _notes(
    dice: Difference | None, comparable: bool, base: pd.DataFrame, head: pd.DataFrame
) -> tuple[str, ...]:
    notes = []
    if comparable and dice and 0 < dice.differing < CONCLUSIVE:
        notes.append(
            f"Dice differs in {_count(dice.differing, 'patient')} only: chance alone moves so few one way "
            f"in {100 * 2 ** (1 - dice.differing):.0f} % of comparisons; Wilcoxon's p cannot fall under 0.05."
        )
    for column, what in (("truth_ml", "true masks"), ("slices", "slices")):
        if column in base and column in head:
            others = base.index[~np.isclose(base[column], head[column], rtol=1e-5)]
            if len(others):
                count = _count(others.get_level_values("patient_id").nunique(), "patient")
                notes.append(f"The {what} of {count} are not the same in both.")
    return tuple(notes)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
