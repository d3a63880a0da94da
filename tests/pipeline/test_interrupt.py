"""Kill a stage at any moment, run it again: the same artefacts as an uninterrupted run, and nothing left
over.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.pipeline.project import STAGES, TINY, Project


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, dict[str, float]]:
    """A project whose stages have all run once, with the seconds each took."""
    project = Project(tmp_path_factory.mktemp("whole"), TINY | {"train.epochs": "4"})
    seconds = {}
    for stage in STAGES:
        began = time.monotonic()
        project.stage(stage)
        seconds[stage] = time.monotonic() - began
    return project, seconds


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_killed_and_run_again(finished: tuple[Project, dict[str, float]], tmp_path: Path, stage: str) -> None:
    whole, seconds = finished
    project = object.__new__(Project)
    project.root = tmp_path / "copy"
    shutil.copytree(whole.root, project.root)
    expected = project.hashes()
    described = YAML(typ="safe").load((project.root / "dvc.yaml").read_text(encoding="utf-8"))["stages"][
        stage
    ]
    outs = [
        out if isinstance(out, str) else next(iter(out))
        for kind in ("outs", "metrics")
        for out in described.get(kind, [])
    ]

    for share in (0.5, 0.75, 0.9, 0.97):
        for out in outs:  # as DVC does before it runs a stage
            path = project.root / out
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-m", f"stages.{stage}"],
            cwd=project.root,
            env=project.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # its workers die with it
        )
        time.sleep(share * seconds[stage])
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        now = project.hashes(*outs)
        visible = {name: digest for name, digest in project.hashes().items() if ".part-" not in name}
        assert visible.items() <= expected.items(), (
            f"killed at {share:.0%}, {stage} left something half-written: {now}"
        )

    project.stage(stage)
    assert project.hashes() == expected
    assert project.leftovers() == []
    if stage == "train":
        assert not list((project.root / ".scratch").rglob("*.ckpt"))
