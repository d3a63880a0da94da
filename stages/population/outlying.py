"""How far out one scan lies among the patients of a model.

A p-value of full conformal prediction (Vovk, Gammerman and Shafer 2005; of anomalies Laxhammar and Falkman
2010, doi:10.1145/1833280.1833285): the scan joins the patients, each of them gets a score of oddness in the
same way, and p is the share whose score is as high as the scan's own. Of scans that come as those of the
patients did, p <= a holds for at most a share a, whatever the distribution and however few the patients.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stages.population.catalogue import CONFIDENCE, Measure
from stages.population.population import Population

LEVEL = 0.05
"""Share of scans like those of training that are said to lie far out."""
LEAST = 5
"""Patients below which nothing is said of a scan."""
NAMED = 3
"""Measures that are named, at most."""
FINEST = 0.01
"""The least deviation: a hundredth of a value, or of 1. Where all patients have the same spacing another one
is far away, and the rounding of a header is not.
"""
SHRUNK = 0.1
"""Share of the covariance that is taken as that of independent measures (Ledoit and Wolf 2004): there may be
fewer patients than measures. Of 0.1, 0.3 and 0.5 it tells scanners of the sample apart best.
"""
OUTER = 3.0
"""Deviations beyond which a value tells nothing of how patients usually vary."""
TAIL = (5.0, 95.0)
"""Percentiles of what is usual: nine of ten patients."""
_TAIL_DEVIATIONS = 3.29
"""Standard deviations between these of a normal distribution."""


@dataclass(frozen=True)
class Far:
    """A measure of a scan: its value, and from low to high what nine of ten patients have."""

    measure: Measure
    value: float
    low: float
    high: float

    @property
    def unusual(self) -> bool:
        return not self.low <= self.value <= self.high

    @property
    def sentence(self) -> str:
        """In words: "distance of slices 6 mm, in training mostly 1 to 2 mm"."""
        unit, mostly = self.measure.unit, span(self.low, self.high)
        return f"{self.measure.title} {self.value:.3g}{unit}, in training mostly {mostly}{unit}"

    @property
    def advice(self) -> str:
        return self.measure.higher if self.value > self.high else self.measure.lower


@dataclass(frozen=True)
class Standing:
    """Where a scan stands among so many patients. p: share of them and it that are as odd, at least
    1 / (patients + 1). farthest: the measures of a scan that is far out by which it is. remarks: what could
    not be compared.
    """

    p: float
    patients: int
    farthest: tuple[Far, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def far_out(self) -> bool:
        """Of fewer than 19 patients only a scan odder than all of them is: by chance one in patients + 1."""
        return self.p <= max(LEVEL, 1 / (self.patients + 1))

    @property
    def sentence(self) -> str:
        """Why a person should look at the scan, "" where nothing speaks for it."""
        if not self.far_out:
            return ""
        chance = f"by chance one in {round(1 / self.p)} does"
        if not any(far.unusual for far in self.farthest):
            titles = " and ".join(far.measure.title for far in self.farthest)
            return f"it looks unlike the scans of training by {titles} together, by none alone ({chance})"
        said = "; ".join(far.sentence for far in self.farthest)
        return f"it looks unlike the scans of training: {said} ({chance}); {self.farthest[0].advice}"


def span(low: float, high: float) -> str:
    """A range in three digits, or the number that both ends are."""
    ends = f"{low:.3g}", f"{high:.3g}"
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def of(population: Population, measures: Sequence[Measure], values: np.ndarray) -> Standing | None:
    """Where a scan with values (M,) of the measures stands. The model's confidence is left out: it is not
    known of patients who were trained on.

    None where too few patients are known, or nothing is of the scan, and of one slice where all patients have
    several: one slice varies as no whole scan does.
    """
    places = [place for place, measure in enumerate(measures) if measure.name != CONFIDENCE]
    kept = [measures[place] for place in places]
    own = np.asarray(values, np.float64)[places]
    table = population.table([measure.name for measure in kept])
    known = ~np.isnan(own) & ~np.isnan(table).all(axis=0)
    if len(table) < LEAST or not known.any() or single(kept, table, own):
        return None
    remarks = _remarks(kept, table, own)
    kept = [measure for measure, use in zip(kept, known, strict=True) if use]
    table, own = table[:, known], own[known]
    away = deviations(kept, np.vstack([table, own]))
    scores, shares = oddness(away)
    p = float(np.mean(scores >= scores[-1] * (1 - 1e-9)))  # equal rows may differ by rounding
    standing = Standing(p, len(table), remarks=remarks)
    if not standing.far_out:
        return standing
    return Standing(p, len(table), _farthest(kept, table, own, away[-1], shares), remarks)


def single(measures: Sequence[Measure], table: np.ndarray, values: np.ndarray) -> bool:
    """Whether a scan is one slice, and the patients of a table (patients, M) have several each."""
    place = next(place for place, measure in enumerate(measures) if measure.name == "slices")
    return bool(values[place] == 1 and (table[:, place] > 1).all())


def deviations(measures: Sequence[Measure], table: np.ndarray) -> np.ndarray:
    """How many deviations each value of a table (n, M) lies above the median of its column; 0 for NaN. Each
    column has a number.

    The deviation is the larger of the median absolute one (times 1.4826, as of a normal distribution), a
    90 % range by as much, which tells more where most values are equal, and `FINEST`. All rows count alike.
    """
    out = np.zeros_like(table)
    known = ~np.isnan(table)
    log = np.array([measure.log for measure in measures])
    whole = known.all(axis=0)
    out[:, whole] = _of_columns(table[:, whole], log[whole])
    for place in np.flatnonzero(~whole):
        out[known[:, place], place] = _of_columns(table[known[:, place], place, None], log[place, None])[:, 0]
    return out


def _of_columns(values: np.ndarray, log: np.ndarray) -> np.ndarray:
    """`deviations` of columns (n, M) without NaN."""
    logged = log & (values > 0).all(axis=0)
    scaled = np.where(logged, np.log(np.where(logged, values, 1.0)), values)
    median = np.median(scaled, axis=0)
    low, high = np.percentile(scaled, TAIL, axis=0)
    finest = np.where(log & ~logged, FINEST * np.abs(median), FINEST)
    absolute = 1.4826 * np.median(np.abs(scaled - median), axis=0)
    spread = np.maximum.reduce([absolute, (high - low) / _TAIL_DEVIATIONS, finest])
    return (scaled - median) / np.maximum(spread, 1e-12)


def oddness(away: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores (n,) of rows by their deviations (n, M): squared Mahalanobis distances by the rows' covariance,
    shrunk; and what each measure has of the last row's (M,).

    Of the covariance no value counts as farther than `OUTER`, else one far away would widen it for itself.
    """
    inner = np.clip(away, -OUTER, OUTER)
    covariance = inner.T @ inner / len(inner)
    count = len(covariance)
    level = max(float(np.trace(covariance)) / count, 1e-12)
    shrunk = (1 - SHRUNK) * covariance + SHRUNK * level * np.eye(count)
    parts = away * np.linalg.solve(shrunk, away.T).T
    return parts.sum(axis=1), parts[-1]


