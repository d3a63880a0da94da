"""The whole pipeline on other sources than the sample; on real archives through `dvc` as a person runs it."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stages import augment, evaluate, export, ingest, preprocess, report, split, train, validate
from stages.experiments import experiment
from stages.project.paths import Paths
from tests.fixtures import volumes
from tests.pipeline.import_graph import ROOT
from tests.pipeline.project import STAGES, TINY, Project, ran

REGIONS = ["whole_tumour", "tumour_core", "enhancing_tumour"]


def read(project: Project | Paths, name: str) -> Any:
    return json.loads((project.root / name).read_text(encoding="utf-8"))


@pytest.mark.usefixtures("undrawn")
def test_volumes_with_three_regions_two_of_four_modalities_and_their_neighbours_come_to_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stage by stage in this process; that DVC runs them so is test_dag's to prove."""
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    volumes.write_brats(tmp_path / "scans", cases=6, year=2023, slices=6)
    words = ["ingest.source=brats", f"ingest.location={tmp_path / 'scans'}", "preprocess.size=64"]
    words += ["preprocess.channels=[t1ce,flair]", "train.context=1", "train.epochs=1"]
    words += ["train.encoder=tu-test_resnet", "train.encoder_weights=null", "train.decoder_width=0.25"]
    words += ["evaluate.bootstrap=200", "export.int8=false"]
    chosen = experiment.resolved(words, ROOT / "params.yaml")
    paths = Paths(tmp_path / "project")
    ingest.run(chosen.ingest, paths)
    validate.run(chosen.validate_, paths)
    preprocess.run(chosen.preprocess, paths)
    split.run(chosen.split, paths)
    augment.run(chosen.augment, paths)
    train.run(chosen.train, paths)
    evaluate.run(chosen.evaluate, paths)
    export.run(chosen.export, paths)
    report.run(paths)

    meta = read(paths, "data/slices/meta.json")
    assert meta["channels"] == ["t1ce", "flair"]
    assert list(meta["regions"]) == REGIONS
    model = read(paths, "models/model.json")
    assert (model["context"], len(model["mean"])) == (1, 6)  # two modalities of three slices
    test = read(paths, "reports/evaluate/metrics.json")["test"]
    assert list(test["regions"]) == REGIONS
    for region in test["regions"].values():
        assert {"dice", "dice_ci_low", "dice_ci_high", "hd95_mm", "nsd", "volume_error_ml"} <= set(region)
    cases = pd.read_csv(paths.per_case)
    by_hand = cases.groupby("region")["dice"].mean()
    assert {name: test["regions"][name]["dice"] for name in REGIONS} == pytest.approx(dict(by_hand), abs=1e-5)
    assert test["dice"] == pytest.approx(by_hand.mean(), abs=1e-5)
    assert read(paths, "reports/export/metrics.json")["onnx"]["max_probability_change"] < 1e-4
    page = paths.report.read_text(encoding="utf-8")
    assert all(f'<th scope="col" class="num">{name.replace("_", " ")}</th>' in page for name in REGIONS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "archive", "slices"),
    [
        ("brats", "brats2015.zip", None),
        ("coco", "coco.zip", 399),
        ("coco", "coco_polygons.zip", 178),
        ("pairs", "figshare.zip", 133),
    ],
)
def test_a_real_archive_comes_to_a_report(
    shared_data: Path, tmp_path: Path, source: str, archive: str, slices: int
) -> None:
    chosen = {"ingest.source": source, "ingest.location": str(shared_data / archive), "ingest.limit": "null"}
    published = {"split.strategy": "source"} if source == "brats" else {}
    project = Project(tmp_path, TINY | chosen | published | {"train.epochs": "1"})
    assert ran(project.dvc("repro")) == STAGES
    told = read(project, "reports/validate/metrics.json")
    assert told["quarantined"] == 0
    assert slices in (None, told["slices"])
    regions = read(project, "reports/evaluate/metrics.json")["test"].get("regions", {})
    assert list(regions) == (REGIONS if source == "brats" else [])
    assert (project.root / "reports/index.html").stat().st_size > 100_000
