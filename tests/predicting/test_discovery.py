"""What counts as a scan in what a user names."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from stages.core.errors import UserError
from stages.predicting import discovery
from tests.fixtures import dicom, scans, volumes


def found(*paths: Any) -> list[tuple[str, str, list[str]]]:
    return [
        (one.name, one.kind, [path.name for path in one.files]) for one in discovery.find(list(paths)).scans
    ]


def refused(*paths: Any) -> str:
    with pytest.raises(UserError) as error:
        discovery.find(list(paths))
    return str(error.value)


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8)).save(path)
    return path


def test_an_lgg_case_is_one_scan_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    scans.write_lgg(tmp_path, patients=1, slices=11)
    case = scans.case_name(0)
    wanted = [(case, "lgg", [f"{case}_{number}.tif" for number in range(1, 12)])]
    assert found(tmp_path / "kaggle_3m" / case) == wanted
    assert found(tmp_path) == wanted


def test_a_folder_named_through_a_link_or_a_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scans.write_lgg(tmp_path, patients=1, slices=2)
    case = scans.case_name(0)
    monkeypatch.chdir(tmp_path / "kaggle_3m" / case)
    assert [(name, kind) for name, kind, _ in found(Path())] == [(case, "lgg")]


def test_tiffs_of_another_name_are_scans_of_their_own(tmp_path: Path) -> None:
    for name in ("a_1.tif", "a_2.tif", "a_1_mask.tif"):
        tifffile.imwrite(tmp_path / name, np.zeros((8, 8), np.uint8))
    assert found(tmp_path) == [("a_1", "flat", ["a_1.tif"]), ("a_2", "flat", ["a_2.tif"])]


def test_masks_beside_pictures_are_no_scans(tmp_path: Path) -> None:
    for name in ("x.png", "x_mask.png", "y_mask.png"):
        picture(tmp_path / name)
    assert [name for name, _, _ in found(tmp_path)] == ["x"]
    assert [name for name, _, _ in found(tmp_path / "y_mask.png")] == ["y_mask"]


@pytest.mark.parametrize("year", [2015, 2020, 2023])
def test_a_brats_case_of_any_year(tmp_path: Path, year: int) -> None:
    (case,) = volumes.write_brats(tmp_path, cases=1, year=year, slices=2, size=16)
    (case / "brainmask.nii.gz").write_bytes(b"")
    (scan,) = discovery.find([tmp_path]).scans
    assert (scan.name, scan.kind, sorted(scan.roles)) == (
        case.name,
        "brats",
        sorted(set(volumes.ROLES) - {"seg"}),
    )
    for role, path in zip(scan.roles, scan.files, strict=True):
        assert path.name == volumes.file_name(year, case.name, role)


def test_volumes_of_many_patients_in_one_folder(tmp_path: Path) -> None:
    for name in ("a_flair.nii.gz", "b_flair.nii.gz", "b_seg.nii.gz"):
        volumes.save(tmp_path / name, volumes.numbered())
    scans_found = discovery.find([tmp_path]).scans
    assert [(one.name, one.kind, one.roles) for one in scans_found] == [
        ("a_flair", "nifti", ("flair",)),
        ("b_flair", "nifti", ("flair",)),
    ]


def test_a_volume_of_unknown_role(tmp_path: Path) -> None:
    volumes.save(tmp_path / "chris_PD.nii.gz", volumes.numbered())
    (scan,) = discovery.find([tmp_path / "chris_PD.nii.gz"]).scans
    assert (scan.name, scan.kind, scan.roles) == ("chris_PD", "nifti", ())
    assert discovery.find([tmp_path]).scans[0].roles == ()


def test_dicom_is_known_by_its_content_too(tmp_path: Path) -> None:
    paths = dicom.write_series(tmp_path / "series", volumes.numbered("u2"))
    for path in paths:
        path.rename(path.with_suffix(""))
    (tmp_path / "series" / "LICENSE").write_text("free")
    paths[0].with_suffix("").with_name("x").write_bytes(b"")
    assert found(tmp_path) == [("series", "dicom", ["000", "001"])]
    assert found(tmp_path / "series" / "000") == [("000", "dicom", ["000"])]


def test_many_of_all_kinds_in_the_order_of_names(tmp_path: Path) -> None:
    scans.write_lgg(tmp_path, patients=1, slices=1)
    volumes.write_brats(tmp_path / "b", cases=1, slices=2, size=16)
    for name in ("z10.png", "z9.JPG", ".hidden.png", "notes.txt"):
        picture(tmp_path / name) if name != "notes.txt" else (tmp_path / name).write_text("")
    assert [name for name, _, _ in found(tmp_path)] == [
        "z9",
        "z10",
        volumes.YEARS[2020][1].format(1),
        scans.case_name(0),
    ]


def test_nothing_there(tmp_path: Path) -> None:
    assert refused(tmp_path / "x.png") == f"{tmp_path}/x.png does not exist; name a scan or a folder of scans"


def test_a_folder_without_scans(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none")
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    assert refused(tmp_path) == (
        f"{tmp_path} holds no scan: no PNG, JPEG, TIFF, NIfTI or DICOM file is in it"
    )


def test_a_file_that_is_no_scan(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none")
    assert refused(tmp_path / "notes.txt") == (
        f"{tmp_path}/notes.txt is no scan: its name does not end in .png, .jpg, .jpeg, .tif, .tiff, .nii.gz, "
        ".nii, nor is it a DICOM file"
    )
