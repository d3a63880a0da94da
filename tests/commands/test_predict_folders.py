"""`brainseg predict` on folders as people have them: each file is segmented, failed or left out aloud."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from stages.commands import predict
from stages.core import errors
from stages.inference.spec import Input
from stages.predicting import discovery, outcome
from stages.predicting.scan import Scan
from stages.scan.volume import Volume
from tests.fixtures import dicom, graphs, scans, volumes

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def flair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return graphs.export(tmp_path_factory.mktemp("one"), graphs.describe(channels=("flair",)))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    described = graphs.describe(channels=("flair", "t1"))
    return graphs.export(tmp_path_factory.mktemp("both"), described)


def run(capfd: pytest.CaptureFixture[str], *words: Any) -> tuple[int, str, list[str]]:
    """Exit status, stdout and the lines of stderr of a run within this process."""
    with pytest.raises(SystemExit) as end:
        errors.run(lambda: predict.app([str(word) for word in words], prog_name="predict"))
    out, err = capfd.readouterr()
    return int(end.value.code or 0), out, err.splitlines()


def summary(out: Path) -> dict:
    return json.loads((out / "summary.json").read_text(encoding="utf-8"))


def head(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A volume (5, 64, 64) in FLAIR and its mask, another patient for each seed."""
    images, masks = scans.volume(5, seed=seed)
    return images[..., scans.FLAIR], masks > 0


def dice(mask: np.ndarray, truth: np.ndarray) -> float:
    return float(2 * (mask & truth).sum() / (mask.sum() + truth.sum()))


def mask_of(path: Path) -> np.ndarray:
    return np.asanyarray(nib.load(path).dataobj).transpose(2, 1, 0) > 0


