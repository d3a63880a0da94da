"""The evaluate stage on a tiny store and an untrained network: its outs, and what they may depend on."""

import contextlib
import json
import shutil
from pathlib import Path

import distributed
import numpy as np
import pandas as pd
import pytest
import torch

from stages import evaluate
from stages.core import cluster, workers
from stages.core.errors import UserError
from stages.masks.guarantee import Guarantees
from stages.networks import modelfile, network
from stages.networks.architecture import Architecture
from stages.project.paths import HERE
from stages.scoring import conformal, decision
from stages.scoring.metrics import NAMES
from stages.store import shards
from tests.fixtures import trainings
from tests.pipeline.import_graph import ROOT

LIBRARIES = ["pandas", "scipy.stats", "torch", "segmentation_models_pytorch", "matplotlib.pyplot"]
"""What stages.evaluate imports, most of the time."""
REGIONS = {"whole": [1, 2, 3], "core": [2, 3]}
SPLITS = ("train", "val", "val", "test", "test", "test")  # of the six patients


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's folder with everything that evaluate reads: 12 cases of four slices, two regions."""
    root = tmp_path_factory.mktemp("project")
    store = trainings.blobs(root / HERE.slices, cases=12, regions=REGIONS)
    patients = sorted(store.index["patient_id"].unique())
    split = store.index["patient_id"].map(dict(zip(patients, SPLITS, strict=True)))
    table = store.index[["sample_id", "case_id", "patient_id"]].assign(
        group=store.index["patient_id"], split=split
    )
    table.to_csv(root / HERE.splits, index=False)
    mean, std = [60.0] * 3, [40.0] * 3
    torch.manual_seed(0)
    net = network.build(Architecture(arch="unet", encoder=trainings.ENCODER), None, len(REGIONS), mean, std)
    about = modelfile.Model(
        arch="unet",
        encoder=trainings.ENCODER,
        dropout=0.0,
        context=0,
        size=trainings.SIZE,
        channels=store.meta.channels,
        regions=REGIONS,
        mean=mean,
        std=std,
        best_epoch=0,
        best_val_dice=0.5,
        batch_size=4,
        params={},
        data_hash="d" * 32,
        weights_hash="",
    )
    (root / HERE.model).parent.mkdir()
    weights = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
    modelfile.save(about, weights, root / HERE.model, root / HERE.weights)
    (root / HERE.history).parent.mkdir(parents=True)
    history = pd.DataFrame({"epoch": [0], "train_loss": [1.0], "val_loss": [1.0], "val_dice": [0.5]})
    history.to_csv(root / HERE.history, index=False)
    shutil.copyfile(ROOT / HERE.params, root / HERE.params)
    return root


