"""Training in two processes over gloo: they share the batches of one, and come to the same within noise."""

import csv
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.project import TINY, Project

pytestmark = pytest.mark.slow


def history(project: Project) -> Any:
    return [
        {name: float(value) for name, value in row.items()}
        for row in csv.DictReader((project.root / "reports/train/history.csv").open(encoding="utf-8"))
    ]


def test_two_processes_train_as_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "project").mkdir()
    project = Project(tmp_path / "project", TINY | {"train.epochs": "4", "train.precision": "fp32"})
    project.dvc("repro", "augment")
    told = project.stage("train")
    assert told.count("training on ") == 1
    alone = history(project)

    project.set("train.devices", "2")
    told = project.stage("train")
    assert told.count("training on ") == 1  # the second process says nothing
    together, weights = history(project), project.hashes("models")
    assert len(together) == len(alone) == 4
    for one, two in zip(alone, together, strict=True):
        # Not equal: batch norm sees half a batch in each process.
        assert two["train_loss"] == pytest.approx(one["train_loss"], rel=0.1)
        assert two["val_loss"] == pytest.approx(one["val_loss"], rel=0.2)
        assert two["lr"] == one["lr"]
    assert together[-1]["train_loss"] < 0.8 * together[0]["train_loss"]

    project.run(
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "stages.train",
    )
    assert project.hashes("models") == weights
    assert project.leftovers() == []
    assert list((project.root / ".scratch/train").iterdir()) == []
