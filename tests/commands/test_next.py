"""`brainseg next` as a user runs it: rankings that depend on scans alone, good and bad scans, statuses."""

import csv
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from stages.commands import next as command
from stages.commands import predict
from stages.inference import onnx_predictor
from stages.predicting import discovery, ranking
from tests.fixtures import graphs, programs, scans, volumes
from tests.fixtures.light import WITHOUT, everything

ROOT = Path(__file__).resolve().parents[2]
PATIENTS = 5


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return graphs.export(tmp_path_factory.mktemp("three"), graphs.describe())


@pytest.fixture(scope="module")
def flair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return graphs.export(tmp_path_factory.mktemp("one"), graphs.describe(channels=("flair",)))


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("patients")
    scans.write_lgg(root, patients=PATIENTS, slices=4)
    return root / "kaggle_3m"


def run(
    capfd: pytest.CaptureFixture[str], *words: Any, command: ModuleType = command
) -> tuple[int, str, str]:
    """Exit status, stdout and stderr."""
    return programs.run(command.app, "next", words, capfd)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def ranked(capfd: pytest.CaptureFixture[str], out: Path, *words: Any) -> list[dict[str, str]]:
    status, _, complaints = run(capfd, *words, "--out", out)
    assert (status, "error" in complaints) == (0, False)
    return table(out)


