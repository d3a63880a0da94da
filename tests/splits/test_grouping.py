"""Splits: whatever the data, nothing that belongs together is torn apart, in any order of rows."""

from collections import Counter
from collections.abc import Sequence

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.core.errors import UserError
from stages.splits import grouping
from tests.fixtures import strict
from tests.fixtures.divisible import row, simple

RATIOS = (0.6, 0.2, 0.2)
SPLITS = ["train", "val", "test"]
pytestmark = strict.WARNINGS  # scikit-learn warns of strata that are too small


@st.composite
def tables(draw: st.DrawFn, least: int = 3) -> pd.DataFrame:
    """Slices of patients, some of whom are joined to groups by copies."""
    patients = draw(st.integers(least, 24))
    leader = list(range(patients))
    for one, other in draw(
        st.lists(st.tuples(st.integers(0, patients - 1), st.integers(0, patients - 1)), max_size=6)
    ):
        low, high = sorted((leader[one], leader[other]))
        joined = [low if group == high else group for group in leader]
        if len(set(joined)) >= least:
            leader = joined
    sites = draw(st.lists(st.sampled_from(["", "CS", "DU", "FG", "HT"]), min_size=1, max_size=patients))
    rows = [
        row(f"p{patient}", k, pixels, group=f"p{leader[patient]}", site=sites[patient % len(sites)])
        for patient in range(patients)
        for k, pixels in enumerate(draw(st.lists(st.integers(0, 900), min_size=1, max_size=4)))
    ]
    return pd.DataFrame(rows)


@st.composite
def ratios(draw: st.DrawFn) -> tuple[float, float, float]:
    parts = [draw(st.integers(1, 30)) for _ in range(3)]
    train, val, test = (part / sum(parts) for part in parts)
    return train, val, test


SEED = st.integers(0, 2**32 - 1)


def check(
    splits: pd.DataFrame, table: pd.DataFrame, whole: Sequence[str] = ("group", "patient_id", "case_id")
) -> None:
    """Every slice once, in the table's order, and none of what stays whole in two splits."""
    assert list(splits["sample_id"]) == list(table["sample_id"])
    assert set(splits["split"]) == set(SPLITS)
    for unit in whole:
        assert splits.groupby(unit)["split"].nunique().max() == 1


@pytest.mark.long
@settings(max_examples=25)
@given(table=tables(), parts=ratios(), seed=SEED)
def test_no_group_straddles_whatever_the_data(
    table: pd.DataFrame, parts: tuple[float, float, float], seed: int
) -> None:
    splits = grouping.assign(table, "patient", parts, seed)
    check(splits, table)
    groups = splits.drop_duplicates("group")["split"].value_counts()
    count = int(groups.sum())
    assert groups["test"] == min(max(1, round(parts[2] * count)), count - 2)
    rest = count - groups["test"]
    assert groups["val"] == min(max(1, round(parts[1] / (parts[0] + parts[1]) * rest)), rest - 1)


@pytest.mark.long
@settings(max_examples=12)
@given(
    table=tables(least=5),
    parts=ratios(),
    seed=SEED,
    order=SEED,
    folds=st.sampled_from([None, 3, 5]),
    strategy=st.sampled_from(["patient", "slice"]),
)
def test_the_order_of_rows_decides_nothing(
    table: pd.DataFrame,
    parts: tuple[float, float, float],
    seed: int,
    order: int,
    folds: int | None,
    strategy: str,
) -> None:
    mixed = table.sample(frac=1, random_state=order)
    one = grouping.assign(table, strategy, parts, seed, folds)
    other = grouping.assign(mixed, strategy, parts, seed, folds)
    assert list(other["sample_id"]) == list(mixed["sample_id"])
    pd.testing.assert_frame_equal(one, other.loc[table.index])


@pytest.mark.long
@settings(max_examples=12)
@given(
    table=tables(least=8),
    folds=st.integers(3, 8),
    seed=SEED,
    strategy=st.sampled_from(["patient", "slice"]),
)
def test_every_slice_is_tested_in_exactly_one_fold(
    table: pd.DataFrame, folds: int, seed: int, strategy: str
) -> None:
    unit = "group" if strategy == "patient" else "sample_id"
    tested: Counter[str] = Counter()
    sizes = []
    for fold in range(folds):
        splits = grouping.assign(table, strategy, RATIOS, seed, folds, fold)
        check(splits, table, [unit])
        of_fold = splits[splits["split"] == "test"]
        tested.update(of_fold["sample_id"])
        sizes.append(of_fold[unit].nunique())
    assert tested == Counter(table["sample_id"])
    assert max(sizes) - min(sizes) <= 1


@settings(max_examples=12)
@given(table=tables(), parts=ratios(), seed=SEED)
def test_single_slices_are_drawn_by_the_ratios(
    table: pd.DataFrame, parts: tuple[float, float, float], seed: int
) -> None:
    splits = grouping.assign(table, "slice", parts, seed)
    check(splits, table, ["sample_id"])
    count = len(table)
    tested = (splits["split"] == "test").sum()
    assert tested == min(max(1, round(parts[2] * count)), count - 2)


@pytest.mark.parametrize("folds", [None, 5])
def test_every_split_has_every_site_and_large_and_small_tumours_of_it(folds: int | None) -> None:
    """Of four sites with ten patients each, whose burdens alternate so that sites do not tell them."""
    table = simple(40, sites="ABCD")
    large = table["label_pixels"] >= 200
    for seed in range(10):
        splits = grouping.assign(table, "patient", RATIOS, seed, folds, seed % 5)
        counted = pd.crosstab([table["site"], large], splits["split"])
        assert (counted > 0).all(axis=None), seed


