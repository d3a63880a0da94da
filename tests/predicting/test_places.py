"""Scans at addresses, segmented as those on this machine are."""

import json
from pathlib import Path

import pytest

from stages.commands import predict
from stages.core.errors import UserError
from stages.predicting import places
from tests.fixtures import addresses, graphs, programs
from tests.fixtures import scans as makers


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def written(out: Path) -> dict[str, bytes]:
    """All files but those that name the scans."""
    masks = [path for path in out.rglob("*") if path.is_file() and path.suffix not in (".json", ".csv")]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in masks}


def test_masks_are_those_of_the_same_scans_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    model = graphs.export(tmp_path / "model", graphs.describe())
    makers.write_lgg(tmp_path / "scans", patients=2, slices=3)
    folder = tmp_path / "scans/kaggle_3m"
    with addresses.s3(monkeypatch) as bucket:
        for path in folder.rglob("*.*"):
            bucket.put(f"new/{path.relative_to(folder).as_posix()}", path.read_bytes())
        for place, out in ((str(folder), "here"), (bucket.address("new"), "there")):
            words = (place, "--model", str(model), "--out", str(tmp_path / out))
            status, _, stderr = programs.run(predict.app, "predict", words, capfd)
            assert status == 0, stderr
        assert written(tmp_path / "here") == written(tmp_path / "there")
        here, there = (
            json.loads((tmp_path / out / "summary.json").read_text())["scans"] for out in ("here", "there")
        )
        cases = sorted(path.name for path in folder.iterdir() if path.is_dir())
        assert [row["scan"] for row in there] == [f"s3://{addresses.BUCKET}/new/{case}" for case in cases]
        assert [{**row, "scan": ""} for row in here] == [{**row, "scan": ""} for row in there]


def test_one_file_and_a_path_beside_it(tmp_path: Path) -> None:
    makers.write_lgg(tmp_path / "scans", patients=1, slices=2)
    first, second = sorted(path for path in (tmp_path / "scans").rglob("*.tif") if "mask" not in path.name)
    with addresses.web(tmp_path / "scans") as web:
        address = web.address(first.relative_to(tmp_path / "scans").as_posix())
        listing = places.find([address, str(second)])
    assert [str(scan) for scan in listing.scans] == [address, str(second)]
    assert [scan.name for scan in listing.scans] == [first.stem, second.stem]


def test_texts_are_not_fetched_and_what_cannot_be_read_is_said(tmp_path: Path, cache: Path) -> None:
    makers.write_lgg(tmp_path / "scans", patients=1, slices=2)
    (tmp_path / "scans/notes.txt").write_text("x")
    (tmp_path / "scans/volume.nrrd").write_text("x")
    (tmp_path / "scans/.hidden.tif").write_text("x")
    with addresses.web(tmp_path / "scans") as web:
        listing = places.find([web.address()])
    assert len(listing.scans) == 1
    assert any("volume.nrrd" in note for note in listing.notes())
    assert not [path for path in cache.rglob("*") if path.name in ("notes.txt", "data.csv", ".hidden.tif")]


def test_an_address_without_scans_and_none_at_all(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans/a_mask.png").write_bytes(b"")
    with addresses.web(tmp_path / "scans") as web:
        with pytest.raises(UserError, match=r"no scan was found: 1 file is a mask"):
            places.find([web.address()])
        with pytest.raises(UserError, match=rf"scan {web.address('none.png')} does not exist"):
            places.find([web.address("none.png")])
        (tmp_path / "scans/a.abc").write_bytes(b"")
        with pytest.raises(UserError, match=rf"scan {web.address('a.abc')} holds no file|a.abc is no scan"):
            places.find([web.address("a.abc")])
    with pytest.raises(UserError, match=r"ftp://host/a.png: ftp:// is not read"):
        places.find(["ftp://host/a.png"])
