"""What predict tells of a model's promises: columns, outer masks, and a sentence where it cannot promise."""

import csv
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from stages.commands import predict
from stages.masks.guarantee import Guarantees
from stages.predicting import discovery
from tests.fixtures import dicom, graphs, programs, scans, volumes

COLUMNS = ("volume_low_ml", "volume_high_ml", "expected_dice", "expected_dice_low", "trusted")


def exported(folder: Path, promised: Guarantees | None, channels: tuple[str, ...] = ("flair",)) -> Path:
    folder.mkdir()
    described = graphs.describe(channels=channels)
    return graphs.export(folder, described.model_copy(update={"guarantees": promised}))


@pytest.fixture(scope="module")
def promising(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(tmp_path_factory.mktemp("model") / "m", graphs.guarantees())


def run(capfd: pytest.CaptureFixture[str], *words: Any) -> tuple[int, str, str]:
    return programs.run(predict.app, "predict", words, capfd)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.fromarray(scans.volume(5, seed=1)[0][2, ..., scans.FLAIR]).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def row(out: Path) -> dict:
    return json.loads((out / "summary.json").read_text(encoding="utf-8"))["scans"][0]


def test_the_row_of_a_scan(
    tmp_path: Path, promising: Path, picture: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    status, _, err = run(capfd, picture, "--model", promising, "--out", tmp_path / "out")
    assert (status, "promise" in err) == (0, False)
    own = row(tmp_path / "out")
    low, high, expected, expected_low, trusted = (own[name] for name in COLUMNS)
    assert low == pytest.approx(max(0, (own["volume_ml"] + 1) / 2 - 1), abs=1e-3)
    assert high == pytest.approx((own["volume_ml"] + 1) * 2 - 1, abs=1e-3)
    assert 0.5 < expected <= 1
    assert expected_low == pytest.approx(expected - 0.25, abs=1e-4)
    assert trusted is (own["confidence"] > 0.5)
    with (tmp_path / "out" / "summary.csv").open(newline="") as file:
        (line,) = csv.DictReader(file)
    assert [line[name] for name in COLUMNS] == [str(own[name]) for name in COLUMNS]
    assert not list((tmp_path / "out").glob("*_outer*"))


def test_a_coverage_that_is_not_reached_is_said_once(
    tmp_path: Path, promising: Path, picture: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Image.open(picture).save(tmp_path / "b.png")
    words = (picture, tmp_path / "b.png", "--model", promising, "--out", tmp_path / "out")
    status, _, err = run(capfd, *words, "--coverage", 0.95)
    sentence = "10 patients can promise a coverage of 0.909 at most, not of 0.95"
    assert (status, err.count(sentence)) == (0, 1)
    own = row(tmp_path / "out")
    assert [own[name] is None for name in COLUMNS] == [True, True, False, True, True]
    whole = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert whole["coverage"] == 0.95


@pytest.mark.parametrize(
    ("promised", "words", "message"),
    [
        (graphs.guarantees(patients=8), (), "8 patients can promise a coverage of 0.888 at most, not of 0.9"),
        (graphs.guarantees(withheld="the split leaks"), (), "the split leaks"),
        (graphs.guarantees(), ("--coverage", "0.95"), "10 patients can promise a coverage of 0.909 at most"),
        (None, (), "the model was exported before models promised anything"),
    ],
)
def test_outer_masks_that_cannot_be_promised_are_refused(
    tmp_path: Path,
    picture: Path,
    capfd: pytest.CaptureFixture[str],
    promised: Guarantees | None,
    words: tuple[str, str],
    message: str,
) -> None:
    model = exported(tmp_path / "model", promised)
    status, _, err = run(capfd, picture, "--model", model, "--out", tmp_path / "out", "--outer", *words)
    assert status == 2
    assert err.startswith("error: no outer masks: ")
    assert message in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("withheld", ["", "the split leaks"])
def test_a_model_that_promises_nothing_segments_as_ever(
    tmp_path: Path, picture: Path, capfd: pytest.CaptureFixture[str], withheld: str
) -> None:
    model = exported(tmp_path / "model", graphs.guarantees(withheld=withheld) if withheld else None)
    status, _, err = run(capfd, picture, "--model", model, "--out", tmp_path / "out")
    assert status == 0
    assert ("note: nothing is promised of a scan: the split leaks\n" in err) is bool(withheld)
    assert [row(tmp_path / "out")[name] for name in COLUMNS] == [None] * 5


def test_a_share_is_no_percentage(
    tmp_path: Path, promising: Path, picture: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = (picture, "--model", promising, "--out", tmp_path / "out", "--coverage", 90)
    assert run(capfd, *words)[0] == 2
    assert not (tmp_path / "out").exists()


def test_outer_masks_of_every_kind_of_scan(
    tmp_path: Path, promising: Path, picture: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    flair = scans.volume(5, seed=1)[0][..., scans.FLAIR]
    tifffile.imwrite(tmp_path / "c.tif", flair[2])
    volumes.save(tmp_path / "d.nii.gz", flair)
    dicom.write_series(tmp_path / "e", flair.astype(np.uint16) * 4, spacing_mm=(3.0, 1.0, 1.0))
    named = [picture, tmp_path / "c.tif", tmp_path / "d.nii.gz", tmp_path / "e"]
    out = tmp_path / "out"
    assert run(capfd, *named, "--model", promising, "--out", out, "--outer")[0] == 0
    outer = {path.name for path in out.glob("*_outer*")}
    assert outer == {"a_outer.png", "c_outer.tif", "d_outer.nii.gz", "e_outer.nii.gz"}
    for name in sorted(outer):
        pair = out / name, out / name.replace("_outer", "_mask")
        if name.endswith("gz"):
            larger, mask = (nib.load(path) for path in pair)
            np.testing.assert_array_equal(larger.affine, mask.affine)
            larger, mask = (np.asanyarray(image.dataobj) for image in (larger, mask))
        else:
            larger, mask = (np.asarray(Image.open(path)) for path in pair)
        assert larger.shape == mask.shape
        assert set(np.unique(larger)) == set(np.unique(mask))
        assert (larger > 0)[mask > 0].all()
        assert (larger > 0).sum() > (mask > 0).sum() > 0
    rows = json.loads((out / "summary.json").read_text(encoding="utf-8"))["scans"]
    assert all(any("_outer" in file for file in row["files"]) for row in rows)
    (out / "summary.json").unlink()  # then no folder of results any more
    Image.open(picture).save(out / "z.png")
    listing = discovery.find([out])
    assert "z" in [scan.name for scan in listing.scans]
    assert not [scan for scan in listing.scans if scan.name.endswith("_outer")]
    assert outer <= {path.name for path, why in listing.left_out if why == discovery.MASK}


def test_outer_masks_of_a_case_of_tiffs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = exported(tmp_path / "model", graphs.guarantees(level=1.0), ("pre", "flair", "post"))
    scans.write_lgg(tmp_path / "in", patients=1, slices=3)
    out = tmp_path / "out"
    assert run(capfd, tmp_path / "in", "--model", model, "--out", out, "--outer")[0] == 0
    case = scans.case_name(0)
    written = sorted(path.name for path in (out / f"{case}_outer").iterdir())
    assert written == [f"{case}_{k}_outer.tif" for k in (1, 2, 3)]
    for name in written:
        outer = tifffile.imread(out / f"{case}_outer" / name)
        mask = tifffile.imread(out / f"{case}_mask" / name.replace("outer", "mask"))
        assert set(np.unique(outer)) <= {0, 255}
        assert (outer[mask == 255] == 255).all()
    assert row(out)["files"][-1] == f"{case}_outer"