def entered(root: Path, copy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that a test may change, as the working folder."""
    shutil.copytree(root, copy)
    monkeypatch.chdir(copy)
    return copy


@pytest.fixture
def project(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Before evaluate."""
    return entered(made, tmp_path / "copy", monkeypatch)


@pytest.fixture(scope="module")
def made_evaluated(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with what evaluate writes of it."""
    root = tmp_path_factory.mktemp("evaluated") / "project"
    shutil.copytree(made, root)
    with contextlib.chdir(root):
        evaluate.main()
    return root


@pytest.fixture
def evaluated(made_evaluated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """After it."""
    return entered(made_evaluated, tmp_path / "copy", monkeypatch)


def outs() -> dict[str, bytes]:
    written = [
        HERE.decision,
        HERE.guarantees,
        *(path for path in Path("reports/evaluate").rglob("*") if path.is_file()),
    ]
    return {path.as_posix(): path.read_bytes() for path in written}


def metrics() -> dict:
    return json.loads(HERE.evaluate_metrics.read_text(encoding="utf-8"))


def spoil(split: str) -> None:
    """Turn the labels of a split upside down, and shift them, in the store."""
    index, splits = (pd.read_csv(path) for path in (HERE.index, HERE.splits))
    rows = np.flatnonzero(index["sample_id"].isin(splits.loc[splits["split"] == split, "sample_id"]))
    masks = np.load(HERE.slices / "masks-000.npy", mmap_mode="r+")
    masks[rows] = np.roll(masks[rows][:, ::-1], 7, axis=2)
    masks[rows[::3]] = 0
    masks.flush()


@pytest.mark.usefixtures("undrawn")
def test_the_test_set_has_no_say_in_the_decision(evaluated: Path) -> None:
    decision, first = HERE.decision.read_bytes(), metrics()
    spoil("test")
    evaluate.main()
    assert HERE.decision.read_bytes() == decision
    assert metrics()["val"] == first["val"]
    assert metrics()["test"]["dice"] != first["test"]["dice"]
    spoil("val")
    evaluate.main()
    assert HERE.decision.read_bytes() != decision  # which the validation set has


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("patients", [1, 3])
def test_test_patients_without_tumour_are_told_of(
    project: Path, capsys: pytest.CaptureFixture[str], patients: int
) -> None:
    splits = pd.read_csv(HERE.splits)
    tested = sorted(splits.loc[splits["split"] == "test", "patient_id"].unique())[:patients]
    rows = np.flatnonzero(pd.read_csv(HERE.index)["patient_id"].isin(tested))
    masks = np.load(HERE.slices / "masks-000.npy", mmap_mode="r+")
    masks[rows] = 0
    masks.flush()
    evaluate.main()
    assert metrics()["test"]["empty_patients"] == patients
    assert metrics()["test"]["regions"]["core"]["empty_patients"] == patients
    warned = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    few = (
        "1 of 3 test patients have no labelled pixel; they count as 1 where nothing was predicted, else as 0"
    )
    whole = "none of the test patients has a labelled pixel, so that a Dice of 1 means no false alarm, and "
    whole += "how well anything is found is not known"
    assert warned == {1: [f"warning: {few}"], 3: [f"warning: {whole}"]}[patients]


def test_the_outs_are_a_function_of_what_is_read(evaluated: Path) -> None:
    first = outs()  # written elsewhere
    evaluate.main()
    assert outs() == first
    assert sorted(first) == sorted(
        [
            "models/decision.json",
            "models/guarantees.json",
            *(
                f"reports/evaluate/curves/{name}"
                for name in (
                    "calibration.csv",
                    "calibration.png",
                    "failures.png",
                    "frames.csv",
                    "precision_recall.csv",
                    "precision_recall.png",
                    "risk_coverage.csv",
                    "risk_coverage.png",
                    "training.png",
                    "volumes.png",
                )
            ),
            "reports/evaluate/metrics.json",
            *(f"reports/evaluate/overlays/{place:02d}.png" for place in range(1, 7)),
            "reports/evaluate/per_case.csv",
            "reports/evaluate/suspects.csv",
        ]
    )
    assert str(evaluated).encode() not in b"".join(outs().values())


def test_the_outs_are_the_same_wherever_cases_are_scored(
    evaluated: Path, monkeypatch: pytest.MonkeyPatch, scheduler: distributed.LocalCluster
) -> None:
    here = outs()
    with monkeypatch.context() as shared:
        shared.setattr(evaluate, "ALONE", 0)
        shared.setattr(workers, "AHEAD", 2)
        evaluate.main()
    assert outs() == here
    monkeypatch.setenv(cluster.ADDRESS, scheduler.scheduler_address)
    evaluate.main()
    assert outs() == here


@pytest.mark.usefixtures("undrawn")
def test_so_are_those_of_divided_cases(
    project: Path, monkeypatch: pytest.MonkeyPatch, scheduler: distributed.LocalCluster
) -> None:
    """Of a leaky split, where the slices of a case do not lie together. What goes to a cluster is pickled as
    what goes to processes of this machine is.
    """
    splits = pd.read_csv(HERE.splits)
    splits["split"] = [("test", "val", "train")[row % 3] for row in range(len(splits))]
    splits.to_csv(HERE.splits, index=False)
    evaluate.main()
    here = outs()
    monkeypatch.setenv(cluster.ADDRESS, scheduler.scheduler_address)
    evaluate.main()
    assert outs() == here


@pytest.mark.parametrize("alone", [True, False])
def test_a_large_set_is_scored_by_other_processes(
    project: Path, monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    slices = shards.open_store(HERE.slices)
    splits = pd.read_csv(HERE.splits)
    voxels = slices.meta.size**2 * len(REGIONS) * int(splits["split"].isin(["val", "test"]).sum())
    monkeypatch.setattr(evaluate, "ALONE", voxels + alone)
    with evaluate.scorers(slices, splits) as pool:
        assert (pool is None) is alone


def test_no_scheduler_is_told_before_anything_is_predicted(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cluster.ADDRESS, "tcp://127.0.0.1:9")
    monkeypatch.setattr(cluster, "_PATIENCE_S", 1)
    monkeypatch.setattr(evaluate.inference, "by_tta", None)
    with pytest.raises(UserError, match="no scheduler answers"):
        evaluate.main()
    assert not HERE.decision.exists()
    assert not HERE.evaluate_metrics.exists()


def test_metrics_have_the_names_others_rely_on(evaluated: Path) -> None:
    found, table = metrics(), pd.read_csv(HERE.per_case)
    assert list(found["test"]["regions"]) == list(REGIONS)
    for scores, rows in (
        (found["test"], table),
        (found["test"]["regions"]["core"], table[table["region"] == "core"]),
    ):
        for name in NAMES:
            assert {name, f"{name}_ci_low", f"{name}_ci_high"} <= set(scores)
            assert scores[name] == pytest.approx(rows.groupby("patient_id")[name].mean().mean(), rel=1e-5)
    assert len(table) == 6 * len(REGIONS)
    assert (found["test"]["patients"], found["test"]["empty_patients"]) == (3, 0)
    assert table["dice"].is_monotonic_increasing
    chosen = decision.read(HERE.decision)
    convention = found["conventions"][f"tta_{chosen.tta}"]
    assert convention["volume_dice"] == pytest.approx(found["test"]["dice"], abs=1e-6)
    assert convention["pooled_dice"] == found["conventions"]["pooled_dice"]
    assert found["conventions"]["tta_flip"] != found["conventions"]["tta_none"]
    assert set(pd.read_csv(HERE.suspects)["split"]) <= {"val", "test"}


@pytest.mark.usefixtures("undrawn")
def test_what_params_fix_is_not_chosen(project: Path) -> None:
    text = HERE.params.read_text(encoding="utf-8")
    for name, value in (("threshold", "0.7"), ("tta", "flip"), ("postprocess", "0.05")):
        assert f"\n  {name}: auto " in text
        text = text.replace(f"\n  {name}: auto ", f"\n  {name}: {value} ")
    HERE.params.write_text(text, encoding="utf-8")
    evaluate.main()
    chosen = decision.read(HERE.decision)
    assert chosen.threshold == dict.fromkeys(REGIONS, 0.7)
    assert (chosen.tta, chosen.smallest_component_ml) == ("flip", dict.fromkeys(REGIONS, 0.05))
    assert [name for name in metrics()["conventions"] if name.startswith("tta_")] == ["tta_flip"]


def promised() -> Guarantees:
    evaluate.main()
    return conformal.read(HERE.guarantees)


@pytest.mark.usefixtures("undrawn")
def test_what_is_promised_comes_from_the_test_patients_and_its_shift_from_validation(evaluated: Path) -> None:
    first = conformal.read(HERE.guarantees)
    assert [ranks.patients for ranks in (first.volume, first.trust, first.dice)] == [3, 3, 3]
    table = pd.read_csv(HERE.per_case)
    for region in REGIONS:
        lowest = table[table["region"] == region].groupby("patient_id")["outer_level"].min()
        assert first.outer[region].scores == tuple(sorted(lowest, reverse=True))
    assert first.volume.scores == pytest.approx(
        sorted(table.groupby("patient_id")["volume_log_error"].max()), abs=1e-5
    )
    measured = metrics()["guarantees"]
    assert (measured["patients"], measured["highest_coverage"]) == (3, 0.75)
    assert measured["volume_factor"] is None  # three patients cannot promise 0.9
    scans = table.groupby("case_id")[["dice", "expected_dice"]].mean()
    apart = (scans["dice"] - scans["expected_dice"]).abs()
    assert measured["expected_dice_mae"] == pytest.approx(apart.mean(), abs=1e-5)
    spoil("test")
    second = promised()
    assert second.dice_shift == first.dice_shift
    assert second.volume != first.volume
    spoil("val")
    assert promised().dice_shift != first.dice_shift


def test_volumes_of_a_case_are_of_all_its_regions(evaluated: Path) -> None:
    table = pd.read_csv(HERE.per_case)
    for name in ("volume_log_error", "confidence"):
        assert (table.groupby("case_id")[name].nunique() == 1).all()
    whole = table[table["region"] == "whole"]  # which holds the core in truth
    predicted = [(whole["truth_ml"] + 1) * np.exp(sign * whole["volume_log_error"]) - 1 for sign in (1, -1)]
    assert (np.maximum(*predicted) >= whole["predicted_ml"] - 1e-3).all()


@pytest.mark.usefixtures("undrawn")
def test_a_leaky_split_is_told_and_promises_nothing(evaluated: Path) -> None:
    assert metrics()["leaky"] is False
    splits = pd.read_csv(HERE.splits)
    splits.loc[splits.index[splits["split"] == "test"][0], "split"] = "train"
    splits.to_csv(HERE.splits, index=False)
    nothing_is_promised("patients of the test set were also trained or validated on")
    assert metrics()["leaky"] is True


@pytest.mark.usefixtures("undrawn")
def test_nothing_is_promised_where_patients_are_not_known(project: Path) -> None:
    pd.read_csv(HERE.index).assign(patient_known=False).to_csv(HERE.index, index=False)
    nothing_is_promised("the data do not tell which scans are of one patient")


def nothing_is_promised(why: str) -> None:
    own = promised()
    assert own.withheld == why
    assert own.volume.bound(0.01) is None
    assert metrics()["guarantees"]["withheld"] == own.withheld
    assert metrics()["guarantees"]["aurc"] > 0
