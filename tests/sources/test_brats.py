"""The layouts of BraTS: cases of every year, whose they are, and what is missing in them."""

import shutil
import zipfile
from collections import Counter
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from stages.core import record
from stages.core.errors import UserError
from stages.formats.reader import Reader
from stages.scan import task
from stages.scan.header import Unreadable
from stages.sources import brats, brats_cases, brats_editions, cases
from stages.sources.sources import TASKS
from tests.fixtures import strict, volumes

pytestmark = strict.WARNINGS
MODALITIES = "flair;t1;t1ce;t2"


def rename(folder: Path, role: str, name: str) -> Path:
    """Give the file of a role in a 2020 case another name."""
    return (folder / volumes.file_name(2020, folder.name, role)).rename(folder / name)


@pytest.mark.parametrize("year", volumes.YEARS)
def test_cases_of_every_year(tmp_path: Path, year: int) -> None:
    folders = volumes.write_brats(tmp_path, cases=2, year=year, slices=3)
    found = brats.find(tmp_path)
    assert (found.notes, found.unannotated) == ((), frozenset())
    assert [(row.case_id, row.slice) for row in found.records] == [
        (folder.name, position) for folder in folders for position in range(3)
    ]
    last = found.records[-1]
    assert last.sample_id == f"{folders[1].name}_002"
    assert (last.width, last.height, last.channels, last.spacing_mm) == (64, 64, 4, "1;1;1")
    assert (last.modalities, last.label_kind) == (MODALITIES, "mask")
    assert last.label_set == ("brats2015" if year == 2015 else "brats")
    assert last.source_split == ("train" if year == 2015 else "")
    anatomy = volumes.case(3, seed=(0, 2), enhancing=3 if year >= 2023 else 4)
    reader = Reader(tmp_path)
    for row in found.records[3:]:
        image = reader.image(row.image, row.slice, row.modalities)
        for channel, role in enumerate(brats.MODALITIES):
            np.testing.assert_array_equal(image[:, :, channel], anatomy[role][row.slice])
        np.testing.assert_array_equal(reader.mask(row.mask, row.slice), anatomy["seg"][row.slice])


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("BraTS20_Training_001/BraTS20_Training_001_flair.nii", True),
        ("BraTS20_Training_001/BraTS20_Training_001_T1ce.NII.GZ", True),
        ("BraTS20_Training_355/W39_1998.09.19_Segm.nii", True),
        ("BraTS-GLI-00000-000/BraTS-GLI-00000-000-t2w.nii.gz", True),
        ("BraTS2021_00000/BraTS2021_00000_flair.nii/00000057_brain_flair.nii", True),
        ("UPENN-GBM-00001_11/UPENN-GBM-00001_11_T1GD.nii.gz", True),
        ("a/OTMultiClass.nii.gz", True),
        ("a/T1_subtrMeanDivStd.nii.gz", True),
        ("a/t2-flair.nii.gz", True),
        ("a/a t1.nii", True),
        ("T/T1.nii", True),
        ("flair/flair.nii", True),
        ("a/brainmask.nii.gz", False),
        ("a/T1_brainmask.nii.gz", False),
        ("a/flair_seg.nii.gz", False),  # two roles are none
        ("a/a.nii.gz", False),
        ("a/a_flair.mha", False),
        ("a/a_flair.nii.gz.txt", False),
        ("a/a_flair.nii.bz2", False),
        ("a/weight1.nii", False),
        ("a/name_mapping.csv", False),
        ("flair.nii", False),  # of no case
    ],
)
def test_which_files_are_taken(path: str, taken: bool) -> None:
    assert brats.belongs(PurePosixPath(path)) is taken


