"""Findings on volumes: their empty ends are left out, and faults are named on the slices that have them."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from stages.checks import findings, statistics, twins
from stages.checks.slices import empty_ends
from stages.core import tables
from stages.sources import brats, lgg
from tests.fixtures import scans, volumes

SLICES = 6
MODALITIES = ("flair", "t1", "t1ce", "t2")
CASE, OTHER = "BraTS20_Training_001", "BraTS20_Training_002"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The first of two good cases."""
    return volumes.write_brats(tmp_path, cases=2, slices=SLICES)[0]


def voxels(folder: Path, role: str) -> np.ndarray:
    """What the fixture wrote, as (S, H, W)."""
    stored = nib.load(folder / f"{folder.name}_{role}.nii")
    return np.asarray(stored.dataobj).transpose(2, 1, 0).copy()


def put(folder: Path, role: str, changed: np.ndarray) -> None:
    volumes.save(folder / f"{folder.name}_{role}.nii", changed)


def blanked(folder: Path, *positions: int, also: tuple[str, ...] = ("seg",)) -> None:
    for role in (*MODALITIES, *also):
        changed = voxels(folder, role)
        changed[list(positions)] = 0
        put(folder, role, changed)


def judged(root: Path) -> tuple[pd.DataFrame, list[tuple[str, ...]], list[str]]:
    """Manifest, findings as (severity, check, sample, explanation), and the slices that are empty ends."""
    table = tables.from_records(brats.find(root).records).assign(source="sample")
    rows = findings.measured(table, statistics.measure(root, table.to_dict("records")))
    judgement = findings.of(rows, twins.Same([], [], []))
    ends = rows["sample_id"][empty_ends(rows)]
    columns = ["severity", "check", "sample_id", "explanation"]
    return table, list(judgement[columns].itertuples(index=False, name=None)), list(ends)


def of_slice(position: int, table: pd.DataFrame) -> str:
    """The sample_id of a slice of `CASE`."""
    row = table[(table["case_id"] == CASE) & (table["slice"] == position)]
    return str(row["sample_id"].item())


def test_a_header_that_says_two_things_is_told_once_a_file(folder: Path) -> None:
    for role in ("t1", "seg"):
        path = folder / f"{CASE}_{role}.nii"
        volumes.forge(path, qform_code=0, pixdim=(1.0, 9.0, 9.0, 9.0, 0, 0, 0, 0))
    table, judgement, _ = judged(folder.parent)
    sentence = "between slices, rows and columns its pixdim has 9 x 9 x 9 mm and its sform"
    assert [(*row[:3], row[3].split(" mm and")[0] + " mm and its sform") for row in judgement] == [
        ("warning", "header", of_slice(0, table), f"{CASE}_{role}.nii: {sentence}") for role in ("t1", "seg")
    ]


def test_good_volumes_give_no_finding(folder: Path) -> None:
    table, rows, ends = judged(folder.parents[2])
    assert len(table) == 2 * SLICES
    assert (rows, ends) == ([], [])


def test_slices_above_and_below_the_brain_are_left_out_and_those_within_stay(folder: Path) -> None:
    blanked(folder, 0, 3, 5)
    speck = voxels(folder, "flair")
    speck[5, 0, :9] = 600  # some noise is no brain
    put(folder, "flair", speck)
    table, rows, ends = judged(folder.parents[2])
    assert ends == [of_slice(0, table), of_slice(5, table)]
    text = f"2 slices above and below the brain of case {CASE} show nothing and are left out"
    assert rows == [
        ("info", "blank", of_slice(3, table), "the slice shows next to nothing"),
        ("info", "no_brain", of_slice(0, table), text),
    ]


def test_an_end_that_somebody_labelled_stays(folder: Path) -> None:
    blanked(folder, 0, 1, 4, 5, also=())
    seg = voxels(folder, "seg")
    seg[[0, 4, 5]] = 0
    seg[1] = 0
    seg[1, 5, 5] = 2
    put(folder, "seg", seg)
    table, _, ends = judged(folder.parents[2])
    assert ends == [of_slice(position, table) for position in (0, 4, 5)]


