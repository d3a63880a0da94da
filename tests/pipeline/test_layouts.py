"""Data sets in the layouts of nnU-Net and of BIDS come to a report without a file being moved."""

import json
from pathlib import Path

import numpy as np
import pytest

from stages import augment, evaluate, export, report, train
from stages.core import tables
from stages.inference import onnx_predictor
from stages.predicting import discovery, reading, segmenting
from stages.project.paths import Paths
from tests.fixtures import layouts
from tests.pipeline.prepared import SIDE, prepared


def test_a_decathlon_set_comes_to_a_model_that_segments_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    scans, paths = tmp_path / "Task01", Paths(tmp_path / "project")
    layouts.write_nnunet(scans, cases=6, together=True)
    chosen = prepared(paths, source="nnunet", location=str(scans))
    augment.run(chosen.augment, paths)
    train.run(chosen.train, paths)
    evaluate.run(chosen.evaluate.model_copy(update={"bootstrap": 100, "tta": "none"}), paths)
    export.run(chosen.export.model_copy(update={"int8": False}), paths)
    report.run(paths)
    metrics = json.loads(paths.evaluate_metrics.read_text(encoding="utf-8"))
    assert list(metrics["test"]["regions"]) == ["necrosis", "oedema", "enhancing"]
    assert "scans of the user's own" in paths.card.read_text(encoding="utf-8")
    model = onnx_predictor.open_model(paths.export)
    assert model.spec.input.channels == list(layouts.SEQUENCES)
    assert model.spec.output.exclusive
    (scan,) = discovery.find([scans / "imagesTr" / f"{layouts.case_name(1)}.nii.gz"]).scans
    volume = reading.read(scan, model.spec.input)
    segmented = segmenting.segment(volume.voxels, volume.spacing, model)
    assert segmented.labels.shape == (4, SIDE, SIDE)
    assert set(np.unique(segmented.labels)) <= {0, 1, 2, 3}


def test_the_sessions_of_a_subject_of_bids_are_in_one_part_of_the_split(tmp_path: Path) -> None:
    layouts.write_bids(tmp_path / "bids", subjects=6, sessions=2)
    paths = Paths(tmp_path / "project")
    prepared(paths, source="nifti", location=str(tmp_path / "bids"))
    splits = tables.read(tables.SPLITS, paths.splits)
    assert splits["case_id"].nunique() == 12
    assert (splits.groupby("patient_id")["split"].nunique() == 1).all()
    assert set(splits["patient_id"]) == {f"sub-0{subject}" for subject in range(1, 7)}
