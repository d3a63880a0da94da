"""Folders whose files are elsewhere: behind links, or left where git-annex, DVC or git-lfs keep them."""

import os
import shutil
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from stages.core.errors import UserError
from stages.sources import brats, coco, folder, lgg, location, pairs
from stages.sources.source import Source
from tests.fixtures import pictures, scans, volumes
from tests.fixtures.coco import TRIANGLE, annotation, image, write_set

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d" * 32 + b"\nsize 196748\n"
ANNEX = b"/annex/objects/SHA256E-s196748--" + b"4d" * 32 + b".tif\n"
LINK_AS_TEXT = b"../../.git/annex/objects/3x/Q1/SHA256E-s19--4d.tif/SHA256E-s19--4d.tif"


def everything(path: PurePosixPath) -> bool:
    return bool(path.suffix) and path.suffix != ".dvc"


def listed(root: Path) -> list[str]:
    return [str(name) for name in folder.files(root, everything)]


def refused(root: Path, source: Source = lgg.LGG) -> str:
    with pytest.raises(UserError) as error:
        location.bring(source, root, root.parent / "into")
    return str(error.value).removeprefix(f"ingest.location {root}").lstrip(": ")


def write(source: str, root: Path) -> Source:
    """A small data set in the layout of a source."""
    if source == "lgg":
        scans.write_lgg(root, patients=2, slices=3, size=32)
        return lgg.LGG
    if source == "pairs":
        pictures.write_pairs(root, count=3)
        return pairs.PAIRS
    if source == "coco":
        entries = [image(number, f"{number}.png") for number in (1, 2, 3)]
        write_set(root / "train", entries, [annotation([TRIANGLE], image_id=n) for n in (1, 2, 3)])
        return coco.COCO
    volumes.write_brats(root, slices=3, size=32)
    return brats.BRATS


SOURCES = ["lgg", "pairs", "coco", "brats"]


