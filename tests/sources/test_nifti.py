"""Volumes with a label beside them, and BIDS: what is one case, whose it is, and what is refused."""

from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from stages.core.errors import UserError
from stages.sources import sources
from stages.sources.source import Holding
from tests.fixtures import layouts, volumes
from tests.fixtures.layouts import pixels

holding = partial(layouts.holding, "nifti")
refusal = partial(layouts.refusal, "nifti")


def cases(scans: Holding) -> dict[str, tuple[str, str, str]]:
    """Patient and names of files by case."""
    return {row.case_id: (row.patient_id, row.image, row.mask) for row in scans.records}


def lay(root: Path, *names: Any, seed: int = 0) -> None:
    """A volume for each name; one of a mask where the name ends so."""
    for number, name in enumerate(names):
        anatomy = volumes.case(3, 16, seed=(seed, number))
        mask = name.lower().endswith(("seg", "mask"))
        voxels = (anatomy["seg"] > 0).astype(np.uint8) if mask else anatomy["flair"]
        volumes.save(root / f"{name}.nii.gz", voxels)


@pytest.mark.parametrize("ending", ["_seg", "_mask", "-seg", "_Mask"])
def test_a_label_beside_a_volume(tmp_path: Path, ending: str) -> None:
    lay(tmp_path, "p1", f"p1{ending}", "p10", f"p10{ending}", "p2", f"p2{ending}", "alone")
    scans = holding(tmp_path)
    assert cases(scans) == {
        name: (name, f"{name}.nii.gz", f"{name}{ending}.nii.gz") for name in ("p1", "p2", "p10")
    }
    assert list(cases(scans)) == ["p1", "p2", "p10"]
    assert {(row.modalities, row.channels, row.label_set) for row in scans.records} == {("gray", 1, "lesion")}
    assert [row.slice for row in scans.records] == [0, 1, 2] * 3
    assert scans.notes == (
        "volumes without a mask left out: 1 (alone)",
        "names do not tell patients, so each of the 3 cases counts as one; where a patient has several, list "
        "them in patients.csv (columns file and patient)",
    )
    image, mask = pixels(tmp_path, scans.records[1])
    np.testing.assert_array_equal(image[..., 0], volumes.case(3, 16, seed=(0, 0))["flair"][1])
    np.testing.assert_array_equal(mask, volumes.case(3, 16, seed=(0, 1))["seg"][1] > 0)


def test_a_file_a_sequence(tmp_path: Path) -> None:
    """Which a longer name of a case may seem to be."""
    lay(tmp_path, "x_t1", "x_flair", "x_seg", "x_2_t1", "x_2_flair", "x_2_seg")
    assert cases(holding(tmp_path)) == {
        name: (name, f"{name}_flair.nii.gz;{name}_t1.nii.gz", f"{name}_seg.nii.gz") for name in ("x", "x_2")
    }
    assert {row.modalities for row in holding(tmp_path).records} == {"flair;t1"}
    assert {row.modalities for row in holding(tmp_path, channels=["t1"]).records} == {"t1"}
    assert refusal(tmp_path, channels=["t2"]) == (
        "ingest.channels names 't2', which no case has; there are flair (2), t1 (2)"
    )


def test_sequences_in_one_file(tmp_path: Path) -> None:
    lay(tmp_path, "x_seg")
    stored = np.zeros((16, 16, 3, 2), np.int16)
    nib.Nifti1Image(stored, nib.load(tmp_path / "x_seg.nii.gz").affine).to_filename(tmp_path / "x.nii.gz")
    assert {row.modalities for row in holding(tmp_path).records} == {"channel1;channel2"}
    scans = holding(tmp_path, channels=["t1", "t2"])
    assert {row.modalities for row in scans.records} == {"t1;t2"}
    assert pixels(tmp_path, scans.records[0])[0].shape == (16, 16, 2)
    row = holding(tmp_path, channels=["t1"]).records[0]
    with pytest.raises(UserError, match=r"it has 2 channels, and 1 are named \(t1\)"):
        pixels(tmp_path, row)


def test_bids(tmp_path: Path) -> None:
    layouts.write_bids(tmp_path, subjects=3, sessions=2)
    scans = holding(tmp_path)
    assert list(cases(scans)) == [f"sub-0{subject}_ses-{visit}" for subject in (1, 2, 3) for visit in (1, 2)]
    assert cases(scans)["sub-02_ses-1"] == (
        "sub-02",
        "sub-02/ses-1/anat/sub-02_ses-1_FLAIR.nii.gz;sub-02/ses-1/anat/sub-02_ses-1_T1w.nii.gz",
        "derivatives/manual/sub-02/ses-1/anat/sub-02_ses-1_label-lesion_mask.nii.gz",
    )
    assert {row.modalities for row in scans.records} == {"FLAIR;T1w"}
    assert not scans.notes
    _, mask = pixels(tmp_path, scans.records[1])
    np.testing.assert_array_equal(mask, volumes.case(4, 64, seed=(1, 1))["seg"][1] > 0)


def test_what_bids_has_beside_scans_and_lesions(tmp_path: Path) -> None:
    layouts.write_bids(tmp_path, subjects=1, sessions=1)
    anat, name = tmp_path / "sub-01/ses-1/anat", "sub-01_ses-1"
    derived = tmp_path / "derivatives/fmriprep/sub-01/ses-1/anat"
    for path in (
        anat / f"{name}_label-brain_mask",
        anat / f"{name}_ce-gd_T1w",
        tmp_path / f"sub-01/ses-1/dwi/{name}_dwi",
        derived / f"{name}_dseg",
        derived / f"{name}_desc-preproc_T1w",
    ):
        lay(path.parent, path.name)
    scans = holding(tmp_path)
    assert {row.modalities for row in scans.records} == {"FLAIR;T1w;ce-gd_T1w"}
    assert {row.mask for row in scans.records} == {
        "derivatives/manual/sub-01/ses-1/anat/sub-01_ses-1_label-lesion_mask.nii.gz"
    }
    assert {row.modalities for row in holding(tmp_path, channels=["ce-gd_T1w"]).records} == {"ce-gd_T1w"}


