"""A 3D network goes through every stage on a set as nnU-Net has it, and its model segments a file of it."""

import json
from pathlib import Path

import numpy as np
import pytest

from stages import augment, evaluate, export, report, train
from stages.inference import onnx_predictor
from stages.networks import modelfile
from stages.predicting import discovery, reading, segmenting
from stages.project.paths import Paths
from tests.fixtures import layouts, served
from tests.fixtures.requested import Server
from tests.pipeline.prepared import prepared

VOLUMES: dict[str, object] = {"dims": 3, "window": [4, 32, 32], "encoder_weights": None, "batch_size": 2}


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("arch", ["dynunet", pytest.param("segresnet", marks=pytest.mark.slow)])
def test_volumes_come_to_a_model_that_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arch: str
) -> None:
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    scans, paths = tmp_path / "Task01", Paths(tmp_path / "project")
    layouts.write_nnunet(scans, cases=6, together=True, slices=9, through_mm=(2.0, 3.0, 5.0))
    chosen = prepared(paths, source="nnunet", location=str(scans))
    augment.run(chosen.augment, paths)
    size = [8, 32, 32] if arch == "segresnet" else [4, 32, 32]
    own = VOLUMES | {"arch": arch, "epochs": 1, "window": size}
    train.run(chosen.train.model_copy(update=own), paths)
    model = modelfile.read(paths.model)
    assert (model.dims, list(model.window or ())) == (3, size)
    assert model.through_mm == 2.0  # thick ones: the 10th percentile
    scores = evaluate.run(chosen.evaluate.model_copy(update={"bootstrap": 100}), paths)
    assert list(scores["test"]["regions"]) == ["necrosis", "oedema", "enhancing"]
    metrics = export.run(chosen.export, paths)
    assert metrics["onnx"]["max_probability_change"] < 1e-4
    assert "int8" not in metrics
    assert "scans of the user's own" in paths.card.read_text(encoding="utf-8")
    report.run(paths)
    exported = onnx_predictor.open_model(paths.export)
    assert exported.spec.input.channels == list(layouts.SEQUENCES)
    assert exported.spec.output.exclusive
    assert json.loads(paths.spec.read_text())["input"]["window"] == size
    (scan,) = discovery.find([scans / "imagesTr" / f"{layouts.case_name(1)}.nii.gz"]).scans
    volume = reading.read(scan, exported.spec.input)
    segmented = segmenting.segment(volume.voxels, volume.spacing, exported)
    assert segmented.labels.shape == (9, 64, 64)
    assert set(np.unique(segmented.labels)) <= {0, 1, 2, 3}
    assert exported.spec.input.through_mm == 2.0
    assert not segmenting.remarks(volume.spacing, exported)
    (remark,) = segmenting.remarks(None, exported)
    assert remark.startswith(
        "it does not tell how far its slices lie apart, and the model was trained on 2 mm"
    )
    with served.running(paths.export) as address:
        server = Server(address)
        answer = server.done(server.send(scan.path.read_bytes(), scan.path.name)["id"])
        assert answer["status"] == "done", answer["error"]
        labels = server.ask("get", f"scans/{answer['id']}/labels").content
        assert labels == segmented.labels.tobytes()
