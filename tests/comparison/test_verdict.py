"""Paired differences against plain numpy and exact enumeration; what the verdict is, and when."""

import random
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stages.comparison import verdict
from stages.comparison.verdict import Verdict

SCORES = ["dice", "hd95_mm"]


def table(
    dice: list[float] | np.ndarray, patients: list[str] | None = None, region: str = "tumour", **columns: Any
) -> pd.DataFrame:
    """Rows of per_case.csv, a case for each patient unless `case_id` is given."""
    patients = patients or [f"p{n:02d}" for n in range(len(dice))]
    rows = pd.DataFrame({"patient_id": patients, "case_id": patients, "region": region, "dice": dice})
    return rows.assign(slices=10, truth_ml=5.0, **columns).astype({"dice": float})


def compared(
    base: pd.DataFrame, head: pd.DataFrame, metrics: list[str] | tuple[str, ...] = ("dice",), **options: Any
) -> verdict.Outcome:
    return verdict.outcome(base, head, metrics, **{"resamples": 500} | options)


# The numbers, against other ways to them.


def percentile_interval(gains: np.ndarray, resamples: int = 20_000) -> np.ndarray:
    random = np.random.default_rng(7)
    return np.quantile(random.choice(gains, (resamples, len(gains))).mean(axis=1), [0.025, 0.975])


@pytest.mark.parametrize("seed", range(3))
def test_the_interval_of_symmetric_differences_is_that_of_plain_percentiles(seed: int) -> None:
    random = np.random.default_rng(seed)
    base = random.uniform(0.3, 0.6, 40)
    gains = random.normal(0.02, 0.05, 40)
    found = compared(table(base), table(base + gains), resamples=10_000).metrics["dice"]
    assert (found.low, found.high) == pytest.approx(percentile_interval(gains), abs=0.003)
    assert found.difference == pytest.approx(gains.mean())
    assert (found.base, found.head) == pytest.approx((base.mean(), (base + gains).mean()))
    assert found.p == pytest.approx(stats.wilcoxon(gains).pvalue)


def enumerated_p(gains: list[float] | np.ndarray) -> float:
    """Two-sided p of Wilcoxon's signed rank test over all signs, zeros left out (Wilcoxon 1945)."""
    gains = [gain for gain in gains if gain]
    ranks = stats.rankdata(np.abs(gains))
    middle = ranks.sum() / 2
    away = abs(ranks[np.array(gains) > 0].sum() - middle)
    everything = [abs(np.dot(ranks, signs) - middle) for signs in product([0, 1], repeat=len(gains))]
    return float(np.mean(np.array(everything) >= away - 1e-9))


@pytest.mark.parametrize(
    "gains",
    [
        [0.01, -0.02, 0.03, 0.04, 0.05, 0.06],
        [0.01, 0.02, 0.03, 0.04, 0.05],
        [0.01, 0.01, -0.01, 0.02, 0.02, 0.02, -0.03, 0.05],  # ties
        [0.0, 0.0, 0.01, 0.02, -0.03, 0.04],  # patients that did not change
        [-0.1],
    ],
)
def test_wilcoxon_of_a_few_patients_is_exact(gains: list[float]) -> None:
    base = np.full(len(gains), 0.5)
    found = compared(table(base), table(base + gains)).metrics["dice"]
    assert found.p == pytest.approx(enumerated_p(gains))
    assert found.differing == np.count_nonzero(gains)


@pytest.mark.parametrize("patients", [1, 2, 3, 5, 6, 7])
def test_p_can_fall_under_a_twentieth_from_six_patients_on(patients: int) -> None:
    base = np.linspace(0.2, 0.6, patients)
    gains = np.linspace(0.1, 0.2, patients)  # the clearest possible: all one way
    found = compared(table(base), table(base + gains))
    assert found.metrics["dice"].p == pytest.approx(2 / 2**patients)
    told = [note for note in found.notes if note.startswith(f"Dice differs in {patients} patient")]
    assert len(told) == (patients < verdict.CONCLUSIVE)
    assert (found.metrics["dice"].p < 0.05) == (patients >= verdict.CONCLUSIVE)


rows = st.lists(
    st.tuples(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 500) | st.none()),
    min_size=1,
    max_size=9,
)


