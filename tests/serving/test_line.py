"""Scans in line: what removing one leaves of the others."""

from pathlib import Path

from stages.predicting.scan import Scan
from stages.serving.entry import Entry
from stages.serving.line import Line


def test_removing_one_scan_of_an_upload_leaves_the_files_of_the_others(tmp_path: Path) -> None:
    line, uploaded = Line(tmp_path / "model", limit=3), tmp_path / "upload"
    uploaded.mkdir()
    (uploaded / "x.png").touch()
    lost = Entry.lost(Path("broken"), "it cannot be read", uploaded, ())
    whole = Entry(Scan(Path("x.png"), "flat", (), "x"), uploaded)
    line.admit([lost, whole])
    line.remove(lost.key)
    assert (uploaded / "x.png").exists()
    line.remove(whole.key)
    assert not uploaded.exists()