def test_a_rare_site_is_drawn_with_the_others_and_does_not_spoil_their_strata() -> None:
    table = simple(40, slices=1, sites="AB")
    table.loc[[3, 17], "site"] = ["C", "D"]
    for seed in range(10):
        splits = grouping.assign(table, "patient", RATIOS, seed)
        check(splits, table)
        assert (pd.crosstab(table["site"], splits["split"]).loc[["A", "B"]] >= 3).all(axis=None)


@pytest.mark.parametrize("sites", ["A", "AB", "ABCDEFGHIJ", "ABBBBBBBBBBBBBBBBBBB"])
@pytest.mark.parametrize("patients", [3, 4, 7, 10, 20])
def test_any_number_of_sites_and_any_ratios(patients: int, sites: str) -> None:
    table = simple(patients, sites=sites)
    for folds in (None, 3):
        for parts in (RATIOS, (0.02, 0.02, 0.96), (0.02, 0.96, 0.02), (0.96, 0.02, 0.02)):
            check(grouping.assign(table, "patient", parts, 1, folds), table)


def test_patients_each_of_a_site_of_their_own_are_stratified_by_burden() -> None:
    table = simple(26, slices=1, sites="ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    for seed in range(10):
        tested = grouping.assign(table, "patient", RATIOS, seed)["split"] == "test"
        assert set(table.loc[tested, "label_pixels"] // 65) == {0, 1, 2, 3}


def test_a_group_of_two_sites_counts_with_the_first() -> None:
    table = simple(40, sites="ABBB")
    table["group"] = table["patient_id"].str[:3] + (table["patient_id"].str[3:].astype(int) // 2).astype(str)
    first = table.assign(site=table.groupby("group")["site"].transform("min"))
    assert set(first["site"]) == {"A", "B"}
    for seed in range(5):
        one, other = (grouping.assign(rows, "patient", RATIOS, seed) for rows in (table, first))
        check(one, table)
        assert list(one["split"]) == list(other["split"])


def test_every_split_has_large_and_small_tumours() -> None:
    """Stratified by burden: each quarter of the patients is in every split, for every seed."""
    table = simple(40)
    quarter = table["label_pixels"] // 100
    for seed in range(10):
        splits = grouping.assign(table, "patient", RATIOS, seed)
        assert (pd.crosstab(quarter, splits["split"]) > 0).all(axis=None)


def test_few_patients_are_stratified_into_as_many_levels_as_there_are_places() -> None:
    """Two of ten are tested: one of the lesser half, one of the greater."""
    for seed in range(10):
        splits = grouping.assign(simple(10), "patient", RATIOS, seed).drop_duplicates("patient_id")
        tested = splits.loc[splits["split"] == "test", "patient_id"].str[1:].astype(int)
        assert sorted(tested // 5) == [0, 1]


def test_the_seed_decides() -> None:
    drawn = {tuple(grouping.assign(simple(20), "patient", RATIOS, seed)["split"]) for seed in range(10)}
    assert len(drawn) > 5


@pytest.mark.long
@settings(max_examples=25)
@given(table=tables(least=8), parts=ratios(), seed=SEED)
def test_each_site_is_tested_whole_by_a_network_that_saw_none_of_it(
    table: pd.DataFrame, parts: tuple[float, float, float], seed: int
) -> None:
    table["site"] = table.groupby("group")["site"].transform("min").replace("", "XX")
    sites = sorted(set(table["site"]))
    if table.groupby("site")["group"].nunique().max() > table["group"].nunique() - 2:
        return  # one site has nearly all patients
    for fold, site in enumerate(sites):
        splits = grouping.assign(table, "site", parts, seed, len(sites), fold)
        check(splits, table)
        assert set(table.loc[splits["split"] == "test", "site"]) == {site}
        assert site not in set(table.loc[splits["split"] != "test", "site"])
        assert not grouping.proof(splits, table.assign(patient_known=True), "site")["leaky"]


@pytest.mark.parametrize(
    ("sites", "folds", "sentence"),
    [
        (
            ["", "CS", "DU", "", "CS", "DU"],
            2,
            "split.strategy site needs scans that tell their site, as TCGA codes do; use patient with these",
        ),
        (
            ["HT", "CS", "DU", "HT", "CS", "DU"],
            5,
            "split.strategy site needs split.folds: 3, one for each site (CS, DU, HT)",
        ),
        (
            ["CS", "CS", "CS", "CS", "CS", "DU"],
            2,
            "beside the patients of site CS there are too few to train and validate; add patients",
        ),
    ],
)
def test_sites_that_cannot_be_held_out(sites: list[str], folds: int, sentence: str) -> None:
    table = pd.DataFrame([row(f"p{n}", 0, n, site=site) for n, site in enumerate(sites)])
    with pytest.raises(UserError) as error:
        grouping.assign(table, "site", RATIOS, 0, folds)
    assert str(error.value) == sentence


def test_the_published_division_is_kept() -> None:
    table = simple(6).assign(source_split=["train", "Training", "valid", "VAL", "validation", "test"] * 2)
    splits = grouping.assign(table, "source", RATIOS, 0)
    assert list(splits["split"]) == ["train", "train", "val", "val", "val", "test"] * 2


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