def test_patients_whose_folders_have_one_name(
    tmp_path: Path, flair: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each mask is that of its own patient, and the summary says which."""
    for patient in (1, 2):
        grey, _ = head(patient)
        dicom.write_series(
            tmp_path / f"in/p{patient}/DICOM", grey.astype(np.uint16), spacing_mm=(3.0, 1.0, 1.0)
        )
        volumes.save(tmp_path / f"in/p{patient}/anat/sub-{patient}_FLAIR.nii.gz", grey)
        Image.fromarray(grey[2]).save(tmp_path / f"in/p{patient}/slice.png")
    out = tmp_path / "out"
    status, printed, _ = run(capfd, tmp_path / "in", "--model", flair, "--out", out)
    assert (status, printed) == (0, f"6 of 6 scans segmented, 0 to look at first: {out}\n")
    for patient in (1, 2):
        truth = head(patient)[1]
        other = head(3 - patient)[1]
        for name in ("DICOM", "anat"):
            mask = mask_of(out / f"p{patient}/{name}_mask.nii.gz")
            assert dice(mask, truth) > 0.85 > dice(mask, other)
    rows = {row["scan"]: row["files"] for row in summary(out)["scans"]}
    assert rows[f"{tmp_path}/in/p2/DICOM"] == [
        "p2/DICOM_mask.nii.gz",
        "p2/DICOM_mask.dcm",
        "p2/DICOM_overlay.png",
    ]
    assert rows[f"{tmp_path}/in/p1/slice.png"] == ["p1/slice_mask.png", "p1/slice_overlay.png"]
    assert all((out / name).is_file() for files in rows.values() for name in files)
    with (out / "summary.csv").open(encoding="utf-8", newline="") as file:
        assert [row["files"].split(";") for row in csv.DictReader(file)] == list(rows.values())


def test_two_patients_in_one_folder_are_not_one(
    tmp_path: Path, both: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A case of two sequences for each, and the mask that of its own FLAIR."""
    (tmp_path / "in").mkdir()
    for patient in (1, 2):
        grey, _ = head(patient)
        volumes.save(tmp_path / f"in/sub-{patient}_flair.nii.gz", grey)
        volumes.save(tmp_path / f"in/sub-{patient}_t1.nii.gz", grey // 2)
    volumes.save(tmp_path / "in/jones.nii.gz", head(3)[0])
    volumes.save(tmp_path / "in/sub-3_flair.nii.gz", head(3)[0])
    out = tmp_path / "out"
    status, _, complaints = run(capfd, tmp_path / "in", "--model", both, "--out", out)
    assert status == 3
    assert complaints == [
        f"error: {tmp_path}/in/jones.nii.gz: it has 1 channel, the model takes 2 (flair, t1)",
        f"error: {tmp_path}/in/sub-3_flair.nii.gz: modality t1 is missing: the scan has flair, the model "
        "takes flair, t1",
    ]
    for patient in (1, 2):
        assert dice(mask_of(out / f"sub-{patient}_mask.nii.gz"), head(patient)[1]) > 0.85


def test_a_second_run_over_scans_and_results(
    tmp_path: Path, flair: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, patient in (("a", 1), ("b", 2)):
        Image.fromarray(head(patient)[0][2]).save(tmp_path / f"{name}.png")
    dicom.write_series(tmp_path / "s", head(1)[0].astype(np.uint16), spacing_mm=(3.0, 1.0, 1.0))
    words = (tmp_path, "--model", flair)
    untold = f"note: {tmp_path / 's'}: nothing tells its sequence, so it was taken for flair"
    assert run(capfd, *words, "--out", tmp_path / "out")[2] == [untold]
    first = summary(tmp_path / "out")
    status, _, notes = run(capfd, *words, "--out", tmp_path.parent / f"{tmp_path.name}-2")
    again = summary(tmp_path.parent / f"{tmp_path.name}-2")
    assert (status, again["scans"]) == (0, first["scans"])
    assert notes == [
        "note: 7 files are masks or earlier results and were left out (a_mask.png, a_overlay.png, "
        "b_mask.png, ...)",
        untold,
    ]
    assert len(again["left_out"]) == 7
    assert again["left_out"][0] == {
        "path": f"{tmp_path}/out/a_mask.png",
        "why": "it is a mask or an earlier result",
    }


def test_results_beside_the_scans(tmp_path: Path, flair: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`--out` may be the scans' own folder with --overwrite: the second run finds the scans only."""
    Image.fromarray(head(1)[0][2]).save(tmp_path / "a.png")
    words = (tmp_path, "--model", flair, "--out", tmp_path, "--overwrite")
    for _ in range(2):
        status, printed, _ = run(capfd, *words)
        assert (status, printed) == (0, f"1 of 1 scans segmented, 0 to look at first: {tmp_path}\n")


def test_what_cannot_be_reached_is_counted(
    tmp_path: Path, flair: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(head(1)[0][2]).save(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.png").symlink_to("gone.png")
    (tmp_path / "in" / "case_7").symlink_to("/mnt/gone")
    out = tmp_path / "out"
    status, printed, complaints = run(capfd, tmp_path / "in", "--model", flair, "--out", out)
    assert (status, printed) == (3, f"1 of 3 scans segmented, 0 to look at first: {out}\n")
    fetch = "where nothing is; mend it, or fetch what it leads to"
    assert complaints == [
        f"error: {tmp_path}/in/case_7: it is a link to /mnt/gone, {fetch}",
        f"error: {tmp_path}/in/b.png: it is a link to gone.png, {fetch}",
    ]
    assert [entry["scan"] for entry in summary(out)["failed"]] == [
        f"{tmp_path}/in/case_7",
        f"{tmp_path}/in/b.png",
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_names_that_no_terminal_shows(tmp_path: Path, flair: Path, encoding: str) -> None:
    """The name is bytes that are no UTF-8, and beside it one that only UTF-8 has."""
    root = tmp_path / "in Ł"
    root.mkdir()
    for name in (b"caf\xe9.png", "Łukasz.png".encode(), b"bad\xff.png", b"line\nbreak.png"):
        picture = Path(os.fsdecode(os.fsencode(root) + b"/" + name))
        Image.fromarray(head(1)[0][2]).save(tmp_path / "x.png")
        picture.write_bytes(b"" if b"bad" in name else (tmp_path / "x.png").read_bytes())
    case = Path(os.fsdecode(os.fsencode(root) + b"/p\xe9"))
    case.mkdir()
    for number in (1, 2):
        tifffile.imwrite(tmp_path / "x.tif", head(1)[0][number])
        (case / f"{case.name}_{number}.tif").write_bytes((tmp_path / "x.tif").read_bytes())
    out = tmp_path / "out Ł"
    words = ["-m", "stages.commands.predict", str(root), "--model", str(flair), "--out", str(out)]
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert b"Traceback" not in done.stderr
    assert done.returncode == 3, done.stderr
    folder = "in Ł".encode(encoding, "backslashreplace").decode(encoding)
    assert done.stdout.decode(encoding).startswith("4 of 5 scans segmented")
    assert done.stderr.decode(encoding).splitlines() == [
        f"error: {tmp_path}/{folder}/bad\\xff.png: it is not a readable PNG or JPEG"
    ]
    rows = {row["scan"]: row["files"] for row in summary(out)["scans"]}
    assert rows == {
        f"{root}/caf\\xe9.png": ["caf%xe9_mask.png", "caf%xe9_overlay.png"],
        f"{root}/line\\nbreak.png": ["line%nbreak_mask.png", "line%nbreak_overlay.png"],
        f"{root}/Łukasz.png": ["Łukasz_mask.png", "Łukasz_overlay.png"],
        f"{root}/p\\xe9": ["p%xe9_mask", "p%xe9_overlay.png"],
    }
    for files in rows.values():
        assert all((out / name).exists() for name in files)
    assert sorted(path.name for path in (out / "p%xe9_mask").iterdir()) == [
        "p%xe9_1_mask.tif",
        "p%xe9_2_mask.tif",
    ]


class Surprise(Exception):
    """What a library raises that nobody thought of."""


def test_a_fault_costs_one_scan(
    tmp_path: Path, flair: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The results of the others are kept, and the fault is called one."""
    for name in ("a", "b", "c"):
        Image.fromarray(head(1)[0][2]).save(tmp_path / f"{name}.png")
    read = outcome.reading.read

    def broken(scan: Scan, model_input: Input) -> Volume:
        if scan.name == "b":
            raise Surprise("index 3 is out of bounds\nfor axis 0")
        return read(scan, model_input)

    monkeypatch.setattr(outcome.reading, "read", broken)
    out = tmp_path / "out"
    status, printed, (complaint,) = run(capfd, tmp_path, "--model", flair, "--out", out)
    assert (status, printed) == (3, f"2 of 3 scans segmented, 0 to look at first: {out}\n")
    assert complaint.startswith(f"error: {tmp_path}/b.png: Surprise: index 3 is out of bounds (line ")
    assert complaint.endswith(" of test_predict_folders.py); this was not foreseen, please report it")
    assert [row["scan"] for row in summary(out)["scans"]] == [f"{tmp_path}/a.png", f"{tmp_path}/c.png"]
    assert summary(out)["failed"] == [
        {"scan": f"{tmp_path}/b.png", "error": complaint.partition("b.png: ")[2]}
    ]


def test_a_name_too_long_to_write(tmp_path: Path, flair: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("x" * 245, "y"):
        Image.fromarray(head(1)[0][2]).save(tmp_path / f"{name}.png")
    status, printed, complaints = run(capfd, tmp_path, "--model", flair, "--out", tmp_path / "out")
    assert (status, printed[:21]) == (3, "1 of 2 scans segmente")
    assert "File name too long" in complaints[0]
    assert len(complaints) == 1


def test_every_file_is_accounted_for(tmp_path: Path, flair: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Listed = segmented + failed + left out, in a folder with a bit of everything."""
    grey, _ = head(1)
    root = tmp_path / "in"
    for patient in ("p1", "p2"):
        volumes.save(root / patient / f"{patient}_flair.nii.gz", grey)
        volumes.save(root / patient / f"{patient}_seg.nii.gz", grey)
        volumes.save(root / patient / "brainmask.nii.gz", grey)
        volumes.save(root / patient / "extra.nii.gz", grey)
        dicom.write_series(root / patient / "DICOM", grey.astype(np.uint16), spacing_mm=(3.0, 1.0, 1.0))
    scans.write_lgg(root, patients=1, slices=2)
    (root / "latest").symlink_to("p2")
    (root / "gone.png").symlink_to("nowhere.png")
    (root / "x.mha").write_bytes(b"")
    listing = discovery.find([root])
    home = {file.name for scan in listing.scans for file in scan.files}
    files = [path for path in root.rglob("*") if path.is_file() or not path.exists()]
    left_out = {path for path, _ in listing.left_out}
    unknown = [path for path in files if path.name not in home and path not in left_out]
    assert [path.name for path in unknown] == ["data.csv"]
    out = tmp_path / "out"
    status, printed, notes = run(capfd, root, "--model", flair, "--out", out)
    assert status == 3
    assert printed.startswith("6 of 8 scans segmented")
    assert [note.partition(":")[0] for note in notes] == ["note"] * 4 + ["error"] * 2
