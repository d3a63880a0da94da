"""The leak tax of eight tiny patients, through `brainseg preset` and `dvc exp run` as a person runs it."""

import csv
import io
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from stages.sources.sources import SOURCES
from tests.pipeline.project import TINY, Project

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with its slices made and committed, whose scans have since gone: ingest cannot run again."""
    chosen = {"ingest.source": "lgg", "ingest.location": "scans", "evaluate.tta": "none"}
    (tmp_path / "project").mkdir()
    project = Project(tmp_path / "project", TINY | chosen)
    (project.root / ".git/info/exclude").write_text("/scans\n", encoding="utf-8")
    generate = SOURCES["sample"].generate
    assert generate is not None
    generate(project.root / "scans", 8, 0)
    project.dvc("repro", "preprocess")
    project.commit("slices")
    shutil.rmtree(project.root / "scans")
    return project


def experiments(project: Project) -> dict[str, str]:
    """Ref of each experiment by its name without the key."""
    refs = project.git("for-each-ref", "--format=%(refname)", "refs/exps").split()
    return {re.sub(r"-[0-9a-f]{8}$", "", ref.split("/")[-1]): ref for ref in refs if "leak-tax" in ref}


def test_every_fold_of_both_arms_once_then_the_table_and_nothing_else_touched(project: Project) -> None:
    run = (sys.executable, "-m", "stages.cli", "preset", "leak-tax", "--run", "-S", "split.folds=3")
    project.set("train.epochs", "1")  # and not committed: what is in the work tree is what runs
    (project.root / "notes.txt").write_text("mine\n", encoding="utf-8")
    before, status = project.hashes(), project.git("status", "--porcelain")
    assert status.splitlines() == [" M params.yaml", "?? notes.txt"]

    told = project.run(*run)
    assert project.git("status", "--porcelain") == status
    assert project.hashes() == before
    assert project.leftovers() == []

    refs = experiments(project)
    assert list(refs) == [f"leak-tax-{arm}-{fold}" for arm in ("patient", "slice") for fold in range(3)]
    tables = {
        name: list(csv.DictReader(io.StringIO(project.git("show", f"{ref}:reports/evaluate/per_case.csv"))))
        for name, ref in refs.items()
    }
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in told.splitlines() if "|" in line
    ]
    assert [row[0] for row in rows[2:4]] == ["patient", "slice"]
    assert [row[:2] for row in rows[6:8]] == [
        [arm, f"`-S split.strategy={arm}`"] for arm in ("patient", "slice")
    ]
    assert rows[8] == ["patient", "slices", "patient", "slice", "slice minus patient"]
    patients = rows[10:]
    assert len(patients) == 8
    slices = sum(1 for _ in csv.DictReader((project.root / "data/slices/index.csv").open(encoding="utf-8")))
    assert f"Data: lgg scans, 8 patients, {slices} slices. Folds: 3." in told
    assert "Epochs: 1. " in told
    assert sum(int(row[1]) for row in patients) == slices

    def tests_of(arm: str, patient: str) -> list[dict[str, Any]]:
        folds = (tables[f"leak-tax-{arm}-{fold}"] for fold in range(3))
        return [row for table in folds for row in table if row["patient_id"] == patient]

    # By hand: in the patient arm a patient is tested once, in the slice arm in every fold.
    for patient, tested, apart, leaky, tax in patients:
        once, parts = tests_of("patient", patient), tests_of("slice", patient)
        assert [f"{float(row['dice']):.3f}" for row in once] == [apart]
        assert len(parts) == 3
        assert sum(int(row["slices"]) for row in parts) == int(tested)
        volume = [float(row["truth_ml"]) + float(row["predicted_ml"]) for row in parts]
        both = sum(float(row["dice"]) * ml for row, ml in zip(parts, volume, strict=True))
        assert both / sum(volume) == pytest.approx(float(leaky), abs=6e-4)
        assert float(tax) == pytest.approx(float(leaky) - float(apart), abs=1.1e-3)
    for column, told_mean in enumerate((rows[2][1], rows[3][1], rows[3][3])):
        mean = sum(float(cells[2 + column]) for cells in patients) / len(patients)
        assert float(told_mean) == pytest.approx(mean, abs=1.1e-3)

    # Nothing is run twice: a second experiment of one name is refused by DVC, or would be another commit.
    commits = project.git("for-each-ref", "refs/exps")
    assert project.run(*run) == told
    assert project.git("for-each-ref", "refs/exps") == commits