@pytest.mark.parametrize(
    ("case", "patient"),
    [
        ("BraTS-GLI-00000-001", "BraTS-GLI-00000"),
        ("BraTS-MET-00231-100", "BraTS-MET-00231"),
        ("BraTS-GoAT-00012", "BraTS-GoAT-00012"),
        ("Brats17_TCIA_100_1", "Brats17_TCIA_100"),
        ("Brats17_2013_10_1", "Brats17_2013_10"),
        ("Brats18_CBICA_AAB_1", "Brats18_CBICA_AAB"),
        ("BraTS19_TCIA01_131_1", "BraTS19_TCIA01_131"),
        ("brats_2013_pat0001_1", "brats_2013_pat0001"),
        ("brats_tcia_pat101_0001", "brats_tcia_pat101"),
        ("brats_tcia_pat101_0283", "brats_tcia_pat101"),
        ("BraTS20_Training_001", "BraTS20_Training_001"),
        ("BraTS2021_00000", "BraTS2021_00000"),
        ("someone_1", "someone_1"),
    ],
)
def test_scans_of_one_patient(case: str, patient: str) -> None:
    assert cases.patient_of(case) == patient


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("Sub-01_flair.nii.gz", "Sub-01"),
        ("Sub-01_T2_FLAIR.nii", "Sub-01"),
        ("Flair.nii", ""),
        ("T1c_subtrMeanDivStd.nii.gz", "subtrMeanDivStd"),
        ("p 7 - t1gd.nii", "p 7"),
        ("BraTS-GLI-00000-000-t2f.nii.gz", "BraTS-GLI-00000-000"),
        ("flairy_t1x_seg.nii", "flairy_t1x"),
        ("adc.nii.gz", "adc"),
        ("case7_T1_ce.nii", "case7"),
        ("case7_T1_post_flipped.nii", "case7_flipped"),
        ("post_T1.nii", "post"),
        ("sub-01_ses-2_ce-gadolinium_T1w.nii.gz", "sub-01_ses-2"),
        ("sub-01_ses-2_acq-fast_FLAIR.nii.gz", "sub-01_ses-2_acq-fast"),
    ],
)
def test_the_rest_of_a_name(name: str, rest: str) -> None:
    assert brats_cases.rest_of(name) == rest


def test_words_in_the_name_of_a_case_say_nothing_of_its_files(tmp_path: Path) -> None:
    anatomy = volumes.case(2, 16)
    for name, role in [
        ("seg_of_T1_flair.nii", "flair"),
        ("SEG_of_t1_t1.nii", "t1"),
        ("seg_of_T1_seg.nii", "seg"),
    ]:
        volumes.save(tmp_path / "Seg_of_T1" / name, anatomy[role])
    (row, _) = brats.find(tmp_path).records
    assert row.image == "Seg_of_T1/seg_of_T1_flair.nii;Seg_of_T1/SEG_of_t1_t1.nii"
    assert (row.mask, row.modalities) == ("Seg_of_T1/seg_of_T1_seg.nii", "flair;t1")


@pytest.mark.parametrize(
    ("case", "seg", "label_set"),
    [
        ("someone", "OTMultiClass.nii.gz", "brats2015"),
        ("brats_2013_pat0001_1", "seg.nii", "brats2015"),
        ("BRATS_TCIA_pat101_0001", "seg.nii", "brats2015"),
        ("Brats17_2013_10_1", "seg.nii", "brats"),
        ("someone", "seg.nii", "brats"),
    ],
)
def test_what_the_labels_mean(tmp_path: Path, case: str, seg: str, label_set: str) -> None:
    anatomy = volumes.case(2, 16)
    volumes.save(tmp_path / case / "t1.nii", anatomy["t1"])
    volumes.save(tmp_path / case / seg, anatomy["seg"])
    assert {row.label_set for row in brats.find(tmp_path).records} == {label_set}


def test_cases_are_in_natural_order(tmp_path: Path) -> None:
    for case in ("a_10", "a_9", "b_1"):
        for role in ("t1", "seg"):
            volumes.save(tmp_path / case / f"{role}.nii", np.zeros((1, 8, 8), np.uint8))
    assert [row.case_id for row in brats.find(tmp_path).records] == ["a_9", "a_10", "b_1"]


def test_the_misnamed_segmentation_of_2020(tmp_path: Path) -> None:
    (folder,) = volumes.write_brats(tmp_path, cases=1)
    misnamed = rename(folder, "seg", "W39_1998.09.19_Segm.nii")
    found = brats.find(tmp_path)
    assert {row.mask for row in found.records} == {misnamed.relative_to(tmp_path).as_posix()}
    assert found.records[0].label_set == "brats"


def test_files_in_folders_of_their_own_names(tmp_path: Path) -> None:
    """As some archives of 2021 are unpacked."""
    (folder,) = volumes.write_brats(tmp_path, cases=1, roles=("flair", "seg"))
    for role, name in [("flair", "00000057_brain_flair.nii"), ("seg", "00000057_final_seg.nii")]:
        file = rename(folder, role, name)
        inner = folder / volumes.file_name(2020, folder.name, role)
        inner.mkdir()
        file.rename(inner / name)
    row = brats.find(tmp_path).records[0]
    assert row.case_id == "BraTS20_Training_001"
    assert row.image.endswith("BraTS20_Training_001/BraTS20_Training_001_flair.nii/00000057_brain_flair.nii")
    assert row.mask.endswith("BraTS20_Training_001/BraTS20_Training_001_seg.nii/00000057_final_seg.nii")


