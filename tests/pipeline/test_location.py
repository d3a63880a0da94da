"""`dvc repro` and scans at ingest.location that come, change and go."""

import shutil
from pathlib import Path

from tests.fixtures import scans
from tests.pipeline.project import TINY, Project, ran


def test_what_changed_at_the_location_runs_ingest_and_what_did_not_does_not(tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    scans.write_lgg(folder, patients=2, slices=3)
    project = Project(tmp_path / "p", {**TINY, "ingest.source": "lgg", "ingest.location": "../scans"})
    assert ran(project.dvc("repro", "ingest")) == ["ingest"]
    project.commit("two patients")
    assert project.git("ls-files", "data").split() == ["data/.gitignore", "data/location.json"]
    assert ran(project.dvc("repro", "ingest")) == []
    assert project.git("status", "--porcelain") == ""

    scans.write_lgg(folder, patients=3, slices=3)
    assert ran(project.dvc("repro", "ingest")) == ["ingest"]
    assert len(list((project.root / "data/raw").rglob("*_mask.tif"))) == 9
    project.commit("three patients")

    shutil.rmtree(folder)
    output = project.dvc("repro", "ingest")
    assert ran(output) == []
    assert (
        "does not exist; set it to a folder or a .zip that does; until then it counts as unchanged" in output
    )
    assert project.git("status", "--porcelain") == ""
    # A colleague who has neither the scans nor what was hashed of them.
    project.git("clone", "-q", ".", "../colleague")
    project.root = tmp_path / "colleague"
    assert ran(project.dvc("repro", "--allow-missing", "ingest")) == []
