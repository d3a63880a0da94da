"""The whole pipeline on eight tiny patients, through `dvc` as a person runs it."""

import csv
import datetime
import json
import shutil
import sqlite3
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.pipeline.project import STAGES, Project, ran


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project after its first `dvc repro`, committed."""
    project = Project(tmp_path_factory.mktemp("project"))
    output = project.dvc("repro")
    assert ran(output) == STAGES
    project.commit("first run")
    return project


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished project that a test may change; its cache and git history come along."""
    copy = object.__new__(Project)
    copy.root = tmp_path / "copy"
    shutil.copytree(finished.root, copy.root)
    return copy


def stale(project: Project) -> dict[str, Any]:
    """What `dvc repro` would run and why, by stage, but for the one that always runs. Of a stage that waits
    for another to run it tells nothing yet.
    """
    status = json.loads(project.dvc("status", "--json"))
    return {stage: reasons for stage, reasons in status.items() if stage != "locate"}


def locked_outs(project: Project, *stages: str) -> list[Path]:
    """Files and folders that dvc.lock says some stages wrote."""
    lock = YAML(typ="safe").load((project.root / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    return [project.root / out["path"] for stage in stages for out in lock[stage]["outs"]]


def metrics(project: Project, stage: str) -> Any:
    return json.loads((project.root / f"reports/{stage}/metrics.json").read_text(encoding="utf-8"))


def test_the_headline_and_its_companions_are_under_their_names(finished: Project) -> None:
    test = metrics(finished, "evaluate")["test"]
    names = "dice dice_ci_low dice_ci_high iou precision recall specificity pixel_accuracy hd95_mm nsd"
    assert list(test)[:11] == [*names.split(), "volume_error_ml"]
    assert 0 <= test["dice_ci_low"] <= test["dice"] <= test["dice_ci_high"] <= 1
    assert metrics(finished, "evaluate")["leaky"] is False
    per_case = list(csv.DictReader((finished.root / "reports/evaluate/per_case.csv").open(encoding="utf-8")))
    by_hand = sum(float(row["dice"]) for row in per_case) / len(per_case)
    assert test["dice"] == pytest.approx(by_hand, abs=1e-5)
    shown = finished.dvc("metrics", "show", "--json")
    assert '"dice_ci_low"' in shown


def test_onnx_answers_as_torch_does(finished: Project) -> None:
    exported = metrics(finished, "export")
    assert exported["onnx"]["max_probability_change"] < 1e-4
    assert abs(exported["onnx"]["dice_change"]) < 1e-4
    assert exported["torch"]["dice"] == pytest.approx(metrics(finished, "evaluate")["test"]["dice"], abs=1e-6)
    shipped = (finished.root / "models/export/model.int8.onnx").exists()
    assert exported["int8"]["shipped"] is shipped


def test_no_patient_straddles_the_split(finished: Project) -> None:
    where: dict[str, set[str]] = {}
    for row in csv.DictReader((finished.root / "data/splits.csv").open(encoding="utf-8")):
        where.setdefault(row["patient_id"], set()).add(row["split"])
    assert len(where) == 8
    assert all(len(splits) == 1 for splits in where.values())
    assert {split for splits in where.values() for split in splits} == {"train", "val", "test"}


def test_the_report_needs_no_network(finished: Project) -> None:
    page = (finished.root / "reports/index.html").read_text(encoding="utf-8")
    assert "test Dice" in page
    assert 'src="http' not in page
    assert 'href="http' not in page
    assert page.count("<script>") == 1
    assert page.count("data:image/png;base64,") == 7
    assert page.count("data:image/webp;base64,") >= 3
    assert len(page) < 5_000_000


def test_dvc_plots_training_curves_cases_and_pictures(finished: Project) -> None:
    plots = json.loads(finished.dvc("plots", "show", "--json"))["data"]
    curves = (
        *("Loss", "Precision and recall", "Calibration"),
        *("reports/train/history.csv", "reports/evaluate/per_case.csv"),
    )
    for name in curves:
        (plot,) = plots[name]
        assert plot["type"] == "vega"
        assert plot["content"]["data"]["values"], name
        assert "<DVC" not in json.dumps(plot["content"])
    pictures = [name for name, (plot,) in plots.items() if plot["type"] == "image"]
    assert pictures == [f"reports/evaluate/overlays/{n:02d}.png" for n in range(1, len(pictures) + 1)]
    assert pictures


def test_mlflow_holds_what_may_not_be_in_the_artefacts(finished: Project) -> None:
    with sqlite3.connect(finished.root / "mlflow.db") as runs:
        names = {name for (name,) in runs.execute("select distinct key from metrics")}
        tags = dict(runs.execute("select key, value from tags"))
        params = dict(runs.execute("select key, value from params"))
        status = [status for (status,) in runs.execute("select status from runs")]
    assert {"train_loss", "val_loss", "val_dice", "epoch_seconds", "training_seconds"} <= names
    model = json.loads((finished.root / "models/model.json").read_text(encoding="utf-8"))
    assert tags["data_hash"] == model["data_hash"]
    assert tags["git_revision"].startswith(finished.git("rev-list", "--max-parents=0", "HEAD").strip())
    assert params["lr"] == "0.003"
    assert status == ["FINISHED"]


def test_artefacts_hold_no_trace_of_this_machine_or_day(finished: Project) -> None:
    today = datetime.date.today().isoformat()
    for path in sorted(finished.root.joinpath("reports").rglob("*")) + sorted(
        finished.root.joinpath("models").rglob("*")
    ):
        if path.is_file():
            content = path.read_bytes()
            assert str(finished.root).encode() not in content, path
            assert today.encode() not in content, path
            assert today.replace("-", "").encode() not in content or path.suffix in (".png", ".onnx"), path


def test_nothing_changed_nothing_runs(finished: Project) -> None:
    assert ran(finished.dvc("repro")) == []
    assert finished.git("status", "--porcelain") == ""


ONE_PROCESS = """
import importlib, sys
from stages.core import workers
shared = workers.pool
workers.pool = lambda processes=None: shared(3)  # neither validate's cores nor preprocess.jobs
for stage in sys.argv[1:]:
    importlib.import_module(f"stages.{stage}").main()
"""


def test_everything_again_is_bit_exact(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one process instead of ten, from the scans on, and shared out among another number of workers."""
    monkeypatch.setenv("BRAINSEG_KEPT_GIB", "0")  # nothing of the run before is read
    before = project.hashes()
    for out in locked_outs(project, *STAGES):
        shutil.rmtree(out) if out.is_dir() else out.unlink()
    kept = {"data/location.json", "reports/tried.csv", "reports/sites.csv"}  # which no run removes
    assert set(project.hashes()) == kept
    project.run(sys.executable, "-c", ONE_PROCESS, "locate", *STAGES)
    assert project.hashes() == before
    assert stale(project) == {}  # dvc.lock is as true as it was
    assert project.git("status", "--porcelain") == ""


def test_a_split_param_does_not_rerun_preprocess(project: Project) -> None:
    assert ran(project.dvc("exp", "run", "-S", "split.seed=1", "split")) == ["split"]
    experiments = csv.DictReader(StringIO(project.dvc("exp", "show", "--csv")))
    assert {row["split.seed"] for row in experiments} == {"0", "1"}
    assert set(stale(project)) == {"augment", "train", "evaluate", "export", "report"}


def test_a_training_param_reruns_training_and_what_follows(project: Project) -> None:
    project.set("train.lr", "1e-3")
    assert stale(project) == {"train": [{"changed deps": {"params.yaml": {"train": "modified"}}}]}
    for out in locked_outs(project, "train"):
        out.write_bytes(out.read_bytes() + b" ")  # as another training writes other bytes
    assert set(stale(project)) == {"train", "evaluate", "export", "report"}


def test_another_size_prepares_the_slices_anew(project: Project) -> None:
    """DVC's run cache sees no param called `size` (treeverse/dvc#10296): it would hand out the old slices."""
    project.set("preprocess.size", "32")
    assert ran(project.dvc("repro", "preprocess")) == ["preprocess"]
    assert json.loads((project.root / "data/slices/meta.json").read_text(encoding="utf-8"))["size"] == 32


def test_wording_retrains_nothing(project: Project) -> None:
    (project.root / "README.md").write_text("another wording\n", encoding="utf-8")
    template = project.root / "stages/reporting/templates/report.html.j2"
    template.write_text(
        template.read_text(encoding="utf-8").replace("To the content", "another wording"), encoding="utf-8"
    )
    assert stale(project) == {"report": [{"changed deps": {"stages/reporting": "modified"}}]}


def test_an_experiment_elsewhere_reads_a_relative_location(project: Project) -> None:
    """`--temp` runs in a copy without git-ignored files; a relative location still means the user's."""
    scans = project.root / "scans"
    shutil.copytree(project.root / "data/raw", scans)
    (project.root / ".git/info/exclude").write_text("/scans\n", encoding="utf-8")
    project.set("ingest.source", "lgg")
    project.set("ingest.location", "scans")
    project.commit("own scans")
    assert ran(project.dvc("exp", "run", "--temp", "ingest")) == ["ingest"]