def test_a_missing_modality_is_named(tmp_path: Path) -> None:
    _, second = volumes.write_brats(tmp_path, cases=2)
    (second / volumes.file_name(2020, second.name, "t1ce")).unlink()
    (second / volumes.file_name(2020, second.name, "flair")).unlink()
    found = brats.find(tmp_path).records
    assert {(row.modalities, row.channels) for row in found} == {(MODALITIES, 4)}
    whole, lacking = found[0], found[-1]
    assert all(record.names(whole.image))
    assert [bool(name) for name in record.names(lacking.image)] == [False, True, False, True]
    assert (lacking.width, lacking.height) == (64, 64)
    with pytest.raises(Unreadable, match=r"^modality flair, t1ce is missing$"):
        Reader(tmp_path).image(lacking.image, lacking.slice, lacking.modalities)


def test_a_segmentation_alone_is_left_to_validation(tmp_path: Path) -> None:
    volumes.write_brats(tmp_path, cases=2, roles=("t1ce", "seg"))
    next(tmp_path.rglob("*_002_t1ce.nii")).unlink()
    row = brats.find(tmp_path).records[-1]
    assert (row.case_id, row.image, row.modalities) == ("BraTS20_Training_002", "", "t1ce")
    with pytest.raises(Unreadable, match=r"^modality t1ce is missing$"):
        Reader(tmp_path).image(row.image, row.slice, row.modalities)


def test_cases_without_a_segmentation_are_counted(tmp_path: Path) -> None:
    folders = volumes.write_brats(tmp_path, cases=5)
    for folder in folders[1:4]:
        (folder / volumes.file_name(2020, folder.name, "seg")).unlink()
    found = brats.find(tmp_path)
    assert {row.case_id for row in found.records} == {"BraTS20_Training_001", "BraTS20_Training_005"}
    assert found.notes == (
        "cases without a segmentation left out: 3 (BraTS20_Training_002, BraTS20_Training_003, ...)",
    )


@pytest.mark.parametrize(("roles", "cases"), [(("flair", "t1"), 2), (("seg",), 3), ((), 0)])
def test_nothing_to_learn_from(tmp_path: Path, roles: tuple[str, ...], cases: int) -> None:
    volumes.write_brats(tmp_path, cases, roles=roles)
    with pytest.raises(UserError) as refused:
        brats.find(tmp_path)
    assert str(refused.value) == (
        f"none of the {cases} folders with volumes holds both modalities and their "
        "segmentation; set ingest.location to training data with a folder for each case"
    )


def test_the_second_copy_of_a_case_does_not_count(tmp_path: Path) -> None:
    (folder,) = volumes.write_brats(tmp_path, cases=1)
    once = brats.find(tmp_path).records
    shutil.copytree(folder, tmp_path / "A" / "longer" / "way" / folder.name)
    found = brats.find(tmp_path)
    assert found.records == once
    assert found.notes == (
        "folders with the name of an earlier case left out: 1 (A/longer/way/BraTS20_Training_001)",
    )


def test_an_unpacked_volume_beside_its_archive(tmp_path: Path) -> None:
    (folder,) = volumes.write_brats(tmp_path, cases=1)
    once = brats.find(tmp_path)
    (folder / "BraTS20_Training_001_t1.nii.gz").write_bytes(b"the same, packed")
    assert brats.find(tmp_path) == once


def test_two_files_of_one_role(tmp_path: Path) -> None:
    (folder,) = volumes.write_brats(tmp_path, cases=1)
    shutil.copy(folder / "BraTS20_Training_001_seg.nii", folder / "other_seg.nii")
    inside = folder.relative_to(tmp_path)
    with pytest.raises(UserError) as refused:
        brats.find(tmp_path)
    assert str(refused.value) == (
        f"{inside}/BraTS20_Training_001_seg.nii and {inside}/other_seg.nii are both the seg of case "
        "BraTS20_Training_001; remove one of them"
    )


def test_a_damaged_volume_is_one_row_for_validation(tmp_path: Path) -> None:
    first, _ = volumes.write_brats(tmp_path, cases=2, slices=3)
    damaged = first / volumes.file_name(2020, first.name, "flair")
    damaged.write_bytes(damaged.read_bytes()[:100])
    found = brats.find(tmp_path).records
    assert Counter(row.case_id for row in found) == {"BraTS20_Training_001": 1, "BraTS20_Training_002": 3}
    assert (found[0].slice, found[0].width, found[0].height, found[0].channels) == (0, 0, 0, 0)
    assert (found[0].spacing_mm, found[0].modalities) == ("", MODALITIES)
    with pytest.raises(Unreadable, match=r"^it is cut short$"):
        Reader(tmp_path).image(found[0].image, 0, found[0].modalities)


