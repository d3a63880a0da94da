"""Confidence intervals by resampling patients: slices of one patient are not independent."""

import numpy as np
from scipy.stats import norm

BLOCK = 1 << 22
"""Values drawn at a time, so that memory does not grow with the patients."""
_ENDS = norm.ppf([0.025, 0.975])


def patient_bootstrap(values: np.ndarray, resamples: int) -> tuple[float, float]:
    """95 % interval of the mean over patients (n,), bias-corrected and accelerated (Efron 1987).

    With one patient, or all alike, there is no spread to resample: both ends are the mean. The random stream
    is fixed, so the same values always give the same interval.
    """
    values = np.asarray(values, dtype=np.float64)
    if len(values) < 2 or np.ptp(values) < 1e-12:
        return float(values.mean()), float(values.mean())
    means = _means(values, resamples)
    for shares in (_accelerated(values, means), norm.cdf(_ENDS)):
        low, high = np.percentile(means, 100 * shares) if np.isfinite(shares).all() else (np.nan, np.nan)
        if np.isfinite([low, high]).all():
            return float(low), float(high)
    return float(values.min()), float(values.max())


def _means(values: np.ndarray, resamples: int) -> np.ndarray:
    """Mean of each resample (resamples,)."""
    random, patients = np.random.default_rng(0), len(values)
    rows = max(1, BLOCK // patients)
    numbers = [min(rows, resamples - done) for done in range(0, resamples, rows)]
    drawn = (random.integers(0, patients, (number, patients)) for number in numbers)
    return np.concatenate([values[places].mean(axis=1) for places in drawn])


def _accelerated(values: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Of the resampled means, the shares below both ends (2,); not finite where the values tell none.

    Efron 1987 as SciPy has it, but of a mean without a patient we know what it is: SciPy copies the values
    once a patient to leave each out.
    """
    mean = values.mean()
    below = (np.count_nonzero(means < mean) + np.count_nonzero(means <= mean)) / (2 * len(means))
    without = (values.sum() - values) / (len(values) - 1)
    away = without.mean() - without
    with np.errstate(invalid="ignore", divide="ignore"):
        acceleration = (away**3).sum() / (6 * (away**2).sum() ** 1.5)
        bias = norm.ppf(below)
        moved = bias + _ENDS
        shares: np.ndarray = norm.cdf(bias + moved / (1 - acceleration * moved))
    return shares
