"""A TIFF of several pages is a case: the same slices as from a file each, none without a word."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from stages.checks import statistics
from stages.core import tables
from stages.sources import lgg, pairs
from stages.sources.source import Holding
from tests.fixtures import scans

SLICES, PATIENTS = 5, 3


def measured(root: Path, holding: Holding) -> list[tuple]:
    """Of each slice its hash, the pixels of its mask, and why it cannot be used."""
    table = tables.from_records(holding.records)
    numbers = statistics.measure(root, table.to_dict("records"))
    problems = numbers["image_problem"] + numbers["mask_problem"] + numbers["label_problem"]
    return list(zip(numbers["content"], numbers["mask_pixels"], problems, strict=True))


def stack(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, pixels, photometric="rgb" if pixels.ndim == 4 else "minisblack")


@pytest.fixture
def slices(tmp_path: Path) -> list[tuple]:
    """What is measured of three patients whose slices have a file each."""
    scans.write_lgg(tmp_path / "single", PATIENTS, SLICES)
    rows = measured(tmp_path / "single", lgg.find(tmp_path / "single"))
    assert [row[1] > 0 for row in rows] == [False, True, True, True, True] * PATIENTS
    return rows


def stacked(root: Path, name: str) -> Path:
    """The same, a file a patient, called by `name` and the patient's number."""
    for patient in range(PATIENTS):
        images, masks = scans.volume(SLICES, seed=(0, patient))
        stack(root / f"{name.format(patient)}.tif", images)
        stack(root / f"{name.format(patient)}_mask.tif", masks)
    return root


def test_stacks_beside_each_other(tmp_path: Path, slices: list[tuple]) -> None:
    """Nobody says whether the number is the patient's: each file is held for one, and is marked."""
    root = stacked(tmp_path / "stacks", "scan_{}")
    holding = lgg.find(root)
    assert measured(root, holding) == slices
    first = holding.records[1]
    assert (first.sample_id, first.case_id, first.patient_id) == ("scan_0_001", "scan_0", "scan_0")
    assert (first.slice, first.image, first.mask) == (1, "scan_0.tif#1", "scan_0_mask.tif#1")
    assert not first.patient_known
    assert len({record.patient_id for record in holding.records}) == PATIENTS


def test_stacks_in_the_folder_of_their_patient(tmp_path: Path) -> None:
    root = stacked(tmp_path, "TCGA_CS_4941_19960909/TCGA_CS_4941_19960909_{}")
    records = lgg.find(root).records
    assert {record.patient_id for record in records} == {"TCGA_CS_4941"}
    assert all(record.patient_known for record in records)
    assert sorted({record.case_id for record in records}) == [f"TCGA_CS_4941_19960909_{n}" for n in range(3)]


def test_pairs_of_stacks(tmp_path: Path, slices: list[tuple]) -> None:
    root = stacked(tmp_path / "stacks", "{}")
    holding = pairs.find(root)
    assert measured(root, holding) == slices
    assert [record.case_id for record in holding.records] == [str(n) for n in range(3) for _ in range(SLICES)]
    (root / "patients.csv").write_text("file,patient\n0.tif,a\n1.tif,a\n2.tif,b\n")
    assert {(record.case_id, record.patient_id) for record in pairs.find(root).records} == {
        *(("0", "a"), ("1", "a"), ("2", "b"))
    }


def test_a_stack_whose_mask_is_one_page(tmp_path: Path) -> None:
    images, masks = scans.volume(SLICES)
    stack(tmp_path / "a.tif", images)
    stack(tmp_path / "a_mask.tif", masks[1:2])
    stack(tmp_path / "b.tif", images[:1])
    stack(tmp_path / "b_mask.tif", masks)
    problems = [row[2] for row in measured(tmp_path, pairs.find(tmp_path))]
    assert problems == [
        "the mask has 1 slices and its image 5",
        *(f"it has 1 slices, there is no number {page}" for page in range(1, SLICES)),
        "it holds 5 pages where one slice is expected",
    ]


def test_a_stack_without_a_mask(tmp_path: Path) -> None:
    images, masks = scans.volume(SLICES)
    stack(tmp_path / "a.tif", images)
    stack(tmp_path / "b_mask.tif", masks)
    stack(tmp_path / "c.tif", images)
    stack(tmp_path / "c_mask.tif", masks)
    rows = pairs.find(tmp_path).records
    assert [row.mask for row in rows if row.case_id == "a"] == [""] * SLICES
    assert [row.image for row in rows if row.case_id == "b"] == [""] * SLICES
