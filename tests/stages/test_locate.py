"""What lies at ingest.location decides whether ingest runs; what cannot be seen counts as unchanged."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from stages import ingest, locate
from stages.core.errors import UserError
from stages.project.params import Ingest
from stages.project.paths import Paths
from tests.fixtures import addresses, corrections, scans

DEFAULTS: dict[str, Any] = {
    **{"source": "lgg", "location": "../scans", "labels": None, "channels": None, "unannotated": "drop"},
    **{"categories": None, "also": None, "limit": None, "seed": 0},
}


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """Of a project with two patients beside it."""
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    scans.write_lgg(tmp_path / "scans", patients=2, slices=3)
    (tmp_path / "project").mkdir()
    return Paths(tmp_path / "project")


def located(paths: Paths, **changes: Any) -> bytes:
    """The file that the stage writes."""
    locate.run(Ingest(**DEFAULTS | changes), paths)
    return paths.location.read_bytes()


@pytest.mark.parametrize("location", [None, "kaggle:a/b/versions/1"])
def test_what_cannot_change_is_not_looked_at(paths: Paths, location: str | None) -> None:
    assert json.loads(located(paths, location=location)) == {"location": None, "also": None}


def test_scans_that_came_are_seen_and_nothing_tells_where_they_lie(paths: Paths, tmp_path: Path) -> None:
    before = located(paths)
    assert located(paths) == before
    assert str(tmp_path).encode() not in before
    scans.write_lgg(tmp_path / "scans", patients=3, slices=3)
    assert located(paths) != before


def test_corrections_that_came_are_seen(paths: Paths, tmp_path: Path) -> None:
    folder = tmp_path / "corrections"
    folder.mkdir()
    before = located(paths, also="../corrections")
    corrections.write(folder, "a", *scans.volume(2, 32))
    assert located(paths, also="../corrections") != before


def test_scans_that_are_not_here_count_as_unchanged(
    paths: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = located(paths)
    shutil.rmtree(tmp_path / "scans")
    assert located(paths) == before
    note = capsys.readouterr().err
    assert note.startswith("note: ingest.location ")
    assert note.endswith(
        "does not exist; set it to a folder or a .zip that does; until then it counts as unchanged\n"
    )
    with pytest.raises(UserError, match=r"ingest.location .* does not exist"):
        located(paths, location="../elsewhere")
    assert paths.location.read_bytes() == before
    paths.location.unlink()
    with pytest.raises(UserError, match=r"ingest.location .* does not exist"):
        located(paths)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"location": 3}'])
def test_a_damaged_file_is_written_anew(paths: Paths, text: str) -> None:
    before = located(paths)
    paths.location.write_text(text)
    assert located(paths) == before


def test_a_server_that_does_not_answer_counts_as_unchanged(
    paths: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with addresses.web(tmp_path / "scans") as web:
        address = web.address()
        before = located(paths, location=address)
        assert located(paths, location=address) == before
    assert located(paths, location=address) == before
    assert "check the address and the network, and run again; until then it counts as unchanged" in (
        capsys.readouterr().err
    )
    with pytest.raises(UserError, match=r"ftp:// is not read"):
        located(paths, location="ftp://host/scans/")


def test_a_server_that_tells_no_times(
    paths: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with addresses.web(tmp_path / "scans") as web:
        web.tags = False
        located(paths, location=web.address())
    assert "the server tells neither time nor tag of 13 files; a change that keeps" in capsys.readouterr().err


@pytest.mark.parametrize("packed", [False, True])
def test_scans_come_from_a_server_as_from_a_folder(paths: Paths, tmp_path: Path, packed: bool) -> None:
    """The same files and the same table; errors name the address."""
    ingest.run(Ingest(**DEFAULTS), paths)
    table, files = paths.manifest.read_bytes(), sorted(path.name for path in paths.raw.rglob("*.tif"))
    name = ""
    if packed:
        shutil.make_archive(str(tmp_path / "served/scans"), "zip", tmp_path / "scans")
        name = "scans.zip"
    with addresses.web(tmp_path / ("served" if packed else "scans")) as web:
        ingest.run(Ingest(**DEFAULTS | {"location": web.address(name)}), paths)
        assert paths.manifest.read_bytes() == table
        assert sorted(path.name for path in paths.raw.rglob("*.tif")) == files
        for path in (tmp_path / "scans").rglob("*_mask.tif"):
            path.write_bytes(b"")
        if not packed:
            with pytest.raises(UserError, match=rf"ingest.location {web.address()}") as raised:
                ingest.run(
                    Ingest(**DEFAULTS | {"location": web.address(), "labels": "brats", "source": "brats"}),
                    paths,
                )
            assert "cache" not in str(raised.value)
