"""How far out a scan lies: p-values that hold, whatever the patients' distribution."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.population import outlying
from stages.population.catalogue import CONFIDENCE
from tests.fixtures import populations

MEASURES = populations.listed()
NAMES = [measure.name for measure in MEASURES]


def standing(patients: np.ndarray, values: np.ndarray) -> outlying.Standing:
    own = outlying.of(populations.of(patients), MEASURES, values)
    assert own is not None
    return own


def rounded(rows: np.ndarray) -> np.ndarray:
    return np.vectorize(lambda value: float(f"{value:.5g}"))(rows)


def test_of_500_scans_like_the_patients_at_most_one_in_20_is_far_out() -> None:
    """New patients and a new scan each time, from one long-tailed distribution."""
    patients = 19
    rows = rounded(populations.table(500 * (patients + 1), seed=patients))
    draws = rows.reshape(500, patients + 1, -1)
    far = [standing(draw[:-1], draw[-1]).far_out for draw in draws]
    assert np.mean(far) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 500)
    assert np.mean(far) >= 0.02  # with 19 patients the level is met exactly, but for ties


@settings(max_examples=10)
@given(st.integers(0, 10_000), st.integers(5, 45))
def test_each_of_a_set_held_against_the_others_is_far_out_in_one_of_20(seed: int, patients: int) -> None:
    """Exactly, not only on average: what full conformal prediction guarantees of exchangeable rows."""
    rows = rounded(populations.table(patients + 1, seed))
    p = [standing(np.delete(rows, place, 0), rows[place]).p for place in range(len(rows))]
    for level in (0.05, 0.1, 0.5):
        assert sum(own <= level for own in p) <= level * len(rows) + 1e-9


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.permutations(range(25)))
def test_the_order_of_patients_changes_nothing(seed: int, order: list[int]) -> None:
    rows = rounded(populations.table(26, seed))
    assert standing(rows[:25], rows[25]) == standing(rows[:25][list(order)], rows[25])


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from([n for n in NAMES if n != CONFIDENCE]))
def test_one_measure_far_away_is_enough_and_is_named_first(seed: int, name: str) -> None:
    patients = populations.table(40, seed)
    place = NAMES.index(name)
    scan = np.nanmedian(patients, axis=0)
    assert not standing(patients, scan).far_out
    scan[place] = 1e9 * patients[:, place].max()
    far = standing(patients, scan)
    assert far.far_out  # of a distribution with long tails one patient may be as odd
    assert far.farthest[0].measure.name == name
    assert far.farthest[0].advice == MEASURES[place].higher
    assert MEASURES[place].title in far.sentence


@pytest.mark.parametrize(("spacing", "far_out"), [(5.5, True), (4.5, True), (5.0002, False)])
def test_another_spacing_than_the_only_one_is_far_and_rounding_is_not(spacing: float, far_out: bool) -> None:
    patients = populations.table(40)
    place = NAMES.index("slice_distance_mm")
    patients[:, place] = 5.0
    scan = np.nanmedian(patients, axis=0)
    scan[place] = spacing
    own = standing(patients, scan)
    assert own.far_out == far_out
    if far_out:
        sentence = f"distance of slices {spacing:.3g} mm, in training mostly 5 mm"
        assert sentence in own.sentence
        assert ("thinner" in own.sentence) == (spacing > 5)


def test_measures_that_are_unusual_only_together() -> None:
    rng = np.random.default_rng(0)
    patients = np.repeat(np.nanmedian(populations.table(40), axis=0)[None], 60, axis=0)
    first, second = NAMES.index("brightness:pre"), NAMES.index("brightness:flair")
    patients[:, first] = np.exp(rng.normal(0, 0.3, 60))
    patients[:, second] = patients[:, first] * np.exp(rng.normal(0, 0.02, 60))
    scan = patients[0].copy()
    scan[[first, second]] = np.percentile(patients[:, first], 90), np.percentile(patients[:, second], 10)
    own = standing(patients, scan)
    assert own.far_out
    assert {far.measure.name for far in own.farthest} == {"brightness:pre", "brightness:flair"}
    assert "together, by none alone" in own.sentence


def test_the_model_s_confidence_does_not_count() -> None:
    patients = populations.table(40)
    scan = np.nanmedian(patients, axis=0)
    low = scan.copy()
    low[NAMES.index(CONFIDENCE)] = 0.0
    assert standing(patients, scan) == standing(patients, low)


def test_a_spacing_that_only_one_side_tells_is_a_remark() -> None:
    mm = [place for place, name in enumerate(NAMES) if name.endswith("_mm")]
    patients = populations.table(40)
    scan = np.nanmedian(patients, axis=0)
    untold = scan.copy()
    untold[mm] = np.nan
    own = standing(patients, untold)
    assert not own.far_out
    assert own.remarks == (
        "it does not tell a spacing, so nothing in mm was held against the scans of training",
    )
    patients[:, mm] = np.nan
    assert standing(patients, untold).remarks == ()
    assert standing(patients, scan).remarks[0].startswith("the scans of training did not tell a spacing")


def test_of_too_few_patients_of_one_slice_and_of_nothing_known_nothing_is_said() -> None:
    patients = populations.table(40)
    scan = np.nanmedian(patients, axis=0)
    assert outlying.of(populations.of(patients[: outlying.LEAST - 1]), MEASURES, scan) is None
    assert outlying.of(populations.of(patients[: outlying.LEAST]), MEASURES, scan) is not None
    assert outlying.of(populations.of(patients), MEASURES, np.full(len(NAMES), np.nan)) is None
    scan[NAMES.index("slices")] = 1
    assert outlying.of(populations.of(patients), MEASURES, scan) is None
    patients[0, NAMES.index("slices")] = 1
    assert outlying.of(populations.of(patients), MEASURES, scan) is not None


def test_of_few_patients_only_the_oddest_is_far_out() -> None:
    patients = populations.table(8)
    scan = np.nanmedian(patients, axis=0)
    scan[0] *= 1000
    own = standing(patients, scan)
    assert own.far_out
    assert own.p == pytest.approx(1 / 9)
    assert "by chance one in 9 does" in own.sentence
    assert not replace(own, p=2 / 9).far_out
