"""`brainseg predict` as a user runs it: without torch, over good and bad scans, with exit statuses."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from stages.commands import predict
from stages.predicting import outcome
from tests.fixtures import dicom, graphs, populations, programs, scans
from tests.fixtures.light import ROOT, WITHOUT, everything
from tests.pipeline.import_graph import reached_from

BELOW = {"core", "formats", "framing", "inference", "masks", "population", "predicting", "scan", "sources"}
LABELS = "1 file is a mask or an earlier result and was left out (BraTS20_Training_001_seg.nii)"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return graphs.export(tmp_path_factory.mktemp("three"), graphs.describe())


@pytest.fixture(scope="module")
def flair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return graphs.export(tmp_path_factory.mktemp("one"), graphs.describe(channels=("flair",)))


def run(capfd: pytest.CaptureFixture[str], *words: Any) -> tuple[int, str, str]:
    """Exit status, stdout and stderr."""
    return programs.run(predict.app, "predict", words, capfd)


def summary(out: Path) -> dict:
    return json.loads((out / "summary.json").read_text(encoding="utf-8"))


def test_every_kind_of_scan_without_torch(tmp_path: Path, flair: Path) -> None:
    everything(tmp_path / "in")
    out = tmp_path / "out"
    words = ["predict", str(tmp_path / "in"), "--model", str(flair), "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    untold = (
        f"{tmp_path / 'in' / 'd.nii.gz'} and 1 more: nothing tells its sequence, so it was taken for flair"
    )
    assert (done.returncode, done.stderr) == (0, f"note: {LABELS}\nnote: {untold}\n")
    assert done.stdout == f"7 of 7 scans segmented, 0 to look at first: {out}\n"
    names = {path.name for path in out.iterdir()}
    masks = (
        "a_mask.png",
        "b_mask.png",
        "b2_mask.png",
        "c_mask.tif",
        "d_mask.nii.gz",
        "e_mask.nii.gz",
        "e_mask.dcm",
    )
    pictures = {f"{name}_overlay.png" for name in ("a", "b", "b2", "c", "d", "e", "g")}
    assert names == {*masks, "g_mask.nii", *pictures, "summary.json", "summary.csv"}
    assert [row["kind"] for row in summary(out)["scans"]] == [
        "nifti", *["flat"] * 4, "dicom", "brats"
    ]  # fmt: skip
    _, truth = scans.volume(5, seed=1)
    for name in masks[:4]:
        mask = tifffile.imread(out / name) if name.endswith("tif") else np.asarray(Image.open(out / name))
        assert dice(mask > 0, truth[2] > 0) > 0.85, name
    for name in masks[4:6]:
        mask = np.asanyarray(nib.load(out / name).dataobj).transpose(2, 1, 0)
        assert dice(mask > 0, truth > 0) > 0.85, name


def test_nothing_heavy_is_imported_at_the_start() -> None:
    """What a kind of scan needs comes with the first scan of it; training's libraries never come."""
    heavy = "torch lightning pandas scipy monai nibabel pydicom highdicom tifffile imagecodecs"
    code = f"import sys, stages.commands.predict; print(sys.modules.keys() & set({heavy.split()}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "set()\n"), done.stderr


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def test_cases_of_three_sequences(tmp_path: Path, model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    scans.write_lgg(tmp_path / "in", patients=3, slices=4)
    out = tmp_path / "out"
    assert run(capfd, tmp_path / "in", "--model", model, "--out", out)[0] == 0
    for patient in range(3):
        case = scans.case_name(patient)
        truth = scans.volume(4, seed=(0, patient))[1]
        masks = [tifffile.imread(out / f"{case}_mask" / f"{case}_{k}_mask.tif") for k in range(1, 5)]
        assert dice(np.array(masks) > 0, truth > 0) > 0.8


def test_one_bad_scan_does_not_stop_the_others(
    tmp_path: Path, flair: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    everything(tmp_path / "in")
    (tmp_path / "in" / "a.png").write_bytes(b"no picture")
    nib.Nifti1Image(np.zeros((4, 4, 4, 5), np.int16), np.eye(4)).to_filename(tmp_path / "in" / "d.nii.gz")
    dicom.write_series(tmp_path / "in" / "e", np.zeros((1, 4, 4), np.uint16), series=2)
    out = tmp_path / "out"
    status, printed, complaints = run(capfd, tmp_path / "in", "--model", flair, "--out", out)
    assert status == 3
    assert printed == f"4 of 7 scans segmented, 0 to look at first: {out}\n"
    assert complaints.splitlines() == [
        f"note: {LABELS}",
        f"error: {tmp_path}/in/d.nii.gz: it is a series of 5 volumes, one is needed",
        f"error: {tmp_path}/in/a.png: it is not a readable PNG or JPEG",
        f"error: {tmp_path}/in/e: it mixes 2 series; give each a folder of its own",
    ]
    assert [entry["scan"] for entry in summary(out)["failed"]] == [
        f"{tmp_path}/in/{name}" for name in ("d.nii.gz", "a.png", "e")
    ]
    assert len(summary(out)["scans"]) == 4
    assert not [path for path in out.iterdir() if path.name.startswith(("a_", "d_", "e_", "."))]


def test_what_a_series_leaves_open_is_in_the_summary_and_in_the_terminal(
    tmp_path: Path, flair: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """And never what it says of the patient."""
    images = scans.volume(5, seed=1)[0][..., scans.FLAIR].astype(np.uint16)
    about: dict[str, Any] = {"PatientName": "Doe^Jane", "PatientID": "4711"}
    made = dicom.write_series(tmp_path / "in/a", images, Modality=None, FrameOfReferenceUID=None, **about)
    for path in made:
        dicom.forge(path, "PatientBirthDate", b"19561332")
    dicom.write_series(tmp_path / "in/b", images, StudyInstanceUID=None, **about)
    dicom.write_series(tmp_path / "in/c", images, **about)
    out = tmp_path / "out"
    status, printed, notes = run(capfd, tmp_path / "in", "--model", flair, "--out", out)
    assert (status, printed) == (0, f"3 of 3 scans segmented, 0 to look at first: {out}\n")
    first, second, third = summary(out)["scans"]
    untold = "nothing tells its sequence, so it was taken for flair"
    assert first["remarks"] == (
        f"its files do not tell their Modality, MR is assumed; {untold}; "
        "the DICOM segmentation leaves PatientBirthDate empty, not valid in the series; "
        "its files do not name one frame of reference, the DICOM segmentation has one made up"
    )
    why = f"{untold}; no DICOM segmentation was written: its files do not tell their StudyInstanceUID"
    assert (second["remarks"], third["remarks"]) == (why, untold)
    assert notes.splitlines() == [
        f"note: {tmp_path}/in/a: {first['remarks']}",
        f"note: {tmp_path}/in/b: {why}",
        f"note: {tmp_path}/in/c: {untold}",
    ]
    assert first["files"] == ["a_mask.nii.gz", "a_mask.dcm", "a_overlay.png"]
    assert second["files"] == ["b_mask.nii.gz", "b_overlay.png"]
    masks = [np.asanyarray(nib.load(out / f"{name}_mask.nii.gz").dataobj) for name in "abc"]
    np.testing.assert_array_equal(masks[0], masks[2])
    np.testing.assert_array_equal(masks[1], masks[2])
    assert not any(value in notes + (out / "summary.csv").read_text() for value in ("Jane", "4711", "1956"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda root: (root / "model.onnx").write_bytes(b"damaged"),
            "{root}/model.onnx is not the file that the spec.json beside it describes; "
            "export the model again",
        ),
        (
            lambda root: (
                graphs.write(root / "model.onnx", graphs.describe(), told='{"schema_version": 9}')
                and (root / "spec.json").unlink()
            ),
            "{root}/model.onnx has schema 9, this version reads 2; update brainseg",
        ),
    ],
)
def test_a_model_that_cannot_be_used(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], make: Callable[..., Any], message: str
) -> None:
    root = graphs.export(tmp_path / "export", graphs.describe())
    make(root)
    Image.new("L", (8, 8)).save(tmp_path / "x.png")
    status, _, printed = run(capfd, tmp_path / "x.png", "--model", root, "--out", tmp_path / "out")
    assert (status, printed) == (2, f"error: {message.format(root=root)}\n")
    assert not (tmp_path / "out").exists()


def test_nothing_is_made_where_nothing_can_be_done(
    tmp_path: Path, flair: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (tmp_path / "empty").mkdir()
    for path, message in (
        (tmp_path / "x.png", "does not exist; name a scan or a folder of scans"),
        (tmp_path / "empty", "holds no scan: no PNG, JPEG, TIFF, NIfTI or DICOM file is in it"),
    ):
        status, _, printed = run(capfd, path, "--model", flair, "--out", out)
        assert (status, printed) == (2, f"error: {path} {message}\n")
    assert not out.exists()


def test_labels_beside_the_scans_are_safe(
    tmp_path: Path, model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """`--out` of an LGG case itself would put predictions where the expert's masks are."""
    scans.write_lgg(tmp_path, patients=1, slices=2)
    case = tmp_path / "kaggle_3m" / scans.case_name(0)
    before = {path: path.read_bytes() for path in case.iterdir()}
    status, _, printed = run(capfd, case, "--model", model, "--out", case)
    assert (status, printed) == (
        2,
        f"error: {case} is not empty; name a new folder with --out, or add --overwrite\n",
    )
    assert {path: path.read_bytes() for path in case.iterdir()} == before


def test_twice_into_one_folder(tmp_path: Path, flair: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(scans.volume(3)[0][1, ..., 1]).save(tmp_path / "x.png")
    words = (tmp_path / "x.png", "--model", flair, "--out", tmp_path / "out")
    assert run(capfd, *words)[0] == 0
    first = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert run(capfd, *words)[0] == 2
    assert run(capfd, *words, "--overwrite")[0] == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == first


def test_a_failing_write_leaves_nothing_of_the_scan(
    tmp_path: Path, flair: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(scans.volume(3)[0][1, ..., 1]).save(tmp_path / "x.png")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(outcome.overlay, "write", full)
    status, _, printed = run(capfd, tmp_path / "x.png", "--model", flair, "--out", tmp_path / "out")
    assert status == 2
    assert printed.startswith("error: the disk is full; ")
    assert list((tmp_path / "out").iterdir()) == []


def test_predicting_imports_only_what_lies_below_it() -> None:
    for file in sorted((ROOT / "stages").glob("*/*.py")):
        own = file.relative_to(ROOT)
        below = {other.parts[1] for other in reached_from(own) if len(other.parts) == 3}
        if own.parts[1] == "predicting":
            assert below <= BELOW, own


def test_a_scan_too_large_for_this_machine(
    tmp_path: Path, flair: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object) -> None:
        raise MemoryError

    Image.new("L", (8, 8)).save(tmp_path / "x.png")
    monkeypatch.setattr(outcome.reading, "read", exhausted)
    status, _, printed = run(capfd, tmp_path / "x.png", "--model", flair, "--out", tmp_path / "out")
    assert (status, printed) == (3, f"error: {tmp_path}/x.png: it does not fit into memory\n")


def test_a_scan_unlike_those_of_training_is_to_be_looked_at_first(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of 25 patients the model knows 24; the last one comes as it is, and smoothed."""
    scans.write_lgg(tmp_path / "all", patients=25, slices=6)
    *_, new = sorted(path for path in (tmp_path / "all" / "kaggle_3m").iterdir() if path.is_dir())
    (tmp_path / "new" / "b" / new.name).mkdir(parents=True)
    new = new.rename(tmp_path / "new" / new.name)
    for file in new.iterdir():
        image = cv2.GaussianBlur(tifffile.imread(file), (0, 0), 1.5)
        tifffile.imwrite(tmp_path / "new" / "b" / new.name / file.name, image)
    model = graphs.export(tmp_path / "model", populations.of_scans(tmp_path / "all", graphs.describe()))
    out = tmp_path / "out"
    status, printed, _ = run(capfd, new, tmp_path / "new" / "b", "--model", model, "--out", out)
    usual, odd = summary(out)["scans"]
    assert (status, usual["far_out"], usual["why"]) == (0, False, "")
    assert (odd["far_out"], odd["outlying_p"], odd["low_confidence"]) == (True, 0.04, True)
    assert odd["why"].startswith("it looks unlike the scans of training: ")
    assert "noise of" in odd["why"] or "sharpness of" in odd["why"]
    assert printed == f"2 of 2 scans segmented, 1 to look at first, 1 unlike the scans of training: {out}\n"
    table = (out / "summary.csv").read_text(encoding="utf-8").splitlines()
    assert {"far_out", "outlying_p"} < set(table[0].split(","))


def test_of_one_slice_where_training_had_whole_scans_nothing_is_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    scans.write_lgg(tmp_path / "all", patients=6, slices=6)
    model = graphs.export(tmp_path / "model", populations.of_scans(tmp_path / "all", graphs.describe()))
    slice_of = next((tmp_path / "all").rglob("*_3.tif"))
    out = tmp_path / "out"
    assert run(capfd, slice_of, "--model", model, "--out", out)[0] == 0
    (row,) = summary(out)["scans"]
    assert (row["far_out"], row["outlying_p"]) == (None, None)