def test_an_end_with_something_wrong_is_named_and_not_passed_over(folder: Path) -> None:
    blanked(folder, 0, 5)
    seg, flair = voxels(folder, "seg"), voxels(folder, "flair").astype(np.float32)
    seg[0, 5, 5] = 9
    flair[5, 5, 5] = np.nan
    put(folder, "seg", seg)
    put(folder, "flair", flair)
    table, rows, ends = judged(folder.parents[2])
    assert ends == []
    assert [row[:3] for row in rows if row[0] == "critical"] == [
        ("critical", "mask_values", of_slice(0, table)),
        ("critical", "finite", of_slice(5, table)),
    ]


def test_a_case_that_shows_nothing_at_all(folder: Path) -> None:
    blanked(folder, *range(SLICES))
    table, rows, ends = judged(folder.parents[2])
    assert ends == [of_slice(position, table) for position in range(SLICES)]
    text = f"6 slices above and below the brain of case {CASE} show nothing and are left out"
    assert ("info", "no_brain", of_slice(0, table), text) in rows


def test_single_slices_are_used_as_they_were_published(tmp_path: Path) -> None:
    scans.write_lgg(tmp_path, patients=1, slices=4)
    blank = np.zeros((64, 64, 3), np.uint8)
    for number in (1, 4):
        scans.write_slice(tmp_path / "kaggle_3m", scans.case_name(0), number, blank, blank[..., 0])
    table = tables.from_records(lgg.find(tmp_path).records).assign(source="sample")
    rows = findings.measured(table, statistics.measure(tmp_path, table.to_dict("records")))
    assert not empty_ends(rows).any()
    assert list(findings.of(rows, twins.Same([], [], []))["check"]) == ["blank", "blank"]


@pytest.mark.parametrize(
    ("label", "dtype", "text"),
    [
        (7, np.uint8, "the mask holds label 7, known are 0, 1, 2, 3, 4"),
        (-1, np.int16, "the mask holds label -1, known are 0, 1, 2, 3, 4"),
        (1.5, np.float32, "the mask holds values that are no whole numbers"),
        (np.nan, np.float32, "the mask holds values that are no whole numbers"),
    ],
)
def test_labels_that_nobody_knows(folder: Path, label: float, dtype: type, text: str) -> None:
    seg: np.ndarray = voxels(folder, "seg").astype(dtype)
    seg[2, 30, 30] = label
    put(folder, "seg", seg)
    table, rows, _ = judged(folder.parents[2])
    assert rows == [("critical", "mask_values", of_slice(2, table), text)]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_voxel_that_is_no_number(folder: Path, value: float) -> None:
    spoilt = voxels(folder, "t2").astype(np.float32)
    spoilt[3, 30, 30] = value
    put(folder, "t2", spoilt)
    table, rows, _ = judged(folder.parents[2])
    assert rows == [("critical", "finite", of_slice(3, table), "it holds NaN or infinite pixels")]


def test_masks_of_another_size(folder: Path) -> None:
    seg = voxels(folder, "seg")
    put(folder, "seg", seg[:, :, :40])
    table, rows, _ = judged(folder.parents[2])
    text = "the mask is not 64x64 pixels as its image is"
    assert rows == [("critical", "mask_size", of_slice(k, table), text) for k in range(SLICES)]
    put(folder, "seg", seg[:4])
    table, rows, _ = judged(folder.parents[2])
    text = "the mask has 4 slices and its image 6"
    assert [row[3] for row in rows[:4]] == [text] * 4
    assert {row[:2] for row in rows} == {("critical", "mask")}
    assert [row[2] for row in rows] == [of_slice(k, table) for k in range(SLICES)]


def test_a_missing_modality_is_named_on_every_slice_of_its_case(folder: Path) -> None:
    (folder / f"{CASE}_t1ce.nii").unlink()
    table, rows, ends = judged(folder.parents[2])
    assert rows == [
        ("critical", "image", of_slice(k, table), "modality t1ce is missing") for k in range(SLICES)
    ]
    assert ends == []
    assert set(table["modalities"]) == {"flair;t1;t1ce;t2"}


def test_a_damaged_volume_is_named_on_every_slice_of_its_case(folder: Path) -> None:
    path = folder / f"{CASE}_flair.nii"
    path.write_bytes(path.read_bytes()[:-1])
    table, rows, _ = judged(folder.parents[2])
    assert rows == [("critical", "image", of_slice(k, table), "it is cut short") for k in range(SLICES)]
    assert OTHER in set(table["case_id"])
