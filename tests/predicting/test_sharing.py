"""Scans at the workers of a cluster: the same masks and the same summary as here."""

import json
from pathlib import Path
from typing import Any

import distributed
import numpy as np
import pytest
from PIL import Image

from stages.commands import predict
from stages.core import cluster
from tests.fixtures import graphs, programs, scans, volumes


def predicted(root: Path, model: Path, out: Path, capfd: Any) -> tuple[int, str]:
    """Exit status and stderr of the command."""
    words = root, "--model", model, "--out", out
    status, _, err = programs.run(predict.app, "predict", words, capfd)
    return status, err


def files(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_masks_and_summary_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    model = graphs.export(tmp_path / "model", graphs.describe(channels=("flair",)))
    root = tmp_path / "in"
    root.mkdir()
    for number in range(6):
        images, _ = scans.volume(3, seed=number)
        Image.fromarray(images[1, ..., scans.FLAIR]).save(root / f"{number}.png")
    volumes.save(root / "v.nii.gz", scans.volume(5, seed=9)[0][..., scans.FLAIR])
    (root / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(root / "blank.png")
    status, err = predicted(root, model, tmp_path / "here", capfd)
    assert (status, "bad.png" in err) == (predict.SOME_FAILED, True)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as workers:
        monkeypatch.setenv(cluster.ADDRESS, workers.scheduler_address)
        monkeypatch.chdir(tmp_path)  # paths may be relative: workers have other folders
        assert predicted(Path("in"), Path("model"), Path("there"), capfd)[0] == predict.SOME_FAILED
    here, there = files(tmp_path / "here"), files(tmp_path / "there")
    assert len(here) == 2 + 2 * 8
    summaries = [json.loads(one.pop("summary.json")) for one in (here, there)]
    rows = [[row | {"scan": Path(row["scan"]).name} for row in one["scans"]] for one in summaries]
    assert rows[0] == rows[1]
    assert summaries[0]["failed"][0]["error"] == summaries[1]["failed"][0]["error"]
    del here["summary.csv"], there["summary.csv"]
    assert here == there