def test_every_kind_of_scan_without_torch(tmp_path: Path, flair: Path) -> None:
    everything(tmp_path / "in")
    out = tmp_path / "next.csv"
    words = ["next", str(tmp_path / "in"), "--model", str(flair), "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = table(out)
    assert [row["rank"] for row in rows] == [str(rank) for rank in range(1, 8)]
    assert sorted(row["kind"] for row in rows) == ["brats", "dicom", *["flat"] * 4, "nifti"]
    assert len({row["hash"] for row in rows}) == 7
    assert done.stdout.splitlines() == [f"{row['rank']}  {row['scan']}: {row['why']}" for row in rows]


@pytest.mark.parametrize("strategy", sorted(ranking.STRATEGIES))
def test_the_order_of_arguments_and_where_scans_lie_do_not_matter(
    tmp_path: Path, model: Path, patients: Path, capfd: pytest.CaptureFixture[str], strategy: str
) -> None:
    cases = sorted(path for path in patients.iterdir() if path.is_dir())
    moved = shutil.copytree(patients, tmp_path / "elsewhere")
    words = ("--model", model, "--by", strategy)
    first = ranked(capfd, tmp_path / "a.csv", *cases, *words)
    second = ranked(capfd, tmp_path / "b.csv", *reversed(cases), *words)
    third = ranked(capfd, tmp_path / "c.csv", moved, *words)
    assert first == second
    assert [row["hash"] for row in third] == [row["hash"] for row in first]
    assert len(first) == PATIENTS


def test_by_errors_they_fall(
    tmp_path: Path, model: Path, patients: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = ranked(capfd, tmp_path / "n.csv", patients, "--model", model, "--by", "errors")
    scores = [float(row["expected_error"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert 0 < min(scores) < max(scores) < 1


def test_volumes_are_those_that_predict_tells(
    tmp_path: Path, model: Path, patients: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = ranked(capfd, tmp_path / "n.csv", patients, "--model", model)
    out = tmp_path / "predicted"
    assert run(capfd, patients, "--model", model, "--out", out, command=predict)[0] == 0
    predicted = {row["scan"]: row["volume_ml"] for row in table(out / "summary.csv")}
    assert {row["scan"]: row["volume_ml"] for row in rows} == predicted


def test_count(tmp_path: Path, model: Path, patients: Path, capfd: pytest.CaptureFixture[str]) -> None:
    every = ranked(capfd, tmp_path / "all.csv", patients, "--model", model)
    words = (patients, "--model", model, "--count")
    assert ranked(capfd, tmp_path / "two.csv", *words, 2) == every[:2]
    assert len(run(capfd, *words, 2)[1].splitlines()) == 2
    assert len(run(capfd, *words, 99)[1].splitlines()) == PATIENTS
    assert run(capfd, *words, 0)[0] == 2


@pytest.mark.parametrize("strategy", sorted(ranking.STRATEGIES))
def test_blank_scans_and_copies_come_last_and_say_so(
    tmp_path: Path, flair: Path, capfd: pytest.CaptureFixture[str], strategy: str
) -> None:
    images, _ = scans.volume(5, seed=1)
    root = tmp_path / "in"
    root.mkdir()
    for place in (0, 2, 4):  # the first slice has no tumour
        Image.fromarray(images[place, ..., scans.FLAIR]).save(root / f"s{place}.png")
    shutil.copy(root / "s2.png", root / "again.png")
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(root / "black.png")
    rows = ranked(capfd, tmp_path / "n.csv", root, "--model", flair, "--by", strategy)
    assert {Path(row["scan"]).name for row in rows[:3]} == {"s0.png", "again.png", "s4.png"}
    assert [Path(row["scan"]).name for row in rows[3:]] == ["black.png", "s2.png"]
    assert rows[3]["why"] == "no head was found in it"
    assert rows[4]["why"] == f"its files are those of {root / 'again.png'}"
    assert float(rows[4]["distance"]) == 0


def test_scans_without_foreground_say_so(
    tmp_path: Path, flair: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    images, _ = scans.volume(5, seed=2)
    root = tmp_path / "in"
    root.mkdir()
    Image.fromarray(scans.healthy()[0]).save(root / "healthy.png")
    Image.fromarray(images[2, ..., scans.FLAIR]).save(root / "ill.png")
    rows = ranked(capfd, tmp_path / "n.csv", root, "--model", flair, "--by", "foreground")
    assert [Path(row["scan"]).name for row in rows] == ["ill.png", "healthy.png"]
    assert "no tumour found" in rows[1]["why"]
    assert float(rows[1]["volume_ml"]) == 0


def test_one_bad_scan_does_not_stop_the_others(
    tmp_path: Path, flair: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    everything(tmp_path / "in")
    (tmp_path / "in" / "a.png").write_bytes(b"no picture")
    nib.Nifti1Image(np.full((4, 4, 4), np.nan, np.float32), np.eye(4)).to_filename(
        tmp_path / "in" / "d.nii.gz"
    )
    out = tmp_path / "n.csv"
    status, printed, complaints = run(capfd, tmp_path / "in", "--model", flair, "--out", out)
    assert status == predict.SOME_FAILED
    assert len(table(out)) == len(printed.splitlines()) == 5
    assert [line for line in complaints.splitlines() if line.startswith("error")] == [
        f"error: {tmp_path}/in/d.nii.gz: its pixels are not all numbers (NaN or infinity)",
        f"error: {tmp_path}/in/a.png: it is not a readable PNG or JPEG",
    ]


def test_where_all_scans_are_bad(tmp_path: Path, flair: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    status, printed, complaints = run(capfd, tmp_path / "a.png", "--model", flair)
    assert (status, printed) == (predict.SOME_FAILED, "")
    assert complaints == f"error: {tmp_path}/a.png: it is not a readable PNG or JPEG\n"


@pytest.mark.parametrize("name", ["next.png", "next", "folder.csv"])
def test_a_ranking_is_written_over_no_scan_and_no_folder(
    tmp_path: Path, flair: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    images, _ = scans.volume(2, seed=1)
    picture = tmp_path / "next.png"
    Image.fromarray(images[1, ..., scans.FLAIR]).save(picture)
    before = picture.read_bytes()
    (tmp_path / "folder.csv").mkdir()
    status, printed, complaints = run(capfd, picture, "--model", flair, "--out", tmp_path / name)
    assert (status, printed) == (2, "")
    assert "name a file that ends in .csv with --out" in complaints
    assert picture.read_bytes() == before


def test_a_place_that_cannot_be_written(
    tmp_path: Path, flair: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    images, _ = scans.volume(2, seed=1)
    Image.fromarray(images[1, ..., scans.FLAIR]).save(tmp_path / "a.png")
    status, _, complaints = run(
        capfd, tmp_path / "a.png", "--model", flair, "--out", tmp_path / "a.png" / "next.csv"
    )
    assert (status, len(complaints.splitlines())) == (2, 1)
    assert "name another file with --out" in complaints


def test_other_mistakes_end_with_a_sentence(
    tmp_path: Path, flair: Path, patients: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for words, part in (
        ((tmp_path / "none", "--model", flair), "does not exist"),
        ((tmp_path, "--model", flair), "holds no scan"),
        ((patients, "--model", tmp_path / "no.onnx"), "does not exist"),
        ((patients, "--model", flair, "--by", "luck"), "luck"),
    ):
        status, printed, complaints = run(capfd, *words)
        assert (status, printed) == (2, "")
        assert part in complaints
        assert "Traceback" not in complaints


def test_what_is_kept_of_a_scan_is_small_whatever_its_size(tmp_path: Path, flair: Path) -> None:
    images, _ = scans.volume(40, size=128, seed=1)
    volumes.save(tmp_path / "d.nii.gz", images[..., scans.FLAIR])
    opened = onnx_predictor.open_model(flair)
    (listed,) = discovery.find([tmp_path / "d.nii.gz"]).scans
    measured = command.measure(listed, opened)
    kept = pickle.dumps((measured.priority, measured.remarks, measured.spacing_known))
    assert len(kept) < 2000 < images[..., scans.FLAIR].nbytes
