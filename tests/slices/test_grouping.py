"""Splits: whatever the data, nothing that belongs together is torn apart, in any order of rows."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.errors import UserError
from stages.slices import grouping

RATIOS = (0.6, 0.2, 0.2)


@st.composite
def tables(draw: st.DrawFn, least: int = 3) -> pd.DataFrame:
    """Slices of patients, some of whom are joined to groups by copies."""
    patients = draw(st.integers(least, 40))
    leader = list(range(patients))
    for one, other in draw(
        st.lists(st.tuples(st.integers(0, patients - 1), st.integers(0, patients - 1)), max_size=6)
    ):
        low, high = sorted((leader[one], leader[other]))
        joined = [low if group == high else group for group in leader]
        if len(set(joined)) >= least:
            leader = joined
    rows = []
    for patient in range(patients):
        pixels = draw(st.lists(st.integers(0, 900), min_size=1, max_size=4))
        rows += [
            {
                "sample_id": f"p{patient}_{k}",
                "case_id": f"p{patient}",
                "patient_id": f"p{patient}",
                "group": f"p{leader[patient]}",
                "source_split": "",
                "label_pixels": pixel,
            }
            for k, pixel in enumerate(pixels)
        ]
    return pd.DataFrame(rows)


@st.composite
def ratios(draw: st.DrawFn) -> tuple[float, float, float]:
    parts = [draw(st.integers(1, 30)) for _ in range(3)]
    train, val, test = (part / sum(parts) for part in parts)
    return train, val, test


SEED = st.integers(0, 2**32 - 1)


def simple(patients: int, slices: int = 2) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "sample_id": f"p{i:03d}_{k}",
                "case_id": f"p{i:03d}",
                "patient_id": f"p{i:03d}",
                "group": f"p{i:03d}",
                "source_split": "",
                "label_pixels": 10 * i,
            }
            for i in range(patients)
            for k in range(slices)
        ]
    )


def check(splits: pd.DataFrame, table: pd.DataFrame) -> None:
    """Every slice once, in the table's order, and no group or patient in two splits."""
    assert list(splits["sample_id"]) == list(table["sample_id"])
    assert set(splits["split"]) == {"train", "val", "test"}
    for unit in ("group", "patient_id"):
        assert splits.groupby(unit)["split"].nunique().max() == 1


@settings(max_examples=100, deadline=None)
@given(table=tables(), parts=ratios(), seed=SEED)
def test_no_group_straddles_whatever_the_data(
    table: pd.DataFrame, parts: tuple[float, float, float], seed: int
) -> None:
    splits = grouping.assign(table, "patient", parts, seed)
    check(splits, table)
    groups = splits.drop_duplicates("group")["split"].value_counts()
    count = int(groups.sum())
    assert groups["test"] == min(max(1, round(parts[2] * count)), count - 2)
    for name, part in zip(("train", "val", "test"), parts, strict=True):
        assert abs(groups[name] - part * count) <= 2.5


@settings(max_examples=60, deadline=None)
@given(table=tables(least=5), parts=ratios(), seed=SEED, order=SEED, folds=st.sampled_from([None, 3, 5]))
def test_the_order_of_rows_decides_nothing(
    table: pd.DataFrame, parts: tuple[float, float, float], seed: int, order: int, folds: int | None
) -> None:
    mixed = table.sample(frac=1, random_state=order)
    one = grouping.assign(table, "patient", parts, seed, folds)
    other = grouping.assign(mixed, "patient", parts, seed, folds)
    check(other, mixed)
    assert dict(zip(one["sample_id"], one["split"], strict=True)) == dict(
        zip(other["sample_id"], other["split"], strict=True)
    )


@settings(max_examples=40, deadline=None)
@given(table=tables(least=8), folds=st.integers(3, 8), seed=SEED)
def test_every_group_is_tested_in_exactly_one_fold(table: pd.DataFrame, folds: int, seed: int) -> None:
    tested: Counter[str] = Counter()
    for fold in range(folds):
        splits = grouping.assign(table, "patient", RATIOS, seed, folds, fold)
        check(splits, table)
        tested.update(splits.loc[splits["split"] == "test", "sample_id"])
    assert tested == Counter(table["sample_id"])


