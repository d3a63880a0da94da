"""What the pages' commands are run in and on: a trained project with tiny params, and scans of every kind.

A project lies in a folder of its own; what pages call `../lgg.zip`, `../brats`, `../series` … lies beside it.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.docs.blocks import Block
from tests.fixtures import corrections, dicom, scans, volumes
from tests.pipeline.import_graph import ROOT
from tests.pipeline.project import TINY, Project

PLACEHOLDERS = {
    "<this repository>": "../source",
    "https://host/team/brainseg.git": "../published",
    "/path/to/project": ".",
    "/path/to/": "../",
    "SCAN...": "../scans",
    "BraTS2020.zip": "../brats",
    "BraTS20_Training_001": "BraTS2020_TrainingData/MICCAI_BraTS2020_TrainingData/BraTS20_Training_001",
    "SAMPLE_DV_1003_20011127": "$(ls data/raw/kaggle_3m | head -n 1)",
    "<name>": "$(dvc exp list --name-only | head -n 1)",
    "--trials 20": "--trials 2",
}
"""What the pages leave open, or what would take hours, and what stands for it here."""
MORE = (
    "Makefile",
    "pyproject.toml",
    "constraints.txt",
    "tests",
    "docs",
    "README.md",
    "CHANGELOG.md",
    "CITATION.cff",
)
"""What a clone has and `Project` leaves out: how-tos change it."""


def untrained(root: Path) -> Project:
    """A clone with tiny params, in which `make` finds the environment that runs the tests."""
    project = Project(root, TINY)
    left_out = shutil.ignore_patterns("__pycache__", "_build")
    for name in MORE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=left_out)
        else:
            shutil.copyfile(source, root / name)
    project.commit("The rest of the files")
    environment(root)
    return project


def environment(root: Path) -> None:
    """Let `.venv` of a clone be the environment that runs the tests."""
    (root / ".venv").mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (root / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    (root / ".venv/.ready").touch()


def beside(folder: Path, project: Project) -> None:
    """Write what the pages find beside a project, a trained one: scans, archives, versions of others."""
    raw = project.root / "data/raw"
    shutil.make_archive(str(folder / "lgg"), "zip", raw)
    for case in sorted((raw / "kaggle_3m").iterdir())[:3]:
        shutil.copytree(case, folder / "scans" / case.name)
    volumes.write_brats(folder / "brats", cases=6, slices=8)
    images, masks = scans.volume(12, 64, seed=7)
    dicom.write_series(folder / "series", images[..., 1].astype(np.uint16) * 4, spacing_mm=(5.0, 3.0, 3.0))
    corrections.write(folder / "corrections", "a patient of ours", images, masks)
    shutil.copytree(project.root, folder / "other", symlinks=True)
    shutil.copytree(project.root, folder / "source", symlinks=True)


def script(blocks: list[Block]) -> str:
    """Blocks of a page as one script of bash, which says on a line of its own which of them begins."""
    parts = ["set -eo pipefail"]
    for number, block in enumerate(blocks):
        parts.append(f"echo '@@ {number}'")
        if block.language == "diff":
            parts.append(f"git apply --recount - <<'@@'\n{block.source}@@")
            continue
        source = block.source
        for placeholder, stand_in in PLACEHOLDERS.items():
            source = source.replace(placeholder, stand_in)
        parts.append(source if block.language == "bash" else f"python - <<'@@'\n{source}@@")
    return "\n".join(parts) + "\n"


def run(project: Project, blocks: list[Block]) -> list[str]:
    """Run blocks one after the other; what each printed. Fails with the block that ended with another status
    than 0.
    """
    home = project.root.parent
    env = project.env | {
        "HOME": str(home),
        "PYTHONPATH": f"{project.root}:{project.env.get('PYTHONPATH', '')}",
        "OMP_NUM_THREADS": "1",
        "PAGER": "cat",
    }
    file = home / "page.sh"
    file.write_text(script(blocks), encoding="utf-8")
    done = subprocess.run(
        ["bash", str(file)],
        cwd=project.root,
        env=env,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    printed = [part.partition("\n")[2] for part in ("\n" + done.stdout).split("\n@@ ")[1:]]
    where = blocks[len(printed) - 1].where if printed else "before the first block"
    assert done.returncode == 0, f"{where} ended with {done.returncode}\n{done.stdout[-6000:]}"
    return printed
