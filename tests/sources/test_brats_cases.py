"""Which files are one case, and whose: BIDS names, folders of one name, links."""

import shutil
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from stages.core import record
from stages.core.errors import UserError
from stages.sources import brats, brats_cases, ingestion
from tests.fixtures import volumes

MASK = "seg"


def save(root: Path, *names: str, seed: int = 0) -> None:
    """Volumes of three slices, all unlike each other."""
    for number, name in enumerate(names):
        voxels = np.random.default_rng((seed, number)).integers(0, 3, (3, 8, 8)).astype(np.uint8)
        volumes.save(root / name, voxels)


def cases(root: Path) -> dict[str, str]:
    """Patient by case."""
    return {row.case_id: row.patient_id for row in brats.find(root).records}


def files(root: Path, case_id: str) -> dict[str, str]:
    """Files by role."""
    row = next(row for row in brats.find(root).records if row.case_id == case_id)
    return dict(zip(row.modalities.split(";"), record.names(row.image), strict=True)) | {MASK: row.mask}


def bids(root: Path, subject: str, folder: str = "anat", mask: str = "dseg", seed: int = 0) -> None:
    prefix = "_".join([subject, *folder.split("/")[:-1]])
    names = [f"{prefix}_{end}.nii.gz" for end in ("T1w", "FLAIR", "T2w", "ce-gadolinium_T1w", mask)]
    save(root, *(f"{subject}/{folder}/{name}" for name in names), seed=seed)


@pytest.mark.parametrize("mask", ["seg", "dseg", "label-lesion_mask", "desc-tumor_mask", "label-lesion_dseg"])
def test_a_bids_tree_has_a_patient_for_each_subject(tmp_path: Path, mask: str) -> None:
    for number in range(1, 5):
        bids(tmp_path, f"sub-0{number}", mask=mask, seed=number)
    assert cases(tmp_path) == {f"sub-0{number}": f"sub-0{number}" for number in range(1, 5)}
    assert files(tmp_path, "sub-03") == {
        "flair": "sub-03/anat/sub-03_FLAIR.nii.gz",
        "t1": "sub-03/anat/sub-03_T1w.nii.gz",
        "t1ce": "sub-03/anat/sub-03_ce-gadolinium_T1w.nii.gz",
        "t2": "sub-03/anat/sub-03_T2w.nii.gz",
        "seg": f"sub-03/anat/sub-03_{mask}.nii.gz",
    }
    assert brats.find(tmp_path).notes == ()


def test_visits_of_a_subject_are_cases_of_one_patient_and_a_limit_draws_them_together(tmp_path: Path) -> None:
    visits = [(subject, visit) for subject in ("sub-A1", "sub-B2") for visit in ("ses-1", "ses-post")]
    for number, (subject, visit) in enumerate(visits):
        bids(tmp_path, subject, f"{visit}/anat", seed=number)
    assert cases(tmp_path) == {
        "sub-A1_ses-1": "sub-A1",
        "sub-A1_ses-post": "sub-A1",
        "sub-B2_ses-1": "sub-B2",
        "sub-B2_ses-post": "sub-B2",
    }
    assert "t1" in files(tmp_path, "sub-A1_ses-post")  # the visit after surgery says nothing of contrast
    drawn = ingestion.limited(brats.find(tmp_path).records, 1, seed=0)
    assert len(drawn) == 2 * 3
    assert len({row.patient_id for row in drawn}) == 1


def test_bids_files_of_many_subjects_in_one_folder(tmp_path: Path) -> None:
    save(tmp_path, *(f"sub-{who}_ses-1_{what}.nii" for who in ("X", "Y") for what in ("T1w", "seg")))
    assert cases(tmp_path) == {"sub-X_ses-1": "sub-X", "sub-Y_ses-1": "sub-Y"}


def test_a_lesion_mask_among_the_derivatives_is_of_its_subject(tmp_path: Path) -> None:
    for number, subject in enumerate(("sub-1", "sub-2")):
        lesion = f"derivatives/lesions/{subject}/anat/{subject}_space-T1w_label-lesion_mask.nii.gz"
        brain = f"derivatives/bet/{subject}/anat/{subject}_desc-brain_mask.nii.gz"
        tissues = f"derivatives/fmriprep/{subject}/anat/{subject}_dseg.nii.gz"
        parts = f"derivatives/fs/{subject}/anat/{subject}_desc-aseg_dseg.nii.gz"
        save(tmp_path, f"{subject}/anat/{subject}_T1w.nii.gz", lesion, brain, tissues, parts, seed=number)
    assert cases(tmp_path) == {"sub-1": "sub-1", "sub-2": "sub-2"}
    assert files(tmp_path, "sub-2")["seg"].startswith("derivatives/lesions/sub-2/")


