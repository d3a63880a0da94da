"""Areas, volumes and doubts of each scan, in two files that appear whole."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.formats.file import File
from stages.population.outlying import Far, Standing
from stages.predicting import summary
from stages.predicting.scan import Scan
from stages.predicting.segmenting import Segmented, Terms
from stages.scan.spacing import Spacing
from stages.scan.volume import Volume
from tests.fixtures import graphs, populations

SCAN = Scan(Path("x.nii"), "nifti", (File.at(Path("x.nii")),), "x")
PROMISED = ("volume_low_ml", "volume_high_ml", "expected_dice", "expected_dice_low", "trusted")
NESTED = graphs.describe(regions=graphs.BRATS, low_confidence_below=0.8)


def found(
    labels: Any = ((0, 1), (2, 3)),
    confidence: float | None = 0.9,
    peak: float = 0.95,
    blank: bool = False,
    slices: int = 2,
) -> Segmented:
    one = np.array(labels, np.uint8)
    return Segmented(np.stack([one] + [np.zeros_like(one)] * (slices - 1)), confidence, peak, blank)


def volume(spacing: Spacing | None = None, remarks: tuple[str, ...] = ()) -> Volume:
    return Volume(np.zeros((2, 2, 2, 1), np.uint8), spacing, remarks=remarks)


def test_areas_and_volumes() -> None:
    row = summary.row(SCAN, found(), volume(Spacing(5.0, 2.0, 3.0)), NESTED, ["x_mask.nii"])
    assert row == {
        "scan": "x.nii",
        "kind": "nifti",
        "slices": 2,
        "tumour_slices": 1,
        "area_mm2": 18.0,
        "volume_ml": 0.09,
        "whole_tumour_ml": 0.09,
        "tumour_core_ml": 0.06,
        "enhancing_tumour_ml": 0.03,
        "necrosis_ml": 0.03,
        "oedema_ml": 0.03,
        "enhancing_ml": 0.03,
        "spacing_known": True,
        "confidence": 0.9,
        "low_confidence": False,
        "why": "",
        "far_out": None,
        "outlying_p": None,
        **dict.fromkeys(PROMISED),
        "remarks": "",
        "files": ["x_mask.nii"],
    }
    assert list(row) == summary.columns(NESTED)


def test_what_is_promised_of_a_scan() -> None:
    own = NESTED.model_copy(update={"guarantees": graphs.guarantees(list(graphs.BRATS))})
    sure = replace(found(), expected_dice=0.875, frame_confidence=0.9)
    row = summary.row(SCAN, sure, volume(Spacing(5.0, 2.0, 3.0)), own, [])
    promised = {name: row[name] for name in PROMISED}
    assert promised == dict(zip(PROMISED, (0.0, 1.18, 0.875, 0.625, True), strict=True))
    assert row["remarks"] == ""


@pytest.mark.parametrize("patients", [9, 99])
def test_nothing_is_promised_of_a_scan_of_another_kind(patients: int) -> None:
    own = NESTED.model_copy(update={"guarantees": graphs.guarantees(list(graphs.BRATS))})
    far = replace(found(), standing=Standing(1 / (patients + 1), patients))
    row = summary.row(SCAN, far, volume(Spacing(5.0, 2.0, 3.0)), own, [])
    assert {name: row[name] for name in PROMISED} == dict.fromkeys(PROMISED)
    assert row["remarks"] == summary.VOID
    assert row["far_out"] is True
    promising_nothing = summary.row(SCAN, far, volume(Spacing(5.0, 2.0, 3.0)), NESTED, [])
    assert promising_nothing["remarks"] == ""


def test_a_coverage_that_so_few_patients_cannot_promise() -> None:
    own = NESTED.model_copy(update={"guarantees": graphs.guarantees(list(graphs.BRATS))})
    sure = replace(found(), expected_dice=0.875, frame_confidence=0.9)
    row = summary.row(SCAN, sure, volume(), own, [], Terms(0.95))
    assert [row[name] for name in PROMISED] == [None, None, 0.875, None, None]


def test_remarks_on_the_files() -> None:
    remarks = "its sform and its qform place it 12 mm apart; the sform counts", "x"
    row = summary.row(SCAN, found(), volume(remarks=remarks), NESTED, [])
    assert row["remarks"] == "its sform and its qform place it 12 mm apart; the sform counts; x"
    assert not row["low_confidence"]


def test_an_unknown_spacing_is_marked() -> None:
    row = summary.row(SCAN, found(), volume(), NESTED, [])
    assert (row["spacing_known"], row["area_mm2"], row["volume_ml"]) == (False, 3.0, 0.003)


@pytest.mark.parametrize(
    ("segmented", "why"),
    [
        (found(), ""),
        (found(confidence=0.8), ""),
        (found(confidence=0.79), "nine of ten validation patients had a higher confidence than 0.79"),
        (found(np.zeros((2, 2)), None, 0.26), "nothing was found, but one pixel has the probability 0.26"),
        (found(np.zeros((2, 2)), None, 0.1), "nothing was found in any slice"),
        (found(np.zeros((2, 2)), None, 0.1, slices=1), ""),
        (found(np.zeros((2, 2)), None, 0.0, blank=True), "no head was found in it"),
    ],
)
def test_why_to_look_at_a_scan_first(segmented: Segmented, why: str) -> None:
    row = summary.row(SCAN, segmented, volume(), NESTED, [])
    assert (row["why"], row["low_confidence"]) == (why, bool(why))


def test_a_scan_unlike_those_of_training_is_looked_at_first() -> None:
    measure = populations.listed()[0]
    stands = Standing(0.01234567, 80, (Far(measure, 9.0, 1.0, 2.0),))
    row = summary.row(SCAN, replace(found(), standing=stands), volume(), NESTED, [])
    assert (row["far_out"], row["outlying_p"], row["low_confidence"]) == (True, 0.0123, True)
    assert row["why"] == stands.sentence
    assert row["why"].startswith(
        "it looks unlike the scans of training: brightness of pre 9, in training mostly"
    )
    unsure = summary.row(SCAN, replace(found(confidence=0.5), standing=stands), volume(), NESTED, [])
    assert (
        unsure["why"]
        == f"nine of ten validation patients had a higher confidence than 0.50; {stands.sentence}"
    )
    usual = summary.row(SCAN, replace(found(), standing=Standing(0.5, 80)), volume(), NESTED, [])
    assert (usual["far_out"], usual["outlying_p"], usual["why"]) == (False, 0.5, "")


def test_no_confidence_to_compare_with() -> None:
    assert summary.row(SCAN, found(confidence=0.51), volume(), graphs.describe(), [])["why"] == ""


def test_both_files(tmp_path: Path) -> None:
    failed: list[dict[str, str]] = []
    rows = [summary.row(SCAN, found(confidence=c), volume(), NESTED, ["a", "b"]) for c in (0.9, 0.7)]
    with summary.written(tmp_path, NESTED, failed) as told:
        for row in rows:
            told.add(row)
        failed.append({"scan": "y.png", "error": "it is cut short"})
        assert not list(tmp_path.glob("summary*"))
    whole = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert whole["scans"] == rows
    assert whole["failed"] == failed
    assert whole["model_hash"] == NESTED.model_hash
    assert whole["classes"] == {"1": "necrosis", "2": "oedema", "3": "enhancing"}
    with (tmp_path / "summary.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["confidence"] for row in table] == ["0.9", "0.7"]
    assert [row["low_confidence"] for row in table] == ["False", "True"]
    assert table[0]["files"] == "a;b"


def test_a_name_that_is_no_utf_8(tmp_path: Path) -> None:
    path = Path("/in/caf\udce9.nii")
    scan = Scan.at(path, "nifti", [path])
    row = summary.row(scan, found(), volume(), NESTED, [f"{scan.name}_mask.nii"])
    left_out = [{"path": "x_mask.png", "why": "it is a mask"}]
    with summary.written(tmp_path, NESTED, [], left_out) as table:
        table.add(row)
    whole = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert [(one["scan"], one["files"]) for one in whole["scans"]] == [
        ("/in/caf\\xe9.nii", ["caf%xe9_mask.nii"])
    ]
    assert (whole["failed"], whole["left_out"]) == ([], left_out)
    assert "caf\\xe9.nii" in (tmp_path / "summary.csv").read_text(encoding="utf-8")


def test_no_scan_at_all(tmp_path: Path) -> None:
    with summary.written(tmp_path, NESTED, []):
        pass
    assert json.loads((tmp_path / "summary.json").read_text())["scans"] == []


def test_an_interrupted_run_leaves_no_summary(tmp_path: Path) -> None:
    def interrupted() -> None:
        with summary.written(tmp_path, NESTED, []) as told:
            told.add(summary.row(SCAN, found(), volume(), NESTED, []))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
