"""The export stage: a model that explains itself, an int8 form only where it is good enough, a card."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from stages import export
from stages.exporting import description, parity
from stages.fingerprints import seen
from stages.inference import onnx_predictor
from stages.inference.cases import Prediction
from stages.masks.guarantee import Guarantees, Ranks
from stages.networks import modelfile, network
from stages.networks.architecture import Architecture
from stages.population.catalogue import CONFIDENCE
from stages.project.paths import HERE
from stages.scoring.decision import Decision
from tests.fixtures import reports, trainings

ROOT = Path(__file__).resolve().parents[2]
TWO = Ranks(2, (0.1, 0.25))
PROMISED = Guarantees({"tumour": Ranks(2, (60.0, 20.0))}, TWO, TWO, TWO, {"tumour": -0.1})
COUNTS = {"patients": 2, "slices": 9, "tumour_slices": 3}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the export stage reads: 10 cases of 3 slices, one network with random weights."""
    root = tmp_path_factory.mktemp("project")
    store = trainings.blobs(root / HERE.slices, cases=10, slices=3)
    of_case = ["train", "train", "test", "val", "val", "val", "val", "val", "val", "train"]
    split = [of_case[int(case.removeprefix("case"))] for case in store.index["case_id"]]
    members = store.index[["sample_id", "case_id", "patient_id"]]
    members.assign(group=members["patient_id"], split=split).to_csv(root / HERE.splits, index=False)
    torch.manual_seed(0)
    net = network.build(Architecture(arch="unet", encoder=trainings.ENCODER), None, 1, [60.0] * 3, [40.0] * 3)
    with torch.no_grad():
        for _ in range(10):
            net.train()(torch.from_numpy(store.images(np.arange(30))[:, None]))
    (root / "models").mkdir()
    about = reports.model().model_copy(
        update={
            "encoder": trainings.ENCODER,
            "size": trainings.SIZE,
            "channels": store.meta.channels,
            "mean": [60.0] * 3,
            "std": [40.0] * 3,
        }
    )
    hashes = seen.read(export.shards.fingerprints(root / HERE.slices), "")
    seen.write(seen.distinct(hashes), root / HERE.learnt)
    weights = {name: value.contiguous() for name, value in net.state_dict().items()}
    modelfile.save(about, weights, root / HERE.model, root / HERE.weights)
    chosen = Decision(
        threshold={"tumour": 0.1}, tta="flip", smallest_component_ml={"tumour": 0.0}, val_dice=0.5
    )
    write(root / HERE.decision, asdict(chosen))
    write(root / HERE.guarantees, asdict(PROMISED))
    write(root / HERE.evaluate_metrics, reports.evaluated())
    parts = dict.fromkeys(("train", "val", "test"), COUNTS)
    write(root / HERE.split_metrics, {"strategy": "patient", "leaking_test_slices": 0.0, **parts})
    (root / HERE.findings).parent.mkdir(parents=True)
    (root / HERE.findings).write_text("severity,check,sample_id,file,explanation\n")
    (root / HERE.per_case).write_text(
        "case_id,patient_id,region,slices,dice,truth_ml\ncase02,patient1,tumour,3,0.5,1\n"
    )
    shutil.copy(ROOT / "params.yaml", root)
    return root


def write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