def usual(column: np.ndarray) -> tuple[float, float]:
    """What nine of ten patients have of a measure; column (patients,) with NaN for unknown ones."""
    low, high = np.percentile(column[~np.isnan(column)], TAIL)
    return float(low), float(high)


def _farthest(
    measures: Sequence[Measure], table: np.ndarray, values: np.ndarray, away: np.ndarray, shares: np.ndarray
) -> tuple[Far, ...]:
    """Unusual measures, the farthest first; where there is none, two that are so together."""
    far = [
        Far(measure, float(value), *usual(column))
        for measure, value, column in zip(measures, values, table.T, strict=True)
    ]
    order = np.argsort(-np.abs(away), kind="stable")
    alone = tuple(far[place] for place in order if far[place].unusual and abs(away[place]) >= 1)[:NAMED]
    return alone or tuple(far[place] for place in np.argsort(-shares, kind="stable")[:2])


def _remarks(measures: Sequence[Measure], table: np.ndarray, values: np.ndarray) -> tuple[str, ...]:
    """What could not be compared, because only the patients' scans tell it, or only this one."""
    place = next(place for place, measure in enumerate(measures) if measure.name == "pixel_mm")
    usual_tells, tells = not np.isnan(table[:, place]).all(), not np.isnan(values[place])
    if usual_tells == tells:
        return ()
    whose = "the scans of training did" if tells else "it does"
    return (f"{whose} not tell a spacing, so nothing in mm was held against the scans of training",)