def both_of(drawn: list[Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two tables of the Dice drawn, with distances that some patients lack."""
    distances = [np.nan if row[2] is None else row[2] for row in drawn]
    base, head = (table([row[side] / 1000 for row in drawn], hd95_mm=distances) for side in (0, 1))
    return base, head.assign(hd95_mm=head["hd95_mm"] + 100 * head["dice"])


@settings(max_examples=12)
@given(rows)
def test_swapping_the_two_negates_differences_and_mirrors_intervals(drawn: list[Any]) -> None:
    base, head = both_of(drawn)
    there, back = compared(base, head, SCORES), compared(head, base, SCORES)
    mirrored = {Verdict.BETTER: Verdict.WORSE, Verdict.WORSE: Verdict.BETTER}
    assert back.verdict == mirrored.get(there.verdict, there.verdict)
    assert there.metrics.keys() == back.metrics.keys()
    for name, one in there.metrics.items():
        other = back.metrics[name]
        assert other.difference == pytest.approx(-one.difference, abs=1e-12)
        assert (other.base, other.head, other.p) == pytest.approx((one.head, one.base, one.p))
        assert (one.low is None) == (one.pairs == 1)
        if one.low is not None:
            assert one.high is not None
            assert (other.low, other.high) == pytest.approx((-one.high, -one.low), abs=1e-9)
            assert one.low - 1e-9 <= one.difference <= one.high + 1e-9
    assert [moved.patient for moved in there.moved] == [moved.patient for moved in back.moved]


@settings(max_examples=8)
@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_rows_makes_no_difference(drawn: list[Any], random: random.Random) -> None:
    base, head = both_of(drawn)
    order = list(range(len(drawn)))
    random.shuffle(order)
    assert compared(base, head.iloc[order], SCORES) == compared(base, head, SCORES)
    assert compared(base.iloc[order], head, SCORES) == compared(base, head, SCORES)


@settings(max_examples=8)
@given(rows)
def test_identical_results_are_within_noise(drawn: list[Any]) -> None:
    base, _ = both_of(drawn)
    found = compared(base, base.copy(), SCORES)
    assert (found.verdict, found.reason) == (Verdict.NOISE, "every patient has the same Dice in both")
    assert (found.moved, found.notes) == ((), ())
    for one in found.metrics.values():
        assert (one.difference, one.p, one.differing) == (0, 1, 0)
        assert one.low in (0, None)


# The verdict.


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ([0.02, 0.03, 0.04, 0.05, 0.01, 0.03], Verdict.BETTER),
        ([-0.02, -0.03, -0.04, -0.05, -0.01, -0.03], Verdict.WORSE),
        ([-0.02, 0.03, -0.04, 0.05, -0.01, 0.03], Verdict.NOISE),
        ([0.1, 0.0, 0.0, 0.0, 0.0, 0.0], Verdict.NOISE),
        ([0.1, 0.1, 0.1], Verdict.BETTER),  # no spread: the interval is the difference
        ([-0.4], Verdict.NOISE),
    ],
)
def test_the_interval_of_the_dice_decides(gains: list[float], verdict: verdict.Verdict) -> None:
    base = np.full(len(gains), 0.5)
    found = compared(table(base), table(base + gains))
    assert found.verdict is verdict
    dice = found.metrics["dice"]
    outside = dice.low is not None and dice.high is not None and (dice.low > 0 or dice.high < 0)
    assert outside == (verdict is not Verdict.NOISE)


def test_another_metric_does_not_decide() -> None:
    base = table([0.5] * 8, hd95_mm=np.arange(8.0))
    found = compared(base, base.assign(hd95_mm=base["hd95_mm"] + 50), SCORES)
    assert found.metrics["hd95_mm"].low == pytest.approx(50)
    assert found.verdict is Verdict.NOISE


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (table([0.5] * 3, ["a", "b", "x"]), "other test patients: 1 only in BASE, 1 only in HEAD, 2 in both"),
        (table([0.5] * 2, ["x", "y"]), "other test patients: 3 only in BASE, 2 only in HEAD, 0 in both"),
        (table([0.5] * 2, ["a", "b"]), "other test patients: 1 only in BASE, 0 only in HEAD, 2 in both"),
        (
            table([0.5] * 3, ["a", "b", "c"]).assign(case_id=["a", "b", "c2"]),
            "other scans of the same test patients: 1 only in BASE, 1 only in HEAD, 2 in both",
        ),
        (
            table([0.5] * 3, ["a", "b", "c"], region="whole"),
            "other regions: 1 only in BASE, 1 only in HEAD, 0 in both",
        ),
        (
            table([0.5] * 3, ["a", "b", "c"]).assign(case_id=["a", "c", "b"]),
            "the same patients, scans and regions, but not together",
        ),
    ],
)
def test_other_tests_are_not_comparable(head: pd.DataFrame, reason: str) -> None:
    found = compared(table([0.9] * 3, ["a", "b", "c"]), head)
    assert (found.verdict, found.reason) == (Verdict.INCOMPARABLE, reason)


def test_what_both_tested_is_compared_all_the_same() -> None:
    base, head = table([0.9, 0.8, 0.1], ["a", "b", "c"]), table([0.7, 0.9, 1.0], ["a", "b", "x"])
    found = compared(base, head)
    assert found.metrics["dice"].difference == pytest.approx(-0.05)
    assert {moved.patient for moved in found.moved} == {"a", "b"}
    assert found.notes == ()  # few patients are not the trouble


def test_a_reason_from_outside_makes_equal_tests_incomparable() -> None:
    base = table([0.5] * 6)
    found = compared(base, table([0.9] * 6), unlike="only HEAD is leaky")
    assert (found.verdict, found.reason) == (Verdict.INCOMPARABLE, "only HEAD is leaky")
    assert compared(base, table([0.9] * 6)).verdict is Verdict.BETTER


@pytest.mark.parametrize(
    ("column", "changed", "told"),
    [
        ("truth_ml", [5, 5.01, 5, 5, 5, 7], "The true masks of 2 patients are not the same in both."),
        ("slices", [10, 10, 10, 10, 10, 11], "The slices of 1 patient are not the same in both."),
    ],
)
def test_other_data_of_the_same_patients_are_compared_and_told(
    column: str, changed: list[float], told: str
) -> None:
    base = table([0.5, 0.6, 0.7, 0.8, 0.9, 0.4])
    found = compared(base, base.assign(**{column: changed}))
    assert (found.verdict, found.notes) == (Verdict.NOISE, (told,))


# Which scores make a pair.


def test_a_patient_counts_once_however_many_scans_it_has() -> None:
    patients, cases = ["a", "a", "a", "b"], ["a1", "a2", "a3", "b1"]
    base = table([0.1, 0.2, 0.3, 0.8], patients).assign(case_id=cases)
    head = table([0.3, 0.4, 0.5, 0.8], patients).assign(case_id=cases)
    found = compared(base, head).metrics["dice"]
    assert (found.pairs, found.base, found.head) == (2, pytest.approx(0.5), pytest.approx(0.6))
    assert found.difference == pytest.approx(0.1)


def regions(whole: list[float], core: list[float]) -> pd.DataFrame:
    return pd.concat([table(whole, region="whole"), table(core, region="core")])


def test_a_region_model_has_its_mean_over_regions_and_each_of_them() -> None:
    base = regions([0.8, 0.9, 0.7, 0.8, 0.9, 0.7], [0.5, 0.6, 0.4, 0.5, 0.6, 0.4])
    head = regions([0.8, 0.9, 0.7, 0.8, 0.9, 0.7], [0.7, 0.9, 0.5, 0.6, 0.7, 0.8])
    found = compared(base, head)
    gains = np.array([0.2, 0.3, 0.1, 0.1, 0.1, 0.4])
    assert found.metrics["dice"].difference == pytest.approx(gains.mean() / 2)
    assert found.metrics["dice"].pairs == 6
    assert found.regions["whole"]["dice"].differing == 0
    core = found.regions["core"]["dice"]
    assert (core.difference, core.p) == pytest.approx((gains.mean(), enumerated_p(gains)))
    assert [(m.patient, m.region) for m in found.moved[:2]] == [("p05", "core"), ("p01", "core")]
    assert list(compared(table([0.5]), table([0.5])).regions) == []


def test_a_distance_is_paired_where_both_have_one() -> None:
    """Also within a patient: a scan without a distance at HEAD must not count at BASE either."""
    patients, cases = ["a", "a", "b", "c"], ["a1", "a2", "b1", "c1"]
    base = table([0.5] * 4, patients, hd95_mm=[2, 40, 6, np.nan]).assign(case_id=cases)
    head = table([0.5] * 4, patients, hd95_mm=[3, np.nan, 8, 9]).assign(case_id=cases)
    found = compared(base, head, SCORES).metrics["hd95_mm"]
    assert (found.pairs, found.base, found.head, found.difference) == pytest.approx((2, 4, 5.5, 1.5))
    nothing = base.assign(hd95_mm=np.nan)
    assert "hd95_mm" not in compared(nothing, head, SCORES).metrics


def test_the_patients_that_changed_most_come_first_and_the_unchanged_not_at_all() -> None:
    base = table([0.5] * 8)
    gains = [0.0, 0.1, -0.3, 0.2, -0.1, 0.05, 0.0, 0.01]
    found = compared(base, table(0.5 + np.array(gains)))
    assert [moved.patient for moved in found.moved] == ["p02", "p03", "p01", "p04", "p05"]
    assert found.moved[0].difference == pytest.approx(-0.3)


def test_rounding_of_the_additions_is_no_difference() -> None:
    """0.1 + 0.2 + 0.3 is not 0.3 + 0.2 + 0.1 in binary."""
    cases = ["1", "2", "3"]
    base = table([0.1, 0.2, 0.3], ["a"] * 3).assign(case_id=cases)
    head = table([0.3, 0.2, 0.1], ["a"] * 3).assign(case_id=cases)
    assert compared(base, head).metrics["dice"].differing == 0