@pytest.fixture(scope="module")
def exported(project: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        export.main()
    return project


def test_the_folder_and_each_file_alone_say_the_same(exported: Path) -> None:
    folder = exported / HERE.export
    described = onnx_predictor.open_model(folder).spec
    assert described == onnx_predictor.open_model(folder / "model.onnx").spec
    assert described.input.channels == ["channel0", "channel1", "channel2"]
    assert described.input.modalities == []
    assert described.decision.tta == "flip"
    assert described.guarantees == PROMISED
    assert described.output.classes == {1: "class1"}
    told = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
    assert set(told.pop("files")) == {path.name for path in folder.glob("*.onnx")}
    assert type(described).model_validate(told) == described


def test_the_confidence_to_compare_with_is_of_validation(exported: Path) -> None:
    """Six validation cases; computed here with torch, the mask by hand."""
    described = onnx_predictor.open_model(exported / HERE.export).spec
    _, net = modelfile.load(exported / HERE.model, exported / HERE.weights)
    opened = export.shards.open_store(exported / HERE.slices)
    sure = []
    for case in range(3, 9):
        images = torch.from_numpy(opened.images(np.arange(3 * case, 3 * case + 3))[:, None])
        with torch.inference_mode():
            both = (net(images).sigmoid() + net(images.flip(3)).sigmoid().flip(3)) / 2
        levels = np.floor(both.numpy().astype(np.float64) * 200)
        sure.append((levels[levels >= 20].mean() + 0.5) / 200)
    assert described.decision.low_confidence_below == pytest.approx(np.percentile(sure, 10), abs=2e-4)


def test_the_export_knows_what_the_training_has_seen(exported: Path) -> None:
    assert np.array_equal(seen.read(exported / HERE.seen, ""), seen.read(exported / HERE.learnt, ""))


def test_metrics_and_card(exported: Path) -> None:
    metrics = json.loads((exported / HERE.export_metrics).read_text(encoding="utf-8"))
    assert metrics["onnx"]["max_probability_change"] < 1e-4
    assert metrics["int8"]["shipped"] == (exported / HERE.onnx_int8).exists()
    card = (exported / HERE.card).read_text(encoding="utf-8")
    assert str(exported) not in card
    assert "Validation found nothing amiss" in card


def test_twice_gives_the_same_bytes(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(exported)
    before = {path.name: path.read_bytes() for path in (exported / HERE.export).iterdir()}
    export.main()
    assert {path.name: path.read_bytes() for path in (exported / HERE.export).iterdir()} == before


@pytest.mark.parametrize(("allowed", "shipped"), [(0.4, True), (0.39, False)])
def test_an_int8_model_that_loses_too_much_is_not_shipped(
    tmp_path: Path, allowed: float, shipped: bool
) -> None:
    """The int8 form answers 0.6 on half of the tumour and misses the rest: a Dice of 2/3 against 1."""
    opened = trainings.blobs(tmp_path / "s", cases=1, slices=2)
    truth = opened.masks(np.arange(2)) > 0
    half = np.flatnonzero(truth.ravel())[: int(truth.sum()) * 3 // 7]  # 2 x 3/7 / (1 + 3/7) = 0.6
    found = np.zeros(truth.size, np.float32)
    found[half] = 0.6
    chosen = Decision(
        threshold={"tumour": 0.5}, tta="none", smallest_component_ml={"tumour": 0.0}, val_dice=1.0
    )
    path = tmp_path / "model.int8.onnx"
    path.write_bytes(b"12345")
    case = Prediction("case00", np.arange(2), found.reshape(2, 1, *truth.shape[1:]))
    metrics = parity.weighed(opened, chosen, 1.0, allowed + 0.005, [case], path)
    assert metrics["dice"] == pytest.approx(0.6, abs=0.01)
    assert (metrics["shipped"], path.exists(), metrics["bytes"]) == (shipped, shipped, 5)
    if not shipped:
        lost = 1 - metrics["dice"]
        assert metrics["reason"] == (
            f"loses {lost:.4f} test Dice, export.max_dice_drop allows {allowed + 0.005:g}"
        )


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (["pre;flair;post"] * 3, ["pre", "flair", "post"]),
        (["gray", "red;green;blue", "gray"], []),
        ([""] * 3, []),
    ],
)
def test_modalities_where_all_scans_have_the_same(
    tmp_path: Path, told: list[str], expected: list[str]
) -> None:
    opened = trainings.blobs(tmp_path / "s", cases=1, slices=3)
    opened.index["modalities"] = pd.Series(told)
    chosen = reports.decision()
    assert description.of(reports.model(channels=["flair"]), chosen, opened).input.modalities == expected


def test_the_model_carries_its_patients_and_how_sure_it_is_of_those_not_trained_on(exported: Path) -> None:
    population = onnx_predictor.open_model(exported / HERE.export / "model.onnx").spec.population
    assert population is not None
    assert len(population) == 5  # two cases each
    sure = population.table([CONFIDENCE])[:, 0]
    assert 1 <= np.isnan(sure).sum() <= 2  # one patient's cases are both trained on, two others' one
    assert ((sure[~np.isnan(sure)] > 0.1) & (sure[~np.isnan(sure)] < 1)).all()
    assert (population.table(["slices", "slice_distance_mm", "pixel_mm"]) == [3, 2, 1]).all()
