"""What a person sees when something is wrong: one sentence, status 2, no traceback, nothing half-written."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import programs, scans
from tests.pipeline.import_graph import ROOT
from tests.pipeline.project import TINY, Project


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project that reads the LGG layout from the folder `scans` beside it."""
    root = tmp_path_factory.mktemp("made")
    scans.write_lgg(root / "scans", patients=4, slices=4, size=64)
    Project(root / "project", TINY | {"ingest.source": "lgg", "ingest.location": "../scans"})
    return root


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Project:
    """A copy that a test may change, without what stages in this process do not read."""
    return copied(made, tmp_path, "stages", ".git")


def copied(made: Path, root: Path, *without: str) -> Project:
    copy = object.__new__(Project)
    copy.root = root / "project"
    shutil.copytree(made, root, ignore=shutil.ignore_patterns(*without), dirs_exist_ok=True)
    return copy


Stage = Callable[..., str]


@pytest.fixture
def stage(project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Stage:
    """Runs a stage by name, as `python -m` does but within this process, and tells what it prints. Fails on
    another status.
    """
    monkeypatch.chdir(project.root)

    def run(name: str, status: int = 0) -> str:
        ended, *printed = programs.run(import_module(f"stages.{name}").app, name, (), capfd)
        assert ended == status, printed
        return "".join(printed)

    return run


def only_sentence(output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip()]
    assert len(lines) == 1, output
    assert "Traceback" not in output
    return lines[0].removeprefix("error: ")


def a_slice(project: Project, ending: str) -> Path:
    return sorted((project.root.parent / "scans").rglob(f"*{ending}"))[0]


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("train.lr", "fast", "params.yaml: train.lr must be a number, not 'fast'"),
        ("train.epochs", "1.5", "params.yaml: train.epochs must be a whole number, not 1.5"),
        ("preprocess.size", "100", "params.yaml: preprocess.size must be a multiple of 32, not 100"),
        (
            "ingest.source",
            "brain",
            "params.yaml: ingest.source must be 'sample', 'lgg', 'coco', 'pairs', 'brats', "
            "'nnunet', 'nifti' or 'corrections', not 'brain'",
        ),
    ],
)
def test_a_wrong_value_is_named_before_anything_runs(
    project: Project, stage: Callable[..., Any], key: str, value: str, sentence: str
) -> None:
    project.set(key, value)
    assert only_sentence(stage("ingest", status=2)) == sentence
    assert not (project.root / "data").exists()


def test_an_unknown_key_is_named_with_the_likely_one(project: Project, stage: Callable[..., Any]) -> None:
    params = project.root / "params.yaml"
    params.write_text(
        params.read_text(encoding="utf-8").replace("batch_size:", "bach_size:"), encoding="utf-8"
    )
    told = only_sentence(stage("ingest", status=2))
    assert told == "params.yaml: unknown key train.bach_size; did you mean batch_size?"


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("missing", "does not exist; set it to a folder or a .zip that does"),
        (
            "empty",
            "the folder holds no scans of source lgg (kaggle_3m/<case>/<case>_<number>.tif with "
            "<case>_<number>_mask.tif beside it); check ingest.source and ingest.location",
        ),
        (
            "holiday.zip",
            "the archive holds no scans of source lgg (kaggle_3m/<case>/<case>_<number>.tif with "
            "<case>_<number>_mask.tif beside it); check ingest.source and ingest.location",
        ),
        ("text.zip", "is neither a folder nor a zip archive; unpack or download it again"),
    ],
)
def test_a_location_without_scans(
    project: Project, stage: Callable[..., Any], location: str, told: str
) -> None:
    outside = project.root.parent
    (outside / "empty").mkdir()
    with zipfile.ZipFile(outside / "holiday.zip", "w") as archive:
        archive.writestr("beach.jpg", b"sand")
    (outside / "text.zip").write_text("no archive")
    project.set("ingest.location", f"../{location}")
    sentence = only_sentence(stage("ingest", status=2))
    assert sentence.startswith("ingest.location ")
    assert location in sentence
    assert sentence.endswith(told)
    assert project.hashes("data") == {}
    assert project.leftovers() == []


def damage_image(project: Project) -> tuple[str, str]:
    a_slice(project, "_1.tif").write_bytes(b"II*\0 torn")
    return "kaggle_3m", "_1.tif: it is not a readable TIFF"


def remove_mask(project: Project) -> tuple[str, str]:
    a_slice(project, "_1_mask.tif").unlink()
    return "kaggle_3m", "_1.tif: there is no mask"


def remove_image(project: Project) -> tuple[str, str]:
    a_slice(project, "_1.tif").unlink()
    return "kaggle_3m", "_1_mask.tif: there is no image"


@pytest.mark.parametrize("harm", [damage_image, remove_mask, remove_image], ids=lambda harm: harm.__name__)
def test_one_bad_slice_stops_the_run_or_is_quarantined(
    project: Project, stage: Callable[..., Any], harm: Callable[[Project], tuple[str, str]]
) -> None:
    folder, told = harm(project)
    stage("ingest")
    sentence = only_sentence(stage("validate", status=2))
    assert sentence.startswith(f"1 of 16 slices cannot be used: {folder}/")
    assert told in sentence
    assert sentence.endswith(
        "; repair or remove them, or set validate.on_error: quarantine to go on without them"
    )
    assert sorted(project.hashes("reports")) == ["reports/sites.csv", "reports/tried.csv"]
    assert not (project.root / "data/validated.csv").exists()


def test_quarantine_goes_on_without_the_bad_slice_up_to_a_share(
    project: Project, stage: Callable[..., Any]
) -> None:
    _, told = damage_image(project)
    stage("ingest")
    project.set("validate.on_error", "quarantine")
    project.set("validate.max_quarantined", "0.01")
    sentence = only_sentence(stage("validate", status=2))
    assert sentence.endswith("; that is more than validate.max_quarantined 0.01, repair the data or raise it")
    project.set("validate.max_quarantined", "0.1")
    stage("validate")
    findings = (project.root / "reports/validate/findings.csv").read_text(encoding="utf-8")
    assert told.split(": ")[1] in findings
    assert len((project.root / "data/validated.csv").read_text(encoding="utf-8").splitlines()) == 16


def test_dvc_passes_the_sentence_on_and_leaves_no_out(made: Path, tmp_path: Path) -> None:
    project = copied(made, tmp_path)
    a_slice(project, "_1.tif").write_bytes(b"")
    output = project.dvc("repro", status=255)
    assert "error: 1 of 16 slices cannot be used" in output
    assert "exited with 2" in output
    assert "Traceback" not in output
    assert not (project.root / "data/validated.csv").exists()


def test_outside_a_project(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from stages.cli import main; main()", "ingest"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=env, text=True, capture_output=True)
    assert done.returncode == 2
    assert (
        done.stderr == f"error: params.yaml is not in {tmp_path}; run this command in the project's folder\n"
    )


def test_stages_out_of_order_name_what_is_missing(stage: Callable[..., Any]) -> None:
    for name, missing in [
        ("validate", "data/manifest.csv does not exist; `dvc repro` makes it"),
        ("preprocess", "data/validated.csv does not exist; `dvc repro` makes it"),
        ("split", "data/slices/index.csv does not exist; `dvc repro` makes it"),
        ("train", "data/slices/meta.json does not exist; `dvc repro preprocess` makes it"),
        ("report", "models/export/model_card.md does not exist; `dvc repro` makes it"),
    ]:
        assert only_sentence(stage(name, status=2)) == missing
