"""`brainseg predict` measures what the files say, whatever their pixels, or says that they leave it open."""

import csv
from pathlib import Path

import cv2
import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from stages.commands import predict
from stages.core import errors
from tests.fixtures import graphs, volumes

SIDE, SLICES = 160, 5
MM = (4.0, 1.0, 1.0)


@pytest.fixture(scope="module")
def flair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return graphs.export(tmp_path_factory.mktemp("one"), graphs.describe(channels=("flair",)))


@pytest.fixture(scope="module")
def phantom() -> tuple[np.ndarray, np.ndarray]:
    """A head (5, 160, 160) with a tumour of 30 mm across, and its mask."""
    row, column = np.mgrid[:SIDE, :SIDE] - 79.5
    inside = np.hypot(row / 70, column / 55) < 1
    tumour = np.hypot(row - 15, column + 20) < 15
    noise = np.abs(np.random.default_rng(0).normal(0, 4, (SLICES, SIDE, SIDE)))
    return noise + 100 * inside + 200 * tumour, np.repeat(tumour[None], SLICES, axis=0)


def coarser(planes: np.ndarray, down: int, across: int) -> np.ndarray:
    slices, height, width = planes.shape
    return planes.reshape(slices, height // down, down, width // across, across).mean(axis=(2, 4))


def segmented(capfd: pytest.CaptureFixture[str], *words: object) -> tuple[dict[str, str], list[str]]:
    """The only row of summary.csv, and the lines on stderr."""
    out = Path(str(words[-1]))
    with pytest.raises(SystemExit) as end:
        errors.run(lambda: predict.app([str(word) for word in words], prog_name="predict"))
    captured = capfd.readouterr()
    assert not end.value.code, captured.err
    (row,) = csv.DictReader((out / "summary.csv").open(encoding="utf-8", newline=""))
    return row, captured.err.splitlines()


def dice(mask: np.ndarray, truth: np.ndarray) -> float:
    return float(2 * (mask & truth).sum() / (mask.sum() + truth.sum()))


def milli(truth: np.ndarray, mm: tuple[float, float, float]) -> float:
    return float(truth.sum() * np.prod(mm) / 1000)


@pytest.mark.parametrize(("down", "across"), [(1, 1), (1, 4), (4, 1), (2, 5)])
def test_volumes_of_pixels_that_are_not_square(
    tmp_path: Path,
    flair: Path,
    phantom: tuple[np.ndarray, np.ndarray],
    capfd: pytest.CaptureFixture[str],
    down: int,
    across: int,
) -> None:
    head, truth = (coarser(planes, down, across) for planes in phantom)
    spacing = (MM[0], MM[1] * down, MM[2] * across)
    volumes.save(tmp_path / "x_flair.nii", head.astype(np.float32), spacing_mm=spacing)
    row, lines = segmented(capfd, tmp_path / "x_flair.nii", "--model", flair, "--out", tmp_path / "out")
    assert float(row["volume_ml"]) == pytest.approx(milli(truth >= 0.5, spacing), rel=0.1)
    assert (row["spacing_known"], row["remarks"], lines) == ("True", "", [])
    mask = np.asarray(nib.load(tmp_path / "out" / "x_flair_mask.nii").dataobj).transpose(2, 1, 0) > 0
    assert dice(mask, truth >= 0.5) > 0.9


def test_a_header_that_says_two_things(
    tmp_path: Path, flair: Path, phantom: tuple[np.ndarray, np.ndarray], capfd: pytest.CaptureFixture[str]
) -> None:
    head, truth = phantom
    path = volumes.save(tmp_path / "x_flair.nii", head.astype(np.float32), spacing_mm=(6.0, 1.5, 1.5))
    volumes.forge(path, qform_code=1, pixdim=(1.0, 1.0, 1.0, 1.0, 0, 0, 0, 0))
    row, lines = segmented(capfd, path, "--model", flair, "--out", tmp_path / "out")
    assert float(row["volume_ml"]) == pytest.approx(milli(truth, (6.0, 1.5, 1.5)), rel=0.1)
    assert row["remarks"].startswith("its sform and its qform place it ")
    assert row["remarks"].endswith(" mm apart; the sform counts")
    assert lines == [f"note: {path}: {row['remarks']}"]


def test_a_stack(
    tmp_path: Path, flair: Path, phantom: tuple[np.ndarray, np.ndarray], capfd: pytest.CaptureFixture[str]
) -> None:
    """Pages of 1 x 2 mm, as ImageJ writes them, 4 mm apart."""
    head, truth = (coarser(planes, 1, 2) for planes in phantom)
    about = {
        "imagej": True,
        "resolution": (0.5, 1.0),
        "metadata": {"axes": "ZYX", "spacing": 4.0, "unit": "mm"},
    }
    tifffile.imwrite(tmp_path / "x.tif", head.astype(np.float32), **about)
    row, _ = segmented(capfd, tmp_path / "x.tif", "--model", flair, "--out", tmp_path / "out")
    assert (row["slices"], row["tumour_slices"]) == ("5", "5")
    assert float(row["volume_ml"]) == pytest.approx(milli(truth >= 0.5, (4.0, 1.0, 2.0)), rel=0.1)
    assert dice(tifffile.imread(tmp_path / "out" / "x_mask.tif") > 0, truth >= 0.5) > 0.9


@pytest.mark.parametrize("turn", [3, 6, 8])
def test_a_picture_that_lies_on_its_side(
    tmp_path: Path,
    flair: Path,
    phantom: tuple[np.ndarray, np.ndarray],
    capfd: pytest.CaptureFixture[str],
    turn: int,
) -> None:
    """The mask is upright, as every viewer shows the picture."""
    head, truth = (planes[2] for planes in phantom)
    stored = np.rot90(head, {3: 2, 6: 1, 8: -1}[turn])
    picture = Image.fromarray(cv2.normalize(stored, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8))
    exif = Image.Exif()
    exif[274] = turn
    picture.save(tmp_path / "x.jpg", exif=exif, quality=95)
    segmented(capfd, tmp_path / "x.jpg", "--model", flair, "--out", tmp_path / "out")
    assert dice(np.asarray(Image.open(tmp_path / "out" / "x_mask.png")) > 0, truth) > 0.85


def test_white_at_zero(
    tmp_path: Path, flair: Path, phantom: tuple[np.ndarray, np.ndarray], capfd: pytest.CaptureFixture[str]
) -> None:
    head, truth = (planes[2] for planes in phantom)
    shown = (head * 200).astype(np.uint16)
    tifffile.imwrite(tmp_path / "x.tif", 65535 - shown, photometric="miniswhite")
    segmented(capfd, tmp_path / "x.tif", "--model", flair, "--out", tmp_path / "out")
    assert dice(tifffile.imread(tmp_path / "out" / "x_mask.tif") > 0, truth) > 0.9
