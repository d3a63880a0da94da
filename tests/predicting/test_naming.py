"""Names of what is written: no two alike, none leads out, and as short as it takes."""

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.predicting import discovery, naming
from stages.predicting.scan import Scan
from tests.fixtures import dicom, volumes


def scan(path: str, kind: str = "flat") -> Scan:
    return Scan.at(Path(path), kind, [Path(path) if kind in ("flat", "nifti") else Path(path) / "1"])


def places(*scans: Scan) -> list[str]:
    return [str(PurePosixPath(one.folder, one.name)) for one in naming.apart(list(scans))]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["/d/p1/x.png", "/d/p2/y.png"], ["x", "y"]),
        (["/d/p1/x.png", "/d/p2/x.png", "/d/p2/y.png"], ["p1/x", "p2/x", "y"]),
        (["/d/p1/a/x.png", "/d/p2/a/x.png"], ["p1/a/x", "p2/a/x"]),
        (["/d/p1/a/x.png", "/d/p1/b/x.png", "/d/p2/a/x.png"], ["p1/a/x", "p1/b/x", "p2/a/x"]),
        (["/d/1.png", "/d/1.jpg"], ["1.png", "1.jpg"]),
        (["/d/1.png", "/d/1.jpg", "/e/1.png"], ["1.png", "1.jpg", "1"]),
        (["/d/1.png", "/d/1.jpg", "/e/1.png", "/e/1.tif"], ["d/1.png", "1.jpg", "e/1.png", "1.tif"]),
        (["/d/x.png", "/e/X.png"], ["d/x", "e/X"]),
        (["/d/x.png", "/d/X.png"], ["x.png", "X.png-2"]),
        (["/d/A/x.png", "/d/a/x.png"], ["x", "x-2"]),
        (["/x.png", "/d/x.png"], ["x", "d/x"]),
        (["/d/\u00e9.png", "/e/e\u0301.png"], ["d/\u00e9", "e/e\u0301"]),
        (["/d/a/../p1/x.png", "/d/p2/x.png"], ["p1/x", "p2/x"]),
        (["/d/p\udce9/x.png", "/d/p2/x.png"], ["p%xe9/x", "p2/x"]),
    ],
)
def test_files(paths: list[str], expected: list[str]) -> None:
    assert places(*map(scan, paths)) == expected


def test_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert places(scan("../a/x.png"), scan("x.png")) == ["a/x", f"{tmp_path.name}/x"]


def test_a_folder_of_masks_does_not_replace_that_of_others() -> None:
    lgg = Scan(Path("/d/a"), "lgg", (), "a")
    assert places(lgg, scan("/d/a_mask/x.png"), scan("/d/b/x.png")) == ["a-2", "a_mask/x", "b/x"]


PARTS = st.sampled_from(["a", "A", "b", "x", "x_mask", "..", "p\udce9", "é", "a\\b", "a\nb"])
PATHS = st.lists(PARTS, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))


@given(st.lists(st.tuples(PATHS, st.sampled_from(["", ".png", ".jpg", ".nii"])), max_size=8, unique=True))
def test_whatever_the_paths(paths: list[tuple[str, str]]) -> None:
    scans = [scan(path + end) for path, end in paths if Path(path).name != ".."]
    named = naming.apart(scans)
    written = [PurePosixPath(one.folder, f"{one.name}_mask") for one in named]
    assert len({str(path).casefold() for path in written}) == len(scans)
    assert not any(path.is_absolute() or ".." in path.parts or "\\" in str(path) for path in written)
    assert not any(path in other.parents for path in written for other in written)
    for path in written:
        str(path).encode("utf-8")
    names = [one.name.casefold() for one in scans]
    for before, after in zip(scans, named, strict=True):
        if names.count(before.name.casefold()) == 1 and not before.name.startswith("x"):
            assert (after.folder, after.name) == ("", before.name)


def test_series_of_two_patients(tmp_path: Path) -> None:
    for patient in ("p1", "p2"):
        dicom.write_series(tmp_path / patient / "DICOM", volumes.numbered("u2"))
        volumes.save(tmp_path / patient / "anat" / f"{patient}_flair.nii", volumes.numbered())
        volumes.save(tmp_path / patient / f"{patient}.nii", volumes.numbered())
    named = discovery.find([tmp_path]).scans
    assert [str(PurePosixPath(one.folder, one.name)) for one in named] == [
        *("p1", "p1/DICOM", "p1/anat", "p2", "p2/DICOM", "p2/anat")
    ]


def test_two_kinds_in_one_folder(tmp_path: Path) -> None:
    """dcm2niix leaves volumes beside the series."""
    dicom.write_series(tmp_path / "s", volumes.numbered("u2"))
    volumes.save(tmp_path / "s" / "s_flair.nii", volumes.numbered())
    volumes.save(tmp_path / "s.nii", volumes.numbered())
    named = discovery.find([tmp_path]).scans
    assert sorted(one.name for one in named) == ["s.nii", "s_brats", "s_dicom"]
