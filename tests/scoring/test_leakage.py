"""Out-of-fold Dice pooled from per-case tables, against the masks themselves pooled with numpy."""

from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.core import tables
from stages.core.errors import UserError
from stages.scan.spacing import Spacing
from stages.scoring import cases, leakage, metrics
from stages.scoring.decision import Scored
from stages.scoring.intervals import patient_bootstrap

REGIONS = ["whole", "core"]
# Scans of (case, patient); patient q has two.
SCANS = [("a", "007"), ("b", "q"), ("c", "q"), ("d", "NA")]


@st.composite
def scans_in_folds(draw: st.DrawFn) -> list[tuple[str, str, np.ndarray, np.ndarray, np.ndarray]]:
    """For each scan: case, patient, truth and prediction (S, R, 3, 3), and the fold of each slice."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scans = []
    for case_id, patient_id in SCANS:
        shape = (draw(st.integers(1, 7)), len(REGIONS), 3, 3)
        # Often nothing at all: slices, folds and whole scans without tumour or prediction.
        truth, predicted = (
            (random.random(shape) < density) & (random.random((shape[0], 1, 1, 1)) < shown)
            for density, shown in (
                draw(st.tuples(st.sampled_from([0.0, 0.1, 0.5, 1.0]), st.sampled_from([0.3, 1.0])))
                for _ in range(2)
            )
        )
        scans.append((case_id, patient_id, truth, predicted, random.integers(0, 3, shape[0])))
    return scans


def per_case(scans: Any, fold: int, folder: Path, spacing: Spacing = Spacing(4.0, 0.7, 1.3)) -> pd.DataFrame:
    """What evaluate writes of one fold, written and read as files are."""
    rows = []
    for case_id, patient_id, truth, predicted, folds in scans:
        own = folds == fold
        if own.any():
            levels = predicted[own].astype(np.uint8) * 200
            case = Scored(case_id, patient_id, levels, truth[own], spacing, np.flatnonzero(own))
            rows += [
                cases.score(case, n, region, predicted[own][:, n], 2.0) for n, region in enumerate(REGIONS)
            ]
    table = pd.DataFrame(rows, columns=[*leakage.SCHEMA.columns] if not rows else None)
    tables.write(table, folder / "per_case.csv")
    return tables.read(leakage.SCHEMA, folder / "per_case.csv")


def dice_of_masks(truth: np.ndarray, predicted: np.ndarray) -> float:
    both = truth.sum() + predicted.sum()
    return 2 * (truth & predicted).sum() / both if both else 1.0


@pytest.mark.long
@settings(max_examples=25)
@given(scans=scans_in_folds())
def test_pooled_counts_are_the_dice_of_the_pooled_masks(
    tmp_path_factory: pytest.TempPathFactory, scans: list[Any]
) -> None:
    folder = tmp_path_factory.mktemp("folds")
    found = leakage.pooled(per_case(scans, fold, folder) for fold in (2, 0, 1))
    expected: dict[str, list[float]] = {}
    slices: dict[str, int] = {}
    for _, patient_id, truth, predicted, _ in scans:
        scores = [dice_of_masks(truth[:, n], predicted[:, n]) for n in range(len(REGIONS))]
        expected.setdefault(patient_id, []).append(float(np.mean(scores)))
        slices[patient_id] = slices.get(patient_id, 0) + len(truth)
    assert list(found.index) == sorted(expected)
    for patient_id, scores in expected.items():
        # per_case.csv has six significant digits.
        assert found.at[patient_id, "dice"] == pytest.approx(np.mean(scores), abs=5e-6)
        assert found.at[patient_id, "slices"] == slices[patient_id]
    assert found["dice"].between(0, 1).all()


@pytest.mark.long
@settings(max_examples=8)
@given(scans=scans_in_folds())
def test_one_fold_of_everything_is_the_headline(
    tmp_path_factory: pytest.TempPathFactory, scans: list[tuple[np.ndarray | str, ...]]
) -> None:
    whole = [(*scan[:4], np.zeros(len(scan[2]), dtype=int)) for scan in scans]
    table = per_case(whole, 0, tmp_path_factory.mktemp("fold"))
    numbers = [name for name in metrics.NAMES if name not in leakage.SCHEMA.columns]
    headline = cases.means(table.assign(**dict.fromkeys(numbers, 0.0)), 100)
    assert leakage.pooled([table])["dice"].mean() == pytest.approx(headline["dice"], abs=1e-9)


def test_a_false_alarm_in_one_fold_counts_against_the_tumour_of_another() -> None:
    """By hand: 6 ml of 10 found in one fold, 2 ml imagined in a fold without tumour. The mean of the three
    folds' Dice would be 0.58.
    """
    text = """case_id,patient_id,region,slices,dice,truth_ml,predicted_ml
a,p,tumour,5,0.75,10,6
a,p,tumour,4,0,0,2
a,p,tumour,4,1,0,0
"""
    found = leakage.pooled([pd.read_csv(StringIO(text))])
    assert found.at["p", "dice"] == pytest.approx(2 * 6 / (10 + 6 + 2))
    assert found.at["p", "slices"] == 13


def arm(**dice: float) -> pd.DataFrame:
    return pd.DataFrame({"slices": 10, "dice": dice}).rename_axis("patient_id")


def test_differences_are_taken_within_patients_against_the_first_arm() -> None:
    arms = {
        "patient": arm(a=0.5, b=0.7, c=0.1),
        "slice": arm(c=0.9, a=0.8, b=0.75),
        "none": arm(a=0, b=0, c=1),
    }
    found = leakage.paired(arms)
    assert list(found.columns) == [
        "slices", "patient", "slice", "none", "slice minus patient", "none minus patient"
    ]  # fmt: skip
    assert found["slice minus patient"].to_dict() == pytest.approx({"a": 0.3, "b": 0.05, "c": 0.8})
    assert found["none minus patient"].to_dict() == pytest.approx({"a": -0.5, "b": -0.7, "c": 0.9})


def test_the_interval_is_of_the_differences_and_not_of_two_means() -> None:
    """Patients differ by far more than the arms do: only pairs show the difference."""
    random = np.random.default_rng(0)
    base = random.uniform(0.2, 0.9, 30)
    gain = random.normal(0.05, 0.01, 30)
    names = [f"p{n}" for n in range(30)]
    arms = {
        "patient": arm(**dict(zip(names, base, strict=True))),
        "slice": arm(**dict(zip(names, base + gain, strict=True))),
    }
    found = leakage.summary(leakage.paired(arms), 2000)
    tax = found.loc["slice minus patient"]
    assert tax["mean"] == pytest.approx(gain.mean())
    assert (tax["low"], tax["high"]) == pytest.approx(patient_bootstrap(gain, 2000), abs=1e-9)
    assert 0.04 < tax["low"] < tax["high"] < 0.06
    assert found.loc["slice"]["low"] < found.loc["patient"]["high"]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (arm(a=0.5, b=0.5).assign(slices=[10, 9]), "patient b (10 in patient, 9 in slice)"),
        (arm(a=0.5), "patient b (10 in patient, 0 in slice)"),
        (arm(a=0.5, b=0.5, c=0.5), "patient c (0 in patient, 10 in slice)"),
    ],
)
def test_arms_that_tested_other_slices_are_no_pairs(other: pd.DataFrame, told: str) -> None:
    with pytest.raises(UserError) as refused:
        leakage.paired({"patient": arm(a=0.5, b=0.5), "slice": other})
    assert str(refused.value).startswith(f"the arms tested different slices of {told}; ")
