"""A cross-validation of tiny patients through DVC's queue, joined to one model that segments a scan."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from stages.core import tables
from stages.fingerprints import seen
from tests.pipeline.project import TINY, Project

pytestmark = pytest.mark.slow


def test_the_folds_of_a_queue_become_one_model(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    project = Project(tmp_path / "project", TINY | {"train.epochs": "1", "evaluate.tta": "none"})
    told = project.run(sys.executable, "-m", "stages.cli", "ensemble", status=2)
    assert "error: no experiments of this commit cover all folds; run dvc exp run --queue" in told
    folds = ("-S", "split.strategy=site", "-S", "split.folds=4", "-S", "split.fold=range(4)")
    project.dvc("exp", "run", "--queue", *folds)
    project.dvc("exp", "run", "--run-all", "-j", "1")

    told = project.run(sys.executable, "-m", "stages.cli", "ensemble")
    metrics = json.loads((project.root / "reports/ensemble/metrics.json").read_text())
    assert f"cross-validated Dice {metrics['dice']:.3f} (95 % interval " in told
    assert (metrics["patients"], metrics["folds"], metrics["seeds"], metrics["leaky"]) == (8, 4, 1, False)
    assert metrics["dice_ci_low"] <= metrics["dice"] <= metrics["dice_ci_high"]
    assert {name: site["patients"] for name, site in metrics["groups"]["site"].items()} == dict.fromkeys(
        ("AR", "BL", "CN", "DV"), 2
    )
    assert "by site, each by networks that have not seen it: " in told
    sites = tables.read(tables.SITES, project.root / "reports/sites.csv")
    by_site = {name: site["dice"] for name, site in metrics["groups"]["site"].items()}
    assert dict(zip(sites["site"], sites["dice"], strict=True)) == pytest.approx(by_site, abs=1e-5)
    assert set(sites["prepared"]) == {"preprocess.size=64, preprocess.channels=all, preprocess.crop=brain"}
    entered = (project.root / "reports/sites.csv").read_bytes()
    (project.root / "reports/sites.csv").unlink()
    preset = ("leave-one-site-out", "--run", "--arm", "new-site", "-S", "ingest.source=sample")
    project.run(sys.executable, "-m", "stages.cli", "preset", *preset, "-S", "split.folds=4")
    assert (project.root / "reports/sites.csv").read_bytes() == entered

    rows = list(csv.DictReader((project.root / "reports/ensemble/per_patient.csv").open()))
    refs = project.git("for-each-ref", "--format=%(refname)", "refs/exps").split()
    tested: dict[str, float] = {}
    for ref in (ref for ref in refs if ref.count("/") == 4):
        lines = project.git("show", f"{ref}:reports/evaluate/per_case.csv").splitlines()
        tested |= {row["patient_id"]: float(row["dice"]) for row in csv.DictReader(lines)}
    assert {row["patient_id"]: float(row["dice"]) for row in rows} == pytest.approx(tested, abs=1e-6)

    learnt = seen.read(project.root / "models/ensemble/seen.npy", "")
    assert np.array_equal(learnt, seen.distinct(learnt))
    assert len(learnt) > 8 * 10  # slices of all patients, each of whom was trained on in some fold

    model = project.root / "models/ensemble/model.onnx"
    assert sum(node.op_type == "Mean" for node in onnx.load(model).graph.node) == 1
    scans = project.root / "scans"
    project.run(
        sys.executable, "-c",
        "from pathlib import Path; from stages.sources.sources import SOURCES; "
        "SOURCES['sample'].generate(Path('scans'), 1, 9)",
    )  # fmt: skip
    case = next(path.parent for path in scans.rglob("*_1.tif"))
    project.run(
        sys.executable,
        "-m",
        "stages.cli",
        "predict",
        str(case),
        "--model",
        "models/ensemble",
        "--out",
        "masks",
    )
    assert len(list((project.root / "masks").rglob("*.tif"))) == len(list(case.glob("*_mask.tif")))
    assert project.git("status", "--porcelain", "--", "models/ensemble") == ""
