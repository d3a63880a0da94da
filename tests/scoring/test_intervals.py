"""Bootstrap intervals over patients."""

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from stages.scoring import intervals
from stages.scoring.intervals import patient_bootstrap


def test_the_interval_of_many_normal_values_is_the_analytic_one() -> None:
    values = np.random.default_rng(1).normal(0.8, 0.1, 400)
    low, high = patient_bootstrap(values, 4000)
    half = stats.norm.ppf(0.975) * values.std(ddof=1) / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_it_covers_the_true_mean_of_skewed_scores_about_nineteen_times_in_twenty() -> None:
    random = np.random.default_rng(0)
    trials, hits = 150, 0
    for _ in range(trials):
        low, high = patient_bootstrap(random.beta(6, 2, 25), 300)
        hits += low <= 0.75 <= high
    # Binomial: 0.95 +- 4 standard errors of 0.018, and the known shortfall of small samples.
    assert 0.86 <= hits / trials <= 1


def bca(values: np.ndarray, resamples: int) -> tuple[np.ndarray, np.ndarray]:
    """Efron 1987 written out: percentiles moved by the bias z0 and the acceleration a."""
    random = np.random.default_rng(5)
    means = random.choice(values, (resamples, len(values))).mean(axis=1)
    z0 = stats.norm.ppf((np.mean(means < values.mean()) + np.mean(means <= values.mean())) / 2)
    left_out = (values.sum() - values) / (len(values) - 1)
    away = left_out.mean() - left_out
    a = (away**3).sum() / (6 * (away**2).sum() ** 1.5)
    z = z0 + stats.norm.ppf([0.025, 0.975])
    return np.quantile(means, stats.norm.cdf(z0 + z / (1 - a * z))), np.quantile(means, [0.025, 0.975])


def test_skewed_scores_get_the_bias_corrected_accelerated_interval() -> None:
    values = np.array([0.95, 0.94, 0.93, 0.92, 0.91, 0.9, 0.9, 0.89, 0.88, 0.2])
    found = patient_bootstrap(values, 20_000)
    expected, plain = bca(values, 20_000)
    assert found == pytest.approx(expected, abs=0.01)
    assert abs(found[0] - plain[0]) > 0.03  # which plain percentiles would miss


@pytest.mark.parametrize("values", [[0.7], [0.7, 0.7, 0.7], [0.0, 0.0], [1.0] * 5])
def test_without_spread_both_ends_are_the_mean(values: list[float]) -> None:
    low, high = patient_bootstrap(np.array(values), 200)
    assert low == high == pytest.approx(values[0], abs=1e-12)


@pytest.mark.parametrize("values", [[0.1, 0.9], [0.0, 0.0, 1.0], [0.5, 0.5 + 1e-9]])
def test_a_few_patients_give_finite_ends_within_the_data(values: list[float]) -> None:
    low, high = patient_bootstrap(np.array(values), 200)
    assert min(values) <= low <= np.mean(values) <= high <= max(values)


def test_the_same_values_give_the_same_interval_whatever_was_drawn_before() -> None:
    values = np.random.default_rng(2).random(12)
    first = patient_bootstrap(values, 500)
    np.random.default_rng().random(100)
    assert patient_bootstrap(values, 500) == first


@settings(max_examples=60)
@given(
    values=st.lists(st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1.0])), min_size=2, max_size=40),
    resamples=st.integers(50, 300),
    block=st.integers(1, 500),
)
def test_the_interval_is_scipys_however_many_resamples_are_drawn_at_a_time(
    values: Any, resamples: int, block: int
) -> None:
    values = np.array(values)
    assume(np.ptp(values) > 1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        expected = stats.bootstrap(
            (values,), np.mean, n_resamples=resamples, method="BCa", rng=np.random.default_rng(0)
        ).confidence_interval
    assume(np.isfinite([expected.low, expected.high]).all())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intervals, "BLOCK", block)
        found = patient_bootstrap(values, resamples)
    assert found == pytest.approx((expected.low, expected.high), rel=1e-9, abs=1e-12)