@pytest.mark.parametrize(
    ("above", "split"),
    [("Training", "train"), ("x/valid", "val"), ("test/x", "test"), ("BraTS2020_TrainingData", "")],
)
def test_the_published_division_is_in_the_folders(tmp_path: Path, above: str, split: str) -> None:
    for role, voxels in volumes.case(2, 16).items():
        volumes.save(tmp_path / above / "testing" / f"{role}.nii", voxels)  # here it is the name of the case
    assert {row.source_split for row in brats.find(tmp_path).records} == {split}


def test_strange_names(tmp_path: Path) -> None:
    """Spaces, letters of any language, and the signs that have a meaning in a table's reference."""
    folder = tmp_path / "50 % done; part #2" / "Müller, 脑 1"
    anatomy = volumes.case(2, 16)
    for role in ("t2", "seg"):
        volumes.save(folder / f"Müller, 脑 1 {role}.nii.gz", anatomy[role])
    rows = brats.find(tmp_path).records
    assert {row.patient_id for row in rows} == {"Müller, 脑 1"}
    reader = Reader(tmp_path)
    for row in rows:
        np.testing.assert_array_equal(reader.image(row.image, row.slice)[..., 0], anatomy["t2"][row.slice])
        np.testing.assert_array_equal(reader.mask(row.mask, row.slice), anatomy["seg"][row.slice])


def test_volumes_in_other_orientations_with_labels_as_floats(tmp_path: Path) -> None:
    """A case whose files were written by different programs is still one head."""
    anatomy = volumes.case(4, 16)
    almost = anatomy["seg"] * np.float32(0.9999)
    for role, voxels, codes in [
        ("flair", anatomy["flair"], "RAS"),
        ("t1", anatomy["t1"], "PIR"),
        ("seg", almost, "LPS"),
    ]:
        volumes.save(tmp_path / "a" / f"{role}.nii", voxels, codes, spacing_mm=(5.0, 2.0, 1.0))
    rows, reader = brats.find(tmp_path).records, Reader(tmp_path)
    for row in rows:
        image, mask = reader.image(row.image, row.slice), reader.mask(row.mask, row.slice)
        np.testing.assert_array_equal(image, np.stack([anatomy["flair"], anatomy["t1"]], axis=3)[row.slice])
        np.testing.assert_array_equal(
            task.harmonise(mask, brats_editions.TASK),
            task.harmonise(anatomy["seg"][row.slice], brats_editions.TASK),
        )
    assert {row.spacing_mm for row in rows} == {"5;2;1"}


def test_the_real_set(shared_data: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(shared_data / "brats2015.zip") as archive:
        wanted = [name for name in archive.namelist() if brats.belongs(PurePosixPath(name))]
        archive.extractall(tmp_path, wanted)
    assert len(wanted) == 6 * 3
    found = brats.find(tmp_path)
    assert found.notes == ()
    assert Counter(row.case_id for row in found.records) == {
        f"brats_2013_pat000{n}_1": 155 for n in range(1, 7)
    }
    assert {row.patient_id for row in found.records} == {f"brats_2013_pat000{n}" for n in range(1, 7)}
    assert Counter(row.source_split for row in found.records) == {"train": 310, "val": 310, "test": 310}
    told = {(row.height, row.width, row.channels, row.spacing_mm, row.label_set) for row in found.records}
    assert told == {(240, 240, 2, "1;1;1", "brats2015")}
    assert {row.modalities for row in found.records} == {"flair;t1ce"}

    case = [row for row in found.records if row.case_id == "brats_2013_pat0006_1"]
    reader = Reader(tmp_path)
    masks = np.stack([reader.mask(row.mask, row.slice) for row in case])
    assert np.unique(masks).tolist() == [0, 1, 2, 3, 4]
    classes = task.harmonise(masks, TASKS[case[0].label_set])
    assert [int((classes == one).sum()) for one in (1, 2, 3)] == [
        int(((masks == 1) | (masks == 3)).sum()),
        int((masks == 2).sum()),
        int((masks == 4).sum()),
    ]
    burdened = case[int(np.argmax((masks > 0).sum(axis=(1, 2))))]
    image = reader.image(burdened.image, burdened.slice, burdened.modalities)
    mask = reader.mask(burdened.mask, burdened.slice)
    assert (image.shape, image.dtype) == ((240, 240, 2), np.float32)
    # Oedema is bright in FLAIR and the rim in T1 with contrast: labels lie on what they describe.
    brain = image[..., 0] != image[0, 0, 0]
    assert image[mask == 2, 0].mean() > image[brain & (mask == 0), 0].mean() + 1
    assert image[mask == 4, 1].mean() > image[brain & (mask == 0), 1].mean() + 1