def test_every_split_has_large_and_small_tumours() -> None:
    """Stratified by burden: each quarter of the patients is in every split, for every seed."""
    table = simple(40)
    quarter = table["label_pixels"] // 100
    for seed in range(20):
        splits = grouping.assign(table, "patient", RATIOS, seed)
        assert (pd.crosstab(quarter, splits["split"]) > 0).all(axis=None)


def test_few_patients_are_stratified_into_as_many_levels_as_there_are_places() -> None:
    """Two of ten are tested: one of the lesser half, one of the greater."""
    for seed in range(20):
        splits = grouping.assign(simple(10), "patient", RATIOS, seed).drop_duplicates("patient_id")
        tested = splits.loc[splits["split"] == "test", "patient_id"].str[1:].astype(int)
        assert sorted(tested // 5) == [0, 1]


def test_the_seed_decides() -> None:
    drawn = {tuple(grouping.assign(simple(20), "patient", RATIOS, seed)["split"]) for seed in range(10)}
    assert len(drawn) > 5


def test_the_published_division_is_kept() -> None:
    table = simple(6).assign(source_split=["train", "Training", "valid", "VAL", "validation", "test"] * 2)
    splits = grouping.assign(table, "source", RATIOS, 0)
    assert list(splits["split"]) == ["train", "train", "val", "val", "val", "test"] * 2


def test_random_slices_leak_and_the_proof_says_so() -> None:
    table = simple(12, slices=6)
    splits = grouping.assign(table, "slice", RATIOS, 0)
    assert splits.groupby("patient_id")["split"].nunique().max() > 1
    proof = grouping.proof(splits, table, "slice")
    assert proof["leaky"]
    for pair, counted in proof["overlap"].items():
        one, other = pair.split("_")
        both = set(splits.loc[splits["split"] == one, "patient_id"]) & set(
            splits.loc[splits["split"] == other, "patient_id"]
        )
        assert counted == {"patients": len(both), "groups": len(both)}
    with pytest.raises(UserError, match="the patient split leaks, which is a bug"):
        grouping.proof(splits, table, "patient")


def test_a_leak_through_copies_is_a_leak_too() -> None:
    table = simple(12).assign(group="all")
    splits = grouping.assign(simple(12), "patient", RATIOS, 0).assign(group="all")
    overlap = grouping.proof(splits, table, "source")["overlap"]["train_test"]
    assert overlap == {"patients": 0, "groups": 1}
    with pytest.raises(UserError):
        grouping.proof(splits, table, "patient")


def test_the_proof_counts_what_went_where() -> None:
    table = simple(10, slices=3)
    splits = grouping.assign(table, "patient", RATIOS, 3)
    proof = grouping.proof(splits, table, "patient")
    assert not proof["leaky"]
    for name in ("train", "val", "test"):
        pixels = table.loc[splits["split"] == name, "label_pixels"]
        assert proof[name] == {
            "patients": len(pixels) // 3,
            "slices": len(pixels),
            "tumour_slices": int(np.count_nonzero(pixels)),
            "tumour_pixels_per_slice": pytest.approx(pixels.mean()),
        }
    assert sum(proof[name]["patients"] for name in ("train", "val", "test")) == 10


@pytest.mark.parametrize(
    ("patients", "strategy", "folds", "sentence"),
    [
        (
            2,
            "patient",
            None,
            "2 patients are too few for train, val and test; add patients or lower split.folds",
        ),
        (4, "patient", 5, "4 patients are too few for 5 folds; add patients or lower split.folds"),
        (6, "source", None, "split.strategy source needs data that came divided; use patient with these"),
    ],
)
def test_data_that_cannot_be_divided(patients: int, strategy: str, folds: int | None, sentence: str) -> None:
    with pytest.raises(UserError) as error:
        grouping.assign(simple(patients), strategy, RATIOS, 0, folds)
    assert str(error.value) == sentence


def test_a_published_division_without_a_part() -> None:
    with pytest.raises(UserError) as error:
        grouping.assign(simple(4).assign(source_split=["train", "test"] * 4), "source", RATIOS, 0)
    assert str(error.value) == "the val split would be empty; add patients or change split.ratios"
