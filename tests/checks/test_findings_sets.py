"""Findings that are told once of a whole set, and the table they are made from."""

import dataclasses
from pathlib import Path

import pandas as pd
import pytest

from stages.checks import findings, statistics, twins
from stages.core import manifest
from stages.core.errors import UserError
from stages.sources import lgg
from stages.sources.cards import CARDS
from tests.fixtures import scans

A = scans.case_name(0)


def path(case: str, number: int) -> str:
    return f"kaggle_3m/{case}/{case}_{number}.tif"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two patients of four slices."""
    folder = tmp_path_factory.mktemp("scans")
    scans.write_lgg(folder, patients=2, slices=4)
    return folder


@pytest.fixture(scope="module")
def rows(root: Path) -> pd.DataFrame:
    table = manifest.from_records(lgg.find(root).records).assign(source="sample")
    return findings.measured(table, statistics.measure(root, table.to_dict("records")))


def told(rows: pd.DataFrame, same: twins.Same, check: str) -> list[tuple[str, ...]]:
    found = findings.of(rows, same)
    return [tuple(row) for row in found[found["check"] == check].itertuples(index=False)]


NOTHING = twins.Same([], [], [])


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            "lgg",
            "the published set has 3,929 slices of 110 patients, here are 8 of 2: results do not compare "
            "(Buda et al., Computers in Biology and Medicine 109 (2019))",
        ),
        (
            "coco",
            "the published set has 2,146 slices, here are 8: results do not compare "
            "(Kaggle, brain-tumor-image-dataset-semantic-segmentation)",
        ),
        (
            "brats",
            "the published set has 57,195 slices of 369 patients, here are 8 of 2: results do not compare "
            "(BraTS 2020 training data, 369 volumes of 155 slices)",
        ),
    ],
)
def test_another_set_than_the_published_one(rows: pd.DataFrame, source: str, text: str) -> None:
    found = told(rows.assign(source=source), NOTHING, "subset")
    assert found == [("info", "subset", f"{A}_1", path(A, 1), text)]


def test_as_many_slices_of_as_many_patients_are_the_published_set(
    rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    for slices, patients, subset in ((8, 2, 0), (8, None, 0), (8, 3, 1), (9, 2, 1), (9, None, 1)):
        card = dataclasses.replace(CARDS["lgg"], slices=slices, patients=patients)
        monkeypatch.setitem(CARDS, "lgg", card)
        assert len(told(rows.assign(source="lgg"), NOTHING, "subset")) == subset
    assert told(rows.assign(source="sample"), NOTHING, "subset") == []


def test_runs_are_told_once(rows: pd.DataFrame) -> None:
    same = twins.Same([], [], [(f"{A}_1", f"{A}_2"), (f"{A}_2", f"{A}_3")])
    text = f"2 pairs of pictures with consecutive numbers look alike, first {A}_1 and {A}_2: this set does "
    text += "not tell its patients, and such runs are taken for one"
    assert told(rows, same, "run") == [("info", "run", f"{A}_2", path(A, 2), text)]


def test_pictures_saved_in_colour(rows: pd.DataFrame) -> None:
    grey = [True] * 3 + [False] * 5
    rows = rows.assign(modalities=findings.COLOURS, copied_channels=grey)
    text = "3 of 8 pictures are grey, saved in colour; preprocess.channels: gray stores one channel instead "
    text += "of three"
    assert told(rows, NOTHING, "grey_in_colour") == [("info", "grey_in_colour", f"{A}_1", path(A, 1), text)]
    assert told(rows, NOTHING, "copied_channels") == []
    assert told(rows.assign(copied_channels=False), NOTHING, "grey_in_colour") == []


def test_a_slice_that_is_listed_twice(root: Path) -> None:
    table = manifest.from_records(lgg.find(root).records)
    numbers = statistics.measure(root, table.to_dict("records"))
    with pytest.raises(UserError) as error:
        findings.measured(pd.concat([table, table.iloc[2:3]]), numbers)
    assert str(error.value) == f"the manifest lists slice {A}_3 twice; give every slice its own sample_id"


def test_what_was_measured_counts_and_what_was_told_is_kept(root: Path) -> None:
    table = manifest.from_records(lgg.find(root).records)
    numbers = statistics.measure(root, table.to_dict("records"))
    rows = findings.measured(table.assign(width=7), numbers.iloc[::-1])
    assert list(rows["sample_id"]) == list(table["sample_id"])
    assert set(rows["width_told"]) == {7}
    assert set(rows["width"]) == {64}
