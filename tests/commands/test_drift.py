"""`brainseg drift` as a user runs it: a folder like training's, one unlike it, and what goes wrong."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from stages.commands import drift
from stages.predicting import outcome
from tests.fixtures import graphs, populations, programs, scans
from tests.fixtures.light import ROOT, WITHOUT

FILES = {"index.html", "drift.json", "per_scan.csv", "pictures"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """26 patients: 20 that the model knows, in known/; six like them in like/, and smoothed in smooth/."""
    root = tmp_path_factory.mktemp("drift")
    scans.write_lgg(root, patients=26, slices=6)
    cases = sorted(path for path in (root / "kaggle_3m").iterdir() if path.is_dir())
    for number, place in enumerate(np.random.default_rng(0).permutation(len(cases))):
        case = cases[place]
        target = root / ("known" if number < 20 else "like") / case.name
        target.parent.mkdir(exist_ok=True)
        case.rename(target)
    shutil.copytree(root / "like", root / "smooth")
    for file in (root / "smooth").rglob("*.tif"):
        if not file.stem.endswith("_mask"):
            tifffile.imwrite(file, cv2.GaussianBlur(tifffile.imread(file), (0, 0), 1.5), photometric="rgb")
    graphs.export(root / "model", populations.of_scans(root / "known", graphs.describe()))
    graphs.export(root / "older", graphs.describe())
    return root


@pytest.fixture(scope="module")
def smoothed(home: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """What is written of the smoothed scans, and printed."""
    out = tmp_path_factory.mktemp("smoothed") / "out"
    words = [
        str(word) for word in (*sorted((home / "smooth").iterdir()), "--model", home / "model", "--out", out)
    ]
    result = CliRunner().invoke(drift.app, words)
    assert result.exit_code == 0
    return out, result.stdout


def run(capfd: pytest.CaptureFixture[str], *words: Any) -> tuple[int, str, str]:
    """Exit status, stdout and stderr."""
    return programs.run(drift.app, "drift", words, capfd)


def written(out: Path) -> dict:
    return json.loads((out / "drift.json").read_text(encoding="utf-8"))


def test_a_folder_like_training(home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    status, printed, complaints = run(capfd, home / "like", "--model", home / "model", "--out", out)
    assert (status, "error" in complaints) == (0, False)
    first, second, *_ = printed.splitlines()
    sentence = "the 6 scans do not differ from the 20 patients of training in any measure"
    assert first == f"{sentence}: {out / 'index.html'}"
    assert second.startswith("by itself ")
    assert {path.name for path in out.iterdir()} == FILES
    content = written(out)
    assert (content["differs"], content["verdict"], content["patients"]) == (False, sentence, 20)
    assert len(content["scans"]) == 6


def test_a_folder_unlike_training(home: Path, smoothed: tuple[Path, str]) -> None:
    out, printed = smoothed
    lines = printed.splitlines()
    assert lines[0].startswith("the 6 scans differ from the 20 patients of training in ")
    assert any("noise of" in line and "check whether it was smoothed" in line for line in lines)
    assert "by itself 6 of 6 scans unlike the scans of training" in lines
    content = written(out)
    differing = [own for own in content["measures"] if own["differs"]]
    assert {"noise:pre", "noise:flair", "noise:post"} <= {own["measure"] for own in differing}
    assert {path.name for path in (out / "pictures").iterdir()} == {
        f"{own['measure'].replace(':', '-')}.png" for own in differing
    }
    with (out / "per_scan.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["far_out"] for row in rows] == ["True"] * 6
    assert [row["scan"] for row in rows] == [row["scan"] for row in content["scans"]]
    page = (out / "index.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == len(differing)
    assert "http" not in page.replace("http-equiv", "")
    assert str(out) not in page


def test_twice_gives_the_same(
    home: Path, smoothed: tuple[Path, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cases, (first, _) = sorted((home / "smooth").iterdir()), smoothed
    assert run(capfd, *cases, "--model", home / "model", "--out", tmp_path / "again")[0] == 0
    for path in first.rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(first)).read_bytes()


def test_without_the_network_and_in_another_order_all_but_the_confidence_is_the_same(
    home: Path,
    smoothed: tuple[Path, str],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cases = sorted((home / "smooth").iterdir(), reverse=True)
    words = (*cases, "--model", home / "model", "--out")
    monkeypatch.setattr("stages.predicting.segmenting.answered", None)
    assert run(capfd, *words, tmp_path / "b", "--no-confidence")[0] == 0
    first, second = written(smoothed[0]), written(tmp_path / "b")
    measured = [
        [own for own in each["measures"] if own["measure"] != "confidence"] for each in (first, second)
    ]
    assert measured[0] == measured[1] != []
    sure, unsure = first["scans"], second["scans"][::-1]
    assert all(0.5 < row.pop("confidence") <= 1 for row in sure)
    assert all(row.pop("confidence") is None for row in unsure)
    assert sure == unsure


def test_predict_says_the_same_of_each_scan(home: Path, tmp_path: Path) -> None:
    from stages.inference import onnx_predictor
    from stages.predicting import discovery

    model = onnx_predictor.open_model(home / "model")
    for scan in discovery.find([home / "smooth", home / "like"]).scans:
        assert model.spec.population is not None
        own = drift.row(drift.measure(scan, model, model.spec.population, False), populations.listed())
        predicted = outcome.segment(scan, model, tmp_path).row
        assert (own["far_out"], own["outlying_p"]) == (predicted["far_out"], predicted["outlying_p"])
        assert own["why"] in predicted["why"]


def test_nothing_but_matplotlib_and_scipy_beside_predict_s_libraries(home: Path, tmp_path: Path) -> None:
    words = ["drift", str(home / "smooth"), "--model", str(home / "model"), "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.replace('"pandas", ', ""), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_one_bad_scan_does_not_stop_the_others(
    home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(home / "like", tmp_path / "in")
    (tmp_path / "in" / "bad.tif").write_bytes(b"no picture")
    out = tmp_path / "out"
    status, printed, complaints = run(capfd, tmp_path / "in", "--model", home / "model", "--out", out)
    assert status == drift.SOME_FAILED
    assert f"error: {tmp_path}/in/bad.tif: " in complaints
    assert printed.startswith("the 6 scans")
    assert "bad.tif" in (out / "index.html").read_text(encoding="utf-8")
    (failed,) = written(out)["failed"]
    assert failed["scan"].endswith("bad.tif")


def test_where_all_scans_are_bad_there_is_no_page(
    home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.tif").write_bytes(b"no picture")
    out = tmp_path / "out"
    status, printed, _ = run(capfd, tmp_path / "bad.tif", "--model", home / "model", "--out", out)
    assert (status, printed) == (drift.SOME_FAILED, "")
    assert list(out.iterdir()) == []


def test_mistakes_end_with_a_sentence(home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "x").touch()
    out = ("--out", tmp_path / "out")
    for words, part in (
        (
            (home / "like", "--model", home / "older", *out),
            "does not carry what its patients",
        ),
        ((home / "none", "--model", home / "model", *out), "does not exist"),
        ((home / "like", "--model", home / "no.onnx", *out), "does not exist"),
        ((home / "like", "--model", home / "model", "--out", full), "is not empty"),
    ):
        status, printed, complaints = run(capfd, *words)
        assert (status, printed) == (2, "")
        assert part in complaints
        assert "Traceback" not in complaints
    assert [path.name for path in full.iterdir()] == ["x"]
    assert not (tmp_path / "out").exists()
    assert run(capfd, home / "like", "--model", home / "model", "--out", full, "--overwrite")[0] == 0
    assert {path.name for path in full.iterdir()} == {*FILES, "x"}
