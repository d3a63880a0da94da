"""Slices that are missing from a case are found by the numbers of the others."""

import shutil
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.checks import findings, gaps, statistics, twins
from stages.core import tables
from stages.core.record import Record
from stages.scan.gaps import missing
from stages.sources import brats, lgg, pairs
from stages.sources.source import Source
from tests.fixtures import pictures, scans, volumes


def rows(numbers: list[int], case: str = "a", end: str = ".tif") -> pd.DataFrame:
    records = [
        Record(f"{case}_{n}", case, case, n, f"{case}/{case}_{n}{end}", "", 64, 64, 3, "") for n in numbers
    ]
    return tables.from_records(records)


def found(case: pd.DataFrame) -> list[tuple[str, str]]:
    return [(finding.sample_id, finding.explanation) for finding in gaps.missing_slices(case)]


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        ([1, 2, 3, 4, 6, 7, 8, 9, 10], "5"),
        ([0, 1, 2, 5], "3 to 4"),
        ([7, 8, 11, 12, 14], "9 to 10, 13"),
        ([10, 20, 40, 50], "30"),
        ([1, 2, 3, 100, 101, 102], "4 to 99"),
        ([1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17], "3, 6, 9, 12, ..."),
    ],
)
def test_what_is_missing(numbers: list[int], missing: str) -> None:
    last = next(n for n, after in pairwise(numbers) if after - n > numbers[1] - numbers[0])
    text = f"case a has slices {numbers[0]} to {numbers[-1]} without {missing}; those around a gap count as "
    text += "neighbours, and volumes leave it out: fetch what is missing"
    assert found(rows(numbers).sample(frac=1, random_state=0)) == [(f"a_{last}", text)]


@pytest.mark.parametrize(
    "numbers",
    [
        *([1], [5], [1, 2], [3, 9], [0, 1, 2], [1, 3, 5, 7], [20, 30, 40]),
        [2, 9, 11, 40],  # picked by hand
        [19960909, 19970101, 20010311],  # dates
    ],
)
def test_where_nothing_is_missing_or_nobody_can_tell(numbers: list[int]) -> None:
    assert found(rows(numbers)) == []


def test_a_volume_file_has_all_its_slices() -> None:
    volume = rows([0, 1, 3]).assign(image="a/a_flair.nii.gz;a/a_t1.nii.gz")
    assert found(volume) == []


@given(gone=st.sets(st.integers(1, 40), max_size=10), step=st.integers(1, 3), first=st.integers(0, 9))
def test_whatever_few_slices_are_gone(gone: set[int], step: int, first: int) -> None:
    left = [first + step * number for number in range(42) if number not in gone]
    runs = missing(left)
    assert [number for run in runs for number in run] == [first + step * number for number in sorted(gone)]


@pytest.mark.parametrize("source", [lgg.LGG, pairs.PAIRS, brats.BRATS], ids=lambda source: source.name)
def test_in_a_set_as_validate_sees_it(source: Source, tmp_path: Path) -> None:
    """Pictures that are cases of their own may have any numbers."""
    if source is lgg.LGG:
        scans.write_lgg(tmp_path, patients=2, slices=6)
    elif source is pairs.PAIRS:
        pictures.write_pairs(tmp_path, count=6)
    else:
        volumes.write_brats(tmp_path, cases=1, slices=6)
    case = scans.case_name(1)
    for path in tmp_path.rglob("*"):
        if path.name in (f"{case}_3.tif", f"{case}_3_mask.tif", "3.png"):
            path.unlink()
    table = tables.from_records(source.find(tmp_path).records).assign(source=source.name)
    measured = findings.measured(table, statistics.measure(tmp_path, table.to_dict("records")))
    listed = findings.of(measured, twins.of(measured, 0))
    gap = listed[listed["check"] == "missing_slices"]
    assert list(gap["sample_id"]) == ([f"{case}_2"] if source is lgg.LGG else [])
    assert set(gap["severity"]) <= {"warning"}


def test_the_real_set_has_no_gaps_and_one_that_is_made_is_seen(lgg_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(lgg_folder, tmp_path, dirs_exist_ok=True)
    table = tables.from_records(lgg.find(tmp_path).records)
    assert [found(case) for _, case in table.groupby("case_id")] == [[], [], []]
    gone = "TCGA_CS_4943_20000902_11"
    ((_, text),) = found(table[(table["case_id"] == gone[:-3]) & (table["sample_id"] != gone)])
    assert "has slices 1 to 20 without 11; " in text