def brought(source: Source, root: Path, into: Path) -> dict[str, bytes]:
    location.bring(source, root, into)
    assert not any(path.is_symlink() for path in into.rglob("*"))
    return {str(path.relative_to(into)): path.read_bytes() for path in into.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", SOURCES)
def test_linked_folders_and_files_count_as_if_they_lay_there(name: str, tmp_path: Path) -> None:
    source = write(name, tmp_path / "plain")
    plain = brought(source, tmp_path / "plain", tmp_path / "a")
    records = source.find(tmp_path / "a").records
    folders, files = tmp_path / "folders", tmp_path / "files"
    folders.mkdir()
    for path in (tmp_path / "plain").iterdir():
        if path.is_dir():
            (folders / path.name).mkdir()
            for inner in path.iterdir():  # cases, or folders of pictures
                (folders / path.name / inner.name).symlink_to(inner)
        else:
            (folders / path.name).symlink_to(os.path.relpath(path, folders))
    for path in (tmp_path / "plain").rglob("*"):
        if path.is_file():
            link = files / path.relative_to(tmp_path / "plain")
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
    for root, into in ((folders, tmp_path / "b"), (files, tmp_path / "c")):
        assert brought(source, root, into) == plain
        assert source.find(into).records == records


@pytest.mark.parametrize("name", SOURCES)
def test_files_that_git_annex_has_not_fetched(name: str, tmp_path: Path) -> None:
    source = write(name, tmp_path / "scans")
    files = [path for path in sorted((tmp_path / "scans").rglob("*")) if path.is_file()]
    gone = [path for path in files if path.suffix != ".csv"][-2:]
    for path in gone:
        path.unlink()
        path.symlink_to(f"../.git/annex/objects/3x/Q1/SHA256E-s19--4d{path.suffix}/SHA256E-s19--4d")
    first = gone[0].relative_to(tmp_path / "scans")
    assert refused(tmp_path / "scans", source) == (
        f"{first} is not there, nor are 1 more: it is a link of git-annex, which has not fetched the file; "
        "run `git annex get` on it"
    )


def test_a_real_repository_of_git_annex_by_its_pointer(tmp_path: Path) -> None:
    """What `git clone` leaves of an unlocked file, and of a locked one where there are no links."""
    for name, content in (
        ("unlocked", ANNEX),
        ("no-links", LINK_AS_TEXT),
        ("windows", b"..\\.git\\annex\\objects\\a"),
    ):
        root = tmp_path / name
        scans.write_lgg(root, patients=1, slices=2, size=32)
        next(root.rglob("*_2.tif")).write_bytes(content)
        case = scans.case_name(0)
        assert refused(root) == (
            f"kaggle_3m/{case}/{case}_2.tif is not there: it is a git-annex pointer, "
            "not the file itself; run `git annex get` on it"
        )


@pytest.mark.parametrize("target", ["../cache/files/md5/4d/4d4d", "/home/me/.dvc/cache/4d/4d4d"])
def test_a_link_into_the_cache_of_dvc(tmp_path: Path, target: str) -> None:
    scans.write_lgg(tmp_path / "scans", patients=1, slices=1, size=32)
    path = next((tmp_path / "scans").rglob("*_1.tif"))
    path.unlink()
    path.symlink_to(target)
    assert refused(tmp_path / "scans").endswith(
        "_1.tif is not there: it is a link into DVC's cache, which does not hold the file; run `dvc pull`"
    )


@pytest.mark.parametrize("name", ["case-3", "patient.01", "sub-01_ses-2", "case_1.tif"])
def test_a_link_to_nowhere_that_may_be_a_case(tmp_path: Path, name: str) -> None:
    scans.write_lgg(tmp_path / "scans", patients=1, slices=1, size=32)
    (tmp_path / "scans" / name).symlink_to("../gone")
    assert refused(tmp_path / "scans") == (
        f"{name} is not there: it is a link to ../gone, where nothing is; mend it, or fetch what it leads to"
    )


def test_a_link_to_nowhere_that_is_none_of_ours(tmp_path: Path) -> None:
    scans.write_lgg(tmp_path / "scans", patients=1, slices=1, size=32)
    for name in ("README.md", "dwi.nii.gz", "participants.tsv", ".cache"):
        (tmp_path / "scans" / name).symlink_to("../gone")
    location.bring(lgg.LGG, tmp_path / "scans", tmp_path / "into")
    assert len(list((tmp_path / "into").rglob("*.tif"))) == 2


def test_a_link_to_itself_leads_nowhere(tmp_path: Path) -> None:
    scans.write_lgg(tmp_path / "scans", patients=1, slices=1, size=32)
    (tmp_path / "scans" / "case_1.tif").symlink_to("case_1.tif")
    assert "case_1.tif is not there: it is a link to case_1.tif" in refused(tmp_path / "scans")


def test_circles_of_links_are_walked_once(tmp_path: Path) -> None:
    root = tmp_path / "outer" / "root"
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        (root / name / f"{name}.tif").touch()
    (tmp_path / "outer" / "own.tif").touch()
    (root / "a" / "up").symlink_to("..")
    (root / "a" / "self").symlink_to(".")
    (root / "a" / "around").symlink_to(tmp_path / "outer")
    (root / "a" / "b").symlink_to("../b")
    (root / "b" / "a").symlink_to("../a")
    assert listed(root) == ["a/a.tif", "a/b/b.tif", "b/a/a.tif", "b/b.tif"]


def test_two_links_to_one_folder_are_two_folders(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x.tif").touch()
    (tmp_path / "root").mkdir()
    for name in ("a", "b"):
        (tmp_path / "root" / name).symlink_to("../real")
    assert listed(tmp_path / "root") == ["a/x.tif", "b/x.tif"]


def test_hidden_folders_are_not_looked_into(tmp_path: Path) -> None:
    (tmp_path / ".git" / "annex").mkdir(parents=True)
    (tmp_path / ".git" / "annex" / "x.tif").symlink_to("gone")
    (tmp_path / "x.tif").touch()
    assert listed(tmp_path) == ["x.tif"]


@pytest.mark.parametrize("name", ["kaggle_3m", "scan_1.tif"])
def test_what_dvc_tracks_and_has_not_pulled(tmp_path: Path, name: str) -> None:
    scans.write_lgg(tmp_path / "scans", patients=1, slices=1, size=32)
    shutil.move(tmp_path / "scans" / "kaggle_3m", tmp_path / "scans" / "more")
    (tmp_path / "scans" / f"{name}.dvc").write_text("outs:\n- md5: 4d\n")
    assert refused(tmp_path / "scans") == (
        f"{name} is not there: only {name}.dvc, which says where DVC keeps it; run `dvc pull {name}.dvc`"
    )
    (tmp_path / "scans" / name).mkdir()
    location.bring(lgg.LGG, tmp_path / "scans", tmp_path / "into")


def test_a_location_that_dvc_tracks_and_has_not_pulled(tmp_path: Path) -> None:
    (tmp_path / "scans.dvc").write_text("outs:\n- md5: 4d\n")
    place = tmp_path / "scans"
    assert refused(place) == (
        f"is not there, only scans.dvc, which says where DVC keeps it; run `dvc pull {place}.dvc`"
    )


def test_a_location_that_is_a_link_to_nowhere(tmp_path: Path) -> None:
    (tmp_path / "scans").symlink_to(".git/annex/objects/a/b/c")
    assert refused(tmp_path / "scans") == (
        "is not there: it is a link of git-annex, which has not fetched the file; run `git annex get` on it"
    )


@pytest.mark.parametrize("name", SOURCES)
def test_git_lfs_pointers_are_counted_before_anything_is_copied(name: str, tmp_path: Path) -> None:
    source = write(name, tmp_path / "scans")
    files = [path for path in sorted((tmp_path / "scans").rglob("*")) if path.is_file()]
    for path in files:
        path.write_bytes(LFS)
    first = next(path for path in files if path.suffix != ".csv" or name == "lgg").relative_to(
        tmp_path / "scans"
    )
    count = len(
        [path for path in files if source.belongs(PurePosixPath(path.relative_to(tmp_path / "scans")))]
    )
    assert refused(tmp_path / "scans", source) == (
        f"{first} is not there, nor are {count - 1} more: "
        "it is a git-lfs pointer, not the file itself; run `git lfs pull`"
    )
    assert not (tmp_path / "into").exists()


def test_git_lfs_pointers_in_an_archive(tmp_path: Path) -> None:
    """As hosts make one of a repository."""
    scans.write_lgg(tmp_path / "scans", patients=1, slices=2, size=32)
    path = next((tmp_path / "scans").rglob("*_2_mask.tif"))
    path.write_bytes(LFS)
    place = Path(shutil.make_archive(str(tmp_path / "set"), "zip", tmp_path / "scans"))
    (tmp_path / "into").mkdir()
    assert refused(place) == (
        f"{path.relative_to(tmp_path / 'scans')} is not there: "
        "it is a git-lfs pointer, not the file itself; run `git lfs pull`"
    )


@pytest.mark.parametrize("content", [LFS, LFS.replace(b"git-lfs", b"hawser")])
def test_an_archive_that_is_a_pointer(tmp_path: Path, content: bytes) -> None:
    place = tmp_path / "scans.zip"
    place.write_bytes(content)
    assert refused(place) == "it is a git-lfs pointer, not the file itself; run `git lfs pull`"


def test_a_folder_that_may_not_be_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scans.write_lgg(tmp_path / "scans", patients=2, slices=1, size=32)
    closed = tmp_path / "scans" / "kaggle_3m" / scans.case_name(1)
    real = os.scandir

    def guarded(path: Path) -> object:
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(UserError) as error:
        location.bring(lgg.LGG, tmp_path / "scans", tmp_path / "into")
    assert str(error.value) == (
        f"{closed} cannot be read (Permission denied); change its permissions or remove it"
    )


def test_a_clone_of_a_repository_with_locked_and_linked_files(tmp_path: Path) -> None:
    """git itself writes the links: the origin has the content behind them, a clone has not."""
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    scans.write_lgg(origin, patients=1, slices=2, size=32)
    store = origin / ".git" / "annex" / "objects"
    subprocess.run(["git", "init", "-q", str(origin)], check=True)
    store.mkdir(parents=True)
    for number, path in enumerate(sorted(origin.rglob("kaggle_3m/*/*.tif"))):
        path.rename(store / f"{number}.tif")
        path.symlink_to(os.path.relpath(store / f"{number}.tif", path.parent))
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
    subprocess.run(["git", "-C", str(origin), "add", "."], check=True)
    subprocess.run(["git", "-C", str(origin), *identity, "commit", "-qm", "scans"], check=True)
    subprocess.run(["git", "clone", "-q", str(origin), str(clone)], check=True)
    assert len(brought(lgg.LGG, origin, tmp_path / "into")) == 4 + 1
    assert refused(clone).endswith(
        "_1.tif is not there, nor are 3 more: it is a link of git-annex, which has not fetched the file; "
        "run `git annex get` on it"
    )