def test_two_files_of_one_role_in_two_folders(tmp_path: Path) -> None:
    bids(tmp_path, "sub-1")
    save(tmp_path, "derivatives/prep/sub-1/anat/sub-1_T1w.nii.gz")
    with pytest.raises(UserError) as refused:
        brats.find(tmp_path)
    assert str(refused.value) == (
        "sub-1/anat/sub-1_T1w.nii.gz and derivatives/prep/sub-1/anat/sub-1_T1w.nii.gz are both the t1 of "
        "case sub-1; remove one of them"
    )


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("sub-1_T1w", "t1"),
        ("sub-1_T1ce", "t1ce"),
        ("sub-1_ce-none1_run-2_T1w", "t1ce"),
        ("sub-1_acq-flair_T1w", "t1"),
        ("sub-1_space-T1w_FLAIR", "flair"),
        ("sub-1_mask", ""),
        ("sub-1_label-brain_mask", ""),
        ("sub-1_atlas-AAL_dseg", ""),
        ("sub-1_T2star", ""),
        ("sub-1_PDw", ""),
        ("T1w", "t1"),
        ("x_T1_ce", "t1ce"),
        ("x-t1-gd", "t1ce"),
        ("x_T1w_Gadolinium", "t1ce"),
        ("T1_post_contrast", "t1ce"),
        ("T1_post", "t1ce"),
        ("T1_pre_contrast", "t1"),
        ("T1_pre", "t1"),
        ("post_T1", "t1"),
        ("t2_contrast", "t2"),
        ("ce_flair", "flair"),
        ("BraTS-MEN-RT-0001-1_gtv", "seg"),
    ],
)
def test_the_role_of_a_file_by_its_name(name: str, role: str) -> None:
    assert brats_cases.role_of(PurePosixPath("case") / f"{name}.nii.gz") == role


def test_folders_of_one_name_that_differ_are_cases_of_their_own(tmp_path: Path) -> None:
    for number in (1, 2, 10):
        save(tmp_path, f"p{number}/MR/t1.nii", f"p{number}/MR/seg.nii", seed=number)
    assert cases(tmp_path) == {"p1/MR": "p1", "p2/MR": "p2", "p10/MR": "p10"}
    assert brats.find(tmp_path).notes == ()
    assert [row.sample_id for row in brats.find(tmp_path).records][:3] == [
        "p1/MR_000",
        "p1/MR_001",
        "p1/MR_002",
    ]
    drawn = {row.patient_id for row in ingestion.limited(brats.find(tmp_path).records, 2, seed=0)}
    assert len(drawn) == 2


def test_deeper_folders_of_one_name(tmp_path: Path) -> None:
    for number in (1, 2):
        save(tmp_path, f"set/BraTS-GLI-0000{number}-000/scan/MR/t1.nii", seed=number)
        save(tmp_path, f"set/BraTS-GLI-0000{number}-000/scan/MR/seg.nii", seed=number + 5)
    save(tmp_path, "MR/t1.nii", "MR/seg.nii", seed=99)
    assert cases(tmp_path) == {
        "BraTS-GLI-00001-000/scan/MR": "BraTS-GLI-00001",
        "BraTS-GLI-00002-000/scan/MR": "BraTS-GLI-00002",
        "MR": "MR",
    }


def test_only_a_copy_byte_for_byte_is_left_out(tmp_path: Path) -> None:
    save(tmp_path, "p1/MR/t1.nii", "p1/MR/seg.nii", seed=1)
    shutil.copytree(tmp_path / "p1" / "MR", tmp_path / "x" / "p1" / "MR")
    (tmp_path / "x" / "p1" / "MR" / "t1.nii").unlink()  # a copy of a part is one too
    assert cases(tmp_path) == {"MR": "MR"}
    assert brats.find(tmp_path).notes == ("folders with the name of an earlier case left out: 1 (x/p1/MR)",)
    copied = tmp_path / "x" / "p1" / "MR" / "seg.nii"
    content = bytearray(copied.read_bytes())
    content[-1] ^= 1  # of the same size
    copied.write_bytes(content)
    assert set(cases(tmp_path)) == {"p1/MR", "x/p1/MR"}


@pytest.mark.parametrize(
    "folders",
    [
        ("p1/after", "p1/before", "p2/after", "p2/before"),  # visits of a patient
        ("siteA/1", "siteA/2", "siteB/1", "siteB/3"),  # patients of a hospital
        ("HGG/BraTS20_Training_001", "HGG/BraTS20_Training_002", "LGG/BraTS20_Training_001"),
        ("sub-1_ses-1", "x", "sub-1/ses-1"),  # one name in two ways
    ],
)
def test_folders_that_may_be_of_one_patient_or_of_several_are_refused(
    tmp_path: Path, folders: tuple[str, ...]
) -> None:
    for number, folder in enumerate(folders):
        save(tmp_path, f"{folder}/t1.nii", f"{folder}/seg.nii", seed=number)
    with pytest.raises(UserError) as refused:
        brats.find(tmp_path)
    assert str(refused.value) == (
        f"{folders[0]} and {folders[2]} have one name and different files, and nothing tells whether they "
        "are of one patient; give each patient's folder a name of its own, or name the folders as BIDS does: "
        "sub-<patient>/ses-<visit>"
    )


def test_scans_in_folders_of_a_subject_are_of_one_patient(tmp_path: Path) -> None:
    for number, folder in enumerate(("sub-1/one", "sub-1/two", "sub-2/one", "sub-2/two")):
        save(tmp_path, f"{folder}/t1.nii", f"{folder}/seg.nii", seed=number)
    assert cases(tmp_path) == {
        "sub-1/one": "sub-1",
        "sub-1/two": "sub-1",
        "sub-2/one": "sub-2",
        "sub-2/two": "sub-2",
    }


def test_links_are_followed_but_not_in_a_circle(tmp_path: Path) -> None:
    root, store = tmp_path / "raw", tmp_path / "store"
    save(store, "first/t1.nii", "first/seg.nii", seed=1)
    save(root, "second/t1.nii", "second/seg.nii", seed=2)
    (root / "first").symlink_to(store / "first")
    (root / "third").mkdir()
    save(store, "t1.nii", "seg.nii", seed=3)
    for name in ("t1.nii", "seg.nii"):
        (root / "third" / name).symlink_to(store / name)
    for place in (root / "second" / "up", root / "second" / "top"):
        place.symlink_to(root.parent if place.name == "top" else root)
    assert cases(root) == {"first": "first", "second": "second", "third": "third"}
