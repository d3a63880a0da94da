"""Links below a folder: followed, each folder once; to what was not fetched, a scan that failed."""

import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from stages.core.errors import UserError
from stages.predicting import discovery, reading
from stages.predicting.discovery import AGAIN, BACK, Listing
from stages.scan.header import Unreadable
from tests.fixtures import graphs, scans, volumes

FLAIR = graphs.describe(channels=("flair",)).input


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8)).save(path)
    return path


def link(path: Path, target: Path | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    return path


def names(listing: Listing) -> list[str]:
    return [scan.name for scan in listing.scans]


def test_folders_of_cases_that_are_links(tmp_path: Path) -> None:
    scans.write_lgg(tmp_path / "archive", patients=1, slices=2)
    (brats,) = volumes.write_brats(tmp_path / "archive", cases=1, slices=2, size=16)
    link(tmp_path / "in" / "jones", tmp_path / "archive" / "kaggle_3m" / scans.case_name(0))
    link(tmp_path / "in" / "smith", brats)
    listing = discovery.find([tmp_path / "in"])
    assert [(scan.name, scan.kind, len(scan.files)) for scan in listing.scans] == [
        ("jones", "lgg", 2),
        ("smith", "brats", 4),
    ]
    assert names(discovery.find([tmp_path / "in" / "smith"])) == ["smith"]


def test_each_folder_is_entered_once(tmp_path: Path) -> None:
    picture(tmp_path / "in" / "b" / "x.png")
    picture(tmp_path / "elsewhere" / "y.png")
    (tmp_path / "in" / "b" / "up").symlink_to(tmp_path)
    (tmp_path / "in" / "b" / "again").symlink_to(tmp_path / "in")
    link(tmp_path / "in" / "a", tmp_path / "in" / "b")
    link(tmp_path / "in" / "c", tmp_path / "elsewhere")
    link(tmp_path / "in" / "d", tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path / "elsewhere")
    listing = discovery.find([tmp_path / "in"])
    assert [str(scan) for scan in listing.scans] == [f"{tmp_path}/in/b/x.png", f"{tmp_path}/in/c/y.png"]
    assert sorted((str(path.relative_to(tmp_path)), why) for path, why in listing.left_out) == [
        ("in/a", AGAIN),
        ("in/b/again", AGAIN),
        ("in/b/up", BACK),
        ("in/c/loop", AGAIN),
        ("in/d", AGAIN),
    ]
    assert listing.notes() == [
        "4 paths are in the list already and were left out (a, again, loop, ...)",
        "1 path is a link back to a folder above and was left out (up)",
    ]


def test_a_link_to_a_scan_in_the_list_is_not_segmented_twice(tmp_path: Path) -> None:
    picture(tmp_path / "scan_3.png")
    link(tmp_path / "latest.png", "scan_3.png")
    for paths in ([tmp_path], [tmp_path / "latest.png", tmp_path / "scan_3.png"]):
        listing = discovery.find(paths)
        assert names(listing) == ["scan_3"]
        assert listing.notes() == ["1 path is in the list already and was left out (latest.png)"]


def test_links_to_a_store_are_scans(tmp_path: Path) -> None:
    """DVC and git-annex keep one file for two of the same content; a user has two scans."""
    picture(tmp_path / "in" / ".git" / "annex" / "k1.png")
    for name in ("a.png", "b.png"):
        link(tmp_path / "in" / name, tmp_path / "in" / ".git" / "annex" / "k1.png")
    assert names(discovery.find([tmp_path / "in"])) == ["a", "b"]


def test_a_folder_of_links_to_a_case_in_the_list(tmp_path: Path) -> None:
    (case,) = volumes.write_brats(tmp_path / "all", cases=1, slices=2, size=16, roles=("flair", "t1"))
    for path in case.iterdir():
        link(tmp_path / "by_date" / case.name / path.name, path)
    listing = discovery.find([tmp_path])
    assert [str(scan) for scan in listing.scans] == [str(case)]
    assert [path for path, _ in listing.left_out] == [tmp_path / "by_date" / case.name]


def test_a_copied_sequence_within_a_case_may_be_a_link(tmp_path: Path) -> None:
    (case,) = volumes.write_brats(tmp_path, cases=1, slices=2, size=16, roles=("flair",))
    (case / f"{case.name}_t1.nii").symlink_to(f"{case.name}_flair.nii")
    listing = discovery.find([tmp_path])
    assert [scan.roles for scan in listing.scans] == [("flair", "t1")]
    assert listing.left_out == []


def test_the_same_path_twice(tmp_path: Path) -> None:
    path = picture(tmp_path / "a" / "1.png")
    for paths in ([path, path], [tmp_path, path], [path.parent, path.parent], [tmp_path, tmp_path / "a"]):
        listing = discovery.find(paths)
        assert names(listing) == ["1"]
        assert [why for _, why in listing.left_out] == [AGAIN]


@pytest.mark.parametrize("named", [True, False])
def test_a_file_that_was_not_fetched_is_a_scan_that_fails(tmp_path: Path, named: bool) -> None:
    path = link(tmp_path / "x.nii.gz", ".git/annex/k.nii.gz")
    picture(tmp_path / "y.png")
    listing = discovery.find([path, tmp_path / "y.png"] if named else [tmp_path])
    assert names(listing) == ["x", "y"]
    with pytest.raises(Unreadable) as error:
        reading.read(listing.scans[0], FLAIR)
    assert str(error.value) == (
        "it is a link to .git/annex/k.nii.gz, where nothing is; mend it, or fetch what it leads to"
    )


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.dcm", "x.nii", "loop.png"])
def test_each_kind_of_a_file_that_was_not_fetched(tmp_path: Path, name: str) -> None:
    link(tmp_path / name, "loop.png" if name == "loop.png" else "gone")
    (scan,) = discovery.find([tmp_path]).scans
    with pytest.raises(Unreadable, match=r"where nothing is; mend it|which leads in a circle"):
        reading.read(scan, FLAIR)


def test_a_case_that_was_not_fetched_whole(tmp_path: Path) -> None:
    (case,) = volumes.write_brats(tmp_path, cases=1, slices=2, size=16, roles=("flair", "t1"))
    path = case / f"{case.name}_t1.nii"
    path.unlink()
    link(path, "gone")
    (scan,) = discovery.find([tmp_path]).scans
    assert scan.roles == ("flair", "t1")
    with pytest.raises(Unreadable, match="it is a link to gone"):
        reading.read(scan, graphs.describe(channels=("flair", "t1")).input)


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("name", ["case_1", "1.2.840.113619", "IM0001"])
def test_a_folder_that_is_not_there_is_a_failure(tmp_path: Path, name: str, named: bool) -> None:
    path = link(tmp_path / name, "/mnt/gone")
    link(tmp_path / "notes.json", "gone")
    picture(tmp_path / "y.png")
    listing = discovery.find([path, tmp_path / "y.png"] if named else [tmp_path])
    assert names(listing) == ["y"]
    ((at, why),) = listing.failed
    assert at == path
    assert why.startswith("it is a link to /mnt/gone, where nothing is; mend it")


def test_a_folder_that_cannot_be_read_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests may run as root, who can read all."""
    closed, listed = tmp_path / "closed", os.scandir
    closed.mkdir()
    picture(tmp_path / "y.png")

    def scandir(path: Path) -> Any:
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    for paths in ([tmp_path], [closed, tmp_path / "y.png"]):
        listing = discovery.find(paths)
        assert names(listing) == ["y"]
        assert listing.failed == [(closed, "it cannot be read (Permission denied)")]
    with pytest.raises(UserError) as error:
        discovery.find([closed])
    assert str(error.value) == f"{closed}: it cannot be read (Permission denied)"


def test_a_file_that_may_be_dicom_and_cannot_be_read_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("IM0001", "1.2.840.113", "LICENSE.txt"):
        (tmp_path / name).write_bytes(b"")
    picture(tmp_path / "y.png")
    monkeypatch.setattr(os, "access", lambda *_: False)
    listing = discovery.find([tmp_path])
    assert listing.failed == [
        (tmp_path / name, "it cannot be read (Permission denied)") for name in ("1.2.840.113", "IM0001")
    ]
