"""Masks and earlier results among scans are left out, and said to be."""

import json
from pathlib import Path

import pytest
from PIL import Image

from stages.core.errors import UserError
from stages.predicting import discovery, summary
from tests.fixtures import graphs, scans


def made(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def split(*paths: Path) -> tuple[list[str], list[str]]:
    """Names of files that are segmented, and of those that are left out."""
    listing = discovery.find(list(paths))
    segmented = [file.name for scan in listing.scans for file in scan.files]
    return sorted(segmented), sorted(path.name for path, _ in listing.left_out)


MASKS = (
    "a_mask.nii.gz",
    "b_brainmask.nii.gz",
    "brain_mask.nii.gz",
    "a_bet_mask.nii.gz",
    "c_seg.nii.gz",
    "c_label.nii.gz",
    "c-dseg.nii",
    "c_label-GM_probseg.nii.gz",
    "a.seg.nii.gz",
    "a_seg_edited.nii.gz",
    "aparc+aseg.nii.gz",
    "OTMultiClass.nii.gz",
    "a_MASK.png",
    "a_mask_2.png",
    "a_outer.nii.gz",
    "a labels.tif",
    "mask.jpg",
    "Segmentation.dcm",
)
SCANS = (
    "a.nii.gz",
    "masked.nii.gz",
    "a_brain_masked.nii.gz",
    "segment_3.png",
    "labelled.png",
    "mask_off_t1.png",
    "unlabeled.tif",
)


@pytest.mark.parametrize("name", MASKS)
def test_masks(tmp_path: Path, name: str) -> None:
    made(tmp_path, name, "zz.png")
    assert split(tmp_path) == (["zz.png"], [name])
    assert split(tmp_path / name) == ([name], [])  # whoever names it means it


def test_a_mask_that_is_named_beside_its_folder(tmp_path: Path) -> None:
    made(tmp_path, "a.png", "a_mask.png", "b_mask.png")
    assert split(tmp_path, tmp_path / "a_mask.png") == (["a.png", "a_mask.png"], ["b_mask.png"])


@pytest.mark.parametrize("name", SCANS)
def test_names_that_only_resemble(tmp_path: Path, name: str) -> None:
    made(tmp_path, name)
    assert split(tmp_path) == ([name], [])


def test_the_name_of_a_case_says_nothing_of_its_files(tmp_path: Path) -> None:
    made(tmp_path / "old_mask", "old_mask_1.tif", "old_mask_2.tif", "old_mask_1_mask.tif")
    assert split(tmp_path) == (["old_mask_1.tif", "old_mask_2.tif"], ["old_mask_1_mask.tif"])


@pytest.mark.parametrize("folder", ["masks", "mask", "Labels", "labelsTr", "segmentations", "ground_truth"])
def test_folders_of_masks(tmp_path: Path, folder: str) -> None:
    made(tmp_path, "images/1.png", f"{folder}/1.png", f"{folder}/deeper/2.nii.gz", f"{folder}/list.csv")
    assert split(tmp_path) == (["1.png"], ["1.png", "2.nii.gz"])
    assert split(tmp_path / folder) == (["1.png", "2.nii.gz"], [])


@pytest.mark.parametrize("folder", ["lgg-mri-segmentation", "segmentation", "masked", "unlabelled"])
def test_folders_of_scans(tmp_path: Path, folder: str) -> None:
    made(tmp_path, f"{folder}/1.png")
    assert split(tmp_path) == (["1.png"], [])


def test_results_of_an_earlier_run(tmp_path: Path) -> None:
    """As `predict` writes them, and what is left of them after some were moved away."""
    made(tmp_path, "x.png", "y_overlay.png")
    out = made(
        tmp_path / "out", "x_mask.png", "x_overlay.png", "s_mask.dcm", "s_mask.nii.gz", "p1/s_mask.dcm"
    )
    made(out, "c_mask/c_1_mask.tif", "c_overlay.png", "gone_overlay.png", "p1/gone_overlay.png")
    assert "gone_overlay.png" in split(tmp_path)[0]
    with summary.written(out, graphs.describe(), []):
        pass
    segmented, left_out = split(tmp_path)
    assert segmented == ["x.png", "y_overlay.png"]
    assert len(left_out) == 9
    assert discovery.find([tmp_path]).notes() == [
        "9 files are masks or earlier results and were left out (c_overlay.png, gone_overlay.png, "
        "s_mask.dcm, ...)"
    ]


def test_scans_in_a_folder_that_results_were_written_into(tmp_path: Path) -> None:
    made(tmp_path, "x.png", "x_mask.png", "x_overlay.png", "y.png")
    with summary.written(tmp_path, graphs.describe(), []):
        pass
    assert split(tmp_path)[0] == ["x.png", "y.png"]


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff\xfe", json.dumps({"decision": 1}).encode()])
def test_a_summary_of_something_else(tmp_path: Path, content: bytes) -> None:
    made(tmp_path, "x_overlay.png")
    (tmp_path / "summary.json").write_bytes(content)
    assert split(tmp_path) == (["x_overlay.png"], [])


def test_a_folder_of_masks_only(tmp_path: Path) -> None:
    made(tmp_path, "a_mask.png", "b_mask.png")
    with pytest.raises(UserError) as error:
        discovery.find([tmp_path])
    assert str(error.value) == (
        "no scan was found: 2 files are masks or earlier results and were left out (a_mask.png, b_mask.png); "
        "name a file itself to segment it"
    )


def test_masks_of_a_case_are_counted(tmp_path: Path) -> None:
    scans.write_lgg(tmp_path, patients=2, slices=3)
    Image.new("L", (8, 8)).save(tmp_path / "x.png")
    listing = discovery.find([tmp_path])
    assert (len(listing.scans), len(listing.left_out)) == (3, 6)
