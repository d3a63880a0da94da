"""Confidence intervals by resampling patients: slices of one patient are not independent."""

import numpy as np
from scipy.stats import bootstrap


def patient_bootstrap(values: np.ndarray, resamples: int) -> tuple[float, float]:
    """95 % interval of the mean over patients (n,), bias-corrected and accelerated (Efron 1987).

    With one patient, or all alike, there is no spread to resample: both ends are the mean. The random stream
    is fixed, so the same values always give the same interval.
    """
    values = np.asarray(values, dtype=np.float64)
    if len(values) < 2 or np.ptp(values) < 1e-12:
        return float(values.mean()), float(values.mean())
    for method in ("BCa", "percentile"):
        found = bootstrap(
            (values,),
            np.mean,
            n_resamples=resamples,
            method=method,
            rng=np.random.default_rng(0),
            vectorized=True,
        ).confidence_interval
        if np.isfinite([found.low, found.high]).all():
            return float(found.low), float(found.high)
    return float(values.min()), float(values.max())
