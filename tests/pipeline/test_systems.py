"""Every published system on the real subsets for one epoch at 64 pixels, through `brainseg preset table`."""

import sys
from pathlib import Path

import pytest

from stages.experiments import recipe
from tests.pipeline.project import Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]
QUICK = ("train.epochs=1", "train.encoder_weights=null", "preprocess.size=64", "ingest.limit=30")
ARCHIVES = {"lgg": "lgg.zip", "pairs": "figshare.zip", "coco": "coco.zip", "brats": "brats2015.zip"}


def test_every_published_system_runs_as_published_and_by_patient(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    project = Project(tmp_path / "project", {"evaluate.bootstrap": "200"})
    words = [part for word in QUICK for part in ("-S", word)]
    words += [
        part for source, name in ARCHIVES.items() for part in ("--location", f"{source}={shared_data / name}")
    ]
    command = (sys.executable, "-m", "stages.cli", "preset", "table", *words)
    told = project.run(*command, "--run")
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in told.splitlines()]
    rows = {cells[0].strip("`"): cells[1:] for cells in lines if len(cells) == 4}
    published = {name: found for name in recipe.names() if (found := recipe.load(name).published)}
    assert set(published) < set(rows)
    for name, system in published.items():
        number, same, honest = rows[name]
        assert number == system.sentence
        assert same.startswith(f"{system.ours} 0."), name
        assert honest.startswith(("0.", "1.")), name
        assert "leaky" not in honest
    assert "(leaky)" in rows["lgg-bce"][1]
    assert project.git("status", "--porcelain") == ""
    assert project.run(*command) == told  # read, not run again
