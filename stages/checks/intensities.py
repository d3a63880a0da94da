"""Patients in other units than the rest."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from stages.checks.check import Finding
from stages.checks.slices import Slices

MIN_SLICES = 4
"""Slices of a patient: single pictures vary with what they show."""
MIN_PATIENTS = 8
"""Patients that make a usual value."""
OUTLIER = 3.5
"""Robust z-score."""
SPREAD = 0.1
"""Standard deviation of patients at the least, as a share: LGG has 0.21 in brightness, 0.14 in contrast."""


def intensity_outlier(slices: Slices) -> Iterator[Finding]:
    """Patients brighter, darker or of other contrast than most."""
    lit = slices.ordered[slices.ordered["level"].notna()]
    many = lit[lit.groupby("patient_id")["sample_id"].transform("size") >= MIN_SLICES]
    patients = many.groupby("patient_id")[["level", "contrast"]].median()
    if len(patients) < MIN_PATIENTS:
        return
    unit = float(patients["contrast"].median())
    scores = patients.apply(_robust_z, args=(unit,))
    for patient, score in scores[(scores.abs() > OUTLIER).any(axis=1)].iterrows():
        what = str(score.abs().idxmax())
        theirs = many[many["patient_id"] == patient]
        own, usual = float(theirs[what].median()), float(patients[what].median())
        name = {"level": "mean brightness", "contrast": "contrast"}[what]
        text = f"the {name} of patient {patient}'s head is {own:.3g}, of the median patient's {usual:.3g} "
        text += f"(robust z {score[what]:.1f}, usual is up to {OUTLIER:g})"
        off = (theirs[what] - own).abs()
        row = theirs[off == off.min()].iloc[0]
        yield Finding(row["sample_id"], row["image"], text)


def _robust_z(values: pd.Series, unit: float) -> pd.Series:
    """Distance from the median in robust standard deviations (Iglewicz and Hoaglin, How to Detect and Handle
    Outliers, 1993): of logarithms, for scanners multiply; where some values are negative, as z-scored ones
    are, of these in `unit`s.
    """
    values = np.log(values) if (values > 0).all() else values / unit
    off = values - values.median()
    return off / max(float(off.abs().median()) / 0.6745, SPREAD)
