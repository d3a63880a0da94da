"""Whether the scans of a folder differ from the patients of a model: one test a measure, corrected for many.

Mann and Whitney's U (1947), for its effect size is one that people can read: Cliff's delta (1993,
doi:10.1037/0033-2909.114.3.494), the share of pairs in which the scan has more minus that in which it has
less. Holm's correction (1979) keeps the chance of any false difference at `LEVEL`, however the measures hang
together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import comb

import numpy as np

from stages.population.catalogue import Measure
from stages.population.outlying import span, usual
from stages.population.population import Population

LEVEL = 0.05
"""Chance of any false difference, in a folder of scans that came as the patients' did."""
SMALL = 0.33
"""Cliff's delta below which a difference is small (Romano et al. 2006), and of no consequence."""
FEW = 8
"""Values up to which U's distribution is counted out; scipy does the same."""
RESAMPLES = 9999
"""Ways to share out equal values, which are counted where there are any: p is 1 / 10,000 at least."""
_PART = 1000


@dataclass(frozen=True)
class Difference:
    """Of one measure between scans and patients. delta: Cliff's, -1 to 1, above 0 where scans have more; p:
    of the test, and as it is after the correction. medians: of the scans and of the patients; low, high: what
    nine of ten patients have.
    """

    measure: Measure
    scans: int
    patients: int
    delta: float
    p: float
    corrected: float
    medians: tuple[float, float]
    low: float
    high: float

    @property
    def differs(self) -> bool:
        return self.corrected <= LEVEL and abs(self.delta) >= SMALL

    @property
    def shift(self) -> float:
        """Median of the scans minus that of the patients."""
        return self.medians[0] - self.medians[1]

    @property
    def sentence(self) -> str:
        """In words: "distance of slices: higher, 6 mm, in training mostly 1 to 2 mm"."""
        unit = self.measure.unit
        return (
            f"{self.measure.title}: {'higher' if self.delta > 0 else 'lower'}, in the middle "
            f"{self.medians[0]:.3g}{unit} for {self.medians[1]:.3g}{unit} in training "
            f"(there mostly {span(self.low, self.high)}{unit})"
        )

    @property
    def advice(self) -> str:
        return self.measure.higher if self.delta > 0 else self.measure.lower


@dataclass(frozen=True)
class Comparison:
    """differences: of each measure that both sides know, those that differ first, then by delta."""

    scans: int
    patients: int
    differences: tuple[Difference, ...]

    @property
    def differing(self) -> list[Difference]:
        return [own for own in self.differences if own.differs]

    @property
    def reachable(self) -> float:
        """The least corrected p that so many scans can have, 1 at most."""
        if not self.scans:
            return 1.0
        least = max(2 / comb(self.scans + self.patients, self.scans), 1 / (RESAMPLES + 1))
        return min(1.0, least * max(len(self.differences), 1))

    @property
    def verdict(self) -> str:
        """One sentence."""
        named = "1 scan" if self.scans == 1 else f"{self.scans} scans"
        verb = "differs" if self.scans == 1 else "differ"
        if self.differing:
            count = len(self.differing)
            what = "1 measure" if count == 1 else f"{count} measures"
            return f"the {named} {verb} from the {self.patients} patients of training in {what}"
        if self.reachable > LEVEL:
            return (
                f"{named} cannot tell whether the folder differs from training: "
                f"the least p that could come out is {self.reachable:.2g}"
            )
        return f"the {named} do not differ from the {self.patients} patients of training in any measure"


def of(population: Population, measures: Sequence[Measure], table: np.ndarray) -> Comparison:
    """Compare scans, a row of a table (scans, M) each with NaN for what is not known, with the patients."""
    known = population.table([measure.name for measure in measures])
    tested = []
    for place, measure in enumerate(measures):
        scans, patients = (values[~np.isnan(values)] for values in (table[:, place], known[:, place]))
        if len(scans) and len(patients):
            tested.append(_tested(measure, scans, patients))
    corrected = holm([own.p for own in tested])
    tested = [replace(own, corrected=p) for own, p in zip(tested, corrected, strict=True)]
    tested.sort(key=lambda own: (not own.differs, -abs(own.delta)))
    return Comparison(len(table), len(population), tuple(tested))


def _tested(measure: Measure, scans: np.ndarray, patients: np.ndarray) -> Difference:
    medians = float(np.median(scans)), float(np.median(patients))
    delta = cliffs_delta(scans, patients)
    p = p_value(scans, patients)
    return Difference(measure, len(scans), len(patients), delta, p, p, medians, *usual(patients))


def cliffs_delta(first: np.ndarray, second: np.ndarray) -> float:
    """Share of pairs in which the first is larger, minus that in which it is smaller: -1 to 1."""
    ordered = np.sort(second)
    below, above = (np.searchsorted(ordered, first, side) for side in ("left", "right"))
    return float((below - (len(second) - above)).sum() / (len(first) * len(second)))


def p_value(first: np.ndarray, second: np.ndarray) -> float:
    """Of the two-sided test of Mann and Whitney: counted out for few values, by shuffling where some are
    equal, which the same numbers always do in the same way, else by the normal distribution.
    """
    both = np.concatenate([np.sort(first), np.sort(second)])  # so that no order of theirs matters
    if (both == both[0]).all():
        return 1.0
    if len(np.unique(both)) < len(both):
        return _shuffled(both, len(first))
    from scipy.stats import mannwhitneyu  # takes half a second, and predict does not need it

    few = min(len(first), len(second)) <= FEW
    return float(mannwhitneyu(first, second, method="exact" if few else "asymptotic").pvalue)


def _shuffled(values: np.ndarray, count: int) -> float:
    """p of the rank sum of the first `count` values among those of as many drawn by chance."""
    ordered = np.sort(values)
    ranks = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    centred = ranks - len(values)  # twice the middle rank less the mean of all: whole numbers
    own = abs(int(centred[:count].sum()))
    generator = np.random.default_rng(0)
    as_far = 0
    for start in range(0, RESAMPLES, _PART):
        draws = generator.random((min(_PART, RESAMPLES - start), len(values)))
        chosen = np.argpartition(draws, count - 1, axis=1)[:, :count]
        as_far += int((np.abs(centred[chosen].sum(axis=1)) >= own).sum())
    return (as_far + 1) / (RESAMPLES + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrected for their number, in their order; each at most 1."""
    order = np.argsort(p_values, kind="stable")
    corrected = np.empty(len(p_values))
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, p_values[place] * (len(p_values) - rank)))
        corrected[place] = largest
    return [float(p) for p in corrected]