def test_sequences_that_some_cases_lack(tmp_path: Path) -> None:
    layouts.write_bids(tmp_path, subjects=2, sessions=1)
    (tmp_path / "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz").unlink()
    scans = holding(tmp_path)
    assert {row.modalities for row in scans.records} == {"FLAIR"}
    assert scans.notes == ("sequences that some cases lack are left out: T1w; ingest.channels takes them",)
    row = holding(tmp_path, channels=["FLAIR", "T1w"]).records[0]
    with pytest.raises(UserError, match="modality T1w is missing"):
        pixels(tmp_path, row)
    (tmp_path / "sub-02/ses-1/anat/sub-02_ses-1_FLAIR.nii.gz").unlink()
    assert refusal(tmp_path).startswith(
        "no sequence is there for all of the 2 cases that have a mask: FLAIR (1), T1w (1); choose with"
    )


def test_a_table_says_what_the_numbers_of_a_segmentation_mean(tmp_path: Path) -> None:
    layouts.write_bids(tmp_path, subjects=2, sessions=1, lesion=False)
    assert refusal(tmp_path) == (
        "the masks hold labels 1, 2 and 3, and nothing says what they mean; set ingest.labels to names with "
        "their numbers, such as {oedema: 2, core: [1, 3]}, or to brats, brats2015, brats2024, brats_ped, "
        "decathlon, tumour"
    )
    table = "index\tname\n0\tbackground\n1\tnecrosis\n2\toedema\n3\tenhancing tumour\n"
    (tmp_path / "derivatives/manual/dseg.tsv").write_text(table, encoding="utf-8")
    (label_set,) = {row.label_set for row in holding(tmp_path).records}
    assert sources.task(label_set).classes == {1: "necrosis", 2: "oedema", 3: "enhancing_tumour"}


@pytest.mark.parametrize(
    ("table", "what"),
    [
        (b"a\tb\n1\t2\n", "it must have the columns index and name"),
        (b"index\tname\nx\ta\n", "invalid literal for int"),
        (b"index\tname\n\ta\n", "invalid literal for int"),
        (b"index\tname\n0\tbackground\n", "no label is named but the background"),
        (b"\xff\xfe\x00", "is no text in UTF-8"),
    ],
)
def test_a_damaged_table(tmp_path: Path, table: bytes, what: str) -> None:
    layouts.write_bids(tmp_path, subjects=1, sessions=1, lesion=False)
    (tmp_path / "dseg.tsv").write_bytes(table)
    said = refusal(tmp_path)
    assert said.startswith("dseg.tsv")
    assert what in said
    assert said.endswith("; correct it or set ingest.labels")


def test_the_user_may_say_what_numbers_mean(tmp_path: Path) -> None:
    layouts.write_bids(tmp_path, subjects=1, sessions=1, lesion=False)
    rows = holding(tmp_path, labels={"all": [1, 2, 3], "core": [1, 3]}).records
    _, mask = pixels(tmp_path, rows[1])
    numbers = volumes.case(4, 64, seed=(1, 1), enhancing=3)["seg"][1]
    np.testing.assert_array_equal(mask, numbers)
    assert {row.label_set for row in holding(tmp_path, labels="brats").records} == {"brats"}


def test_a_table_of_patients(tmp_path: Path) -> None:
    lay(tmp_path, "a", "a_seg", "b", "b_seg")
    (tmp_path / "patients.csv").write_text("file,patient\na,Jo\nb_seg.nii.gz,Jo\n", encoding="utf-8")
    assert {patient for patient, _, _ in cases(holding(tmp_path)).values()} == {"Jo"}


def test_volumes_of_one_name_in_several_folders(tmp_path: Path) -> None:
    """Each alone in its folder they are of as many patients; where folders hold more, nobody can tell."""
    for folder in ("p1", "p2"):
        lay(tmp_path / folder, "scan", "scan_seg", seed=int(folder[1]))
    assert {name: patient for name, (patient, _, _) in cases(holding(tmp_path)).items()} == {
        "p1/scan": "p1",
        "p2/scan": "p2",
    }
    for folder in ("p1", "p2"):
        lay(tmp_path / folder, "later", "later_seg", seed=2 + int(folder[1]))
    assert "have one name and different files, and nothing tells whether they are of one" in refusal(tmp_path)


def test_two_files_with_one_role(tmp_path: Path) -> None:
    lay(tmp_path, "a", "a_seg", "a_mask")
    assert refusal(tmp_path) == (
        "a_mask.nii.gz and a_seg.nii.gz are both the mask of case a; remove one of them"
    )


def test_no_mask_at_all(tmp_path: Path) -> None:
    lay(tmp_path, "a", "b")
    assert refusal(tmp_path).startswith(
        "none of the 2 volumes has a mask beside it (x.nii.gz with x_seg.nii.gz"
    )


def test_a_volume_that_is_no_volume_is_left_to_validation(tmp_path: Path) -> None:
    lay(tmp_path, "a", "a_seg", "b", "b_seg")
    (tmp_path / "a.nii.gz").write_bytes(b"no volume")
    rows = [row for row in holding(tmp_path).records if row.case_id == "a"]
    assert [(row.width, row.channels) for row in rows] == [(0, 0)]
