"""Whether a folder of scans differs: tests held against scipy's, and false differences counted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stages.population import differing
from tests.fixtures import populations

MEASURES = populations.listed()
NAMES = [measure.name for measure in MEASURES]
numbers = st.lists(st.integers(0, 30), min_size=1, max_size=25)


def compared(patients: np.ndarray, scans: np.ndarray) -> differing.Comparison:
    return differing.of(populations.of(patients), MEASURES, scans)


@settings(max_examples=60)
@given(numbers, numbers)
def test_cliff_s_delta_is_that_of_all_pairs(first: list[int], second: list[int]) -> None:
    pairs = np.sign(np.subtract.outer(first, second)).mean()
    assert differing.cliffs_delta(np.array(first), np.array(second)) == pytest.approx(pairs)


@settings(max_examples=25)
@given(st.integers(0, 9999), st.integers(2, 8), st.integers(2, 12))
def test_p_of_equal_values_is_scipy_s_of_all_permutations(seed: int, scans: int, patients: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, 4, scans), rng.integers(0, 4, patients)
    ranks = stats.rankdata(np.concatenate([first, second]))
    if len(np.unique(ranks)) == 1:
        assert differing.p_value(first, second) == 1
        return
    exact = stats.permutation_test(
        (first, second),
        lambda a, b, axis: abs(
            stats.mannwhitneyu(a, b, axis=axis).statistic - a.shape[axis] * b.shape[axis] / 2
        ),
        vectorized=True,
        n_resamples=9_999,
        alternative="greater",
        rng=np.random.default_rng(1),
    ).pvalue
    assert differing.p_value(first, second) == pytest.approx(exact, abs=0.025)


@pytest.mark.parametrize(("scans", "patients", "method"), [(5, 40, "exact"), (60, 80, "asymptotic")])
def test_p_of_different_values_is_scipy_s(scans: int, patients: int, method: str) -> None:
    rng = np.random.default_rng(3)
    first, second = rng.normal(0.5, 1, scans), rng.normal(0, 1, patients)
    expected = stats.mannwhitneyu(first, second, method=method).pvalue
    assert differing.p_value(first, second) == expected


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_s_correction_by_its_definition(p_values: list[float]) -> None:
    """Rejects step by step: the smallest at a / m, the next at a / (m - 1), until the first that holds."""
    corrected = differing.holm(p_values)
    for level in (0.01, 0.05, 0.3):
        rejected = set()
        for rank, place in enumerate(np.argsort(p_values, kind="stable")):
            if p_values[place] * (len(p_values) - rank) > level:
                break
            rejected.add(int(place))
        assert {place for place, p in enumerate(corrected) if p <= level} == rejected


def test_folders_like_the_patients_differ_in_at_most_one_of_20() -> None:
    false = 0
    for seed in range(60):
        rows = populations.table(50, seed)
        false += bool(compared(rows[:40], rows[40:]).differing)
    assert false <= 3 + 3 * np.sqrt(60 * 0.05 * 0.95)


@pytest.mark.parametrize("name", ["noise:flair", "slice_distance_mm", "slices", "confidence"])
def test_a_measure_that_moved_is_the_one_that_differs(name: str) -> None:
    rows = populations.table(70)
    patients, scans = rows[:60], rows[60:].copy()
    place = NAMES.index(name)
    scans[:, place] = np.nanmin(patients[:, place]) / 2
    comparison = compared(patients, scans)
    assert [own.measure.name for own in comparison.differing] == [name]
    (difference,) = comparison.differing
    assert difference.delta == -1
    assert difference.shift < 0
    assert difference.advice == MEASURES[place].lower
    assert difference.sentence.startswith(f"{MEASURES[place].title}: lower, in the middle ")
    assert comparison.verdict == "the 10 scans differ from the 60 patients of training in 1 measure"


def test_a_small_difference_of_many_scans_is_none() -> None:
    rows, scans = populations.table(300), populations.table(300, seed=1)
    scans[:, 0] *= 1.12
    comparison = compared(rows, scans)
    (first,) = [own for own in comparison.differences if own.measure.name == NAMES[0]]
    assert first.corrected < 0.05
    assert 0 < first.delta < differing.SMALL
    assert not comparison.differing
    assert comparison.verdict.endswith("do not differ from the 300 patients of training in any measure")


def test_one_scan_says_nothing_of_a_folder() -> None:
    patients = populations.table(60)
    scan = np.nanmedian(patients, axis=0)[None] * 100
    comparison = compared(patients, scan)
    assert not comparison.differing
    assert comparison.reachable == pytest.approx(2 / 61 * len(comparison.differences))
    assert comparison.verdict.startswith("1 scan cannot tell whether the folder differs from training")
    assert compared(patients, np.repeat(scan, 3, axis=0)).differing


def test_what_only_one_side_knows_is_not_tested() -> None:
    rows = populations.table(40)
    rows[:, NAMES.index("pixel_mm")] = np.nan
    scans = populations.table(10, seed=1)
    scans[:, NAMES.index("head_mm")] = np.nan
    tested = {own.measure.name for own in compared(rows, scans).differences}
    assert tested == set(NAMES) - {"pixel_mm", "head_mm"}


def test_twice_gives_the_same() -> None:
    rows = populations.table(50)
    assert compared(rows[:40], rows[40:]) == compared(rows[:40], rows[40:])
