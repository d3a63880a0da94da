"""Time and memory of the whole pipeline on this machine, from nothing, in fresh copies of the project.

    python benchmarks/pipeline.py                          # the generated sample
    python benchmarks/pipeline.py --lgg /path/to/lgg.zip   # and the LGG scans at 128 px, 15 epochs

Prints one Markdown table. Times include each program's start. Peak memory is of the largest single process.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STAGES = ["ingest", "validate", "preprocess", "split", "augment", "train", "evaluate", "export", "report"]


def timed(command: list[str], folder: Path) -> float:
    """Seconds a command takes; its output only if it fails."""
    path = str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"]
    began = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PATH": path}, text=True, capture_output=True
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - began


def clone(folder: Path) -> Path:
    """A clone of the committed project, without any output of an earlier run."""
    target = folder / "project"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(target)], check=True)
    return target


def dice(folder: Path) -> str:
    test = json.loads((folder / "reports/evaluate/metrics.json").read_text())["test"]
    return (
        f"{test['dice']:.3f} ({test['dice_ci_low']:.3f} to {test['dice_ci_high']:.3f}, "
        f"{test['patients']} patients, worst {test['worst_dice']:.3f})"
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--lgg", type=Path, help="lgg.zip or the unpacked folder")
    lgg = arguments.parse_args().lgg
    rows: list[tuple[str, str]] = []
    dvc = [sys.executable, "-m", "dvc"]
    start = timed([sys.executable, "-c", "import numpy, pandas, pydantic, rich.progress, tifffile"], ROOT)
    with tempfile.TemporaryDirectory() as temporary:
        project = clone(Path(temporary))
        rows.append(
            ("sample: `dvc repro` from nothing", f"{timed([*dvc, 'repro', '--force'], project):.0f} s")
        )
        rows.append(("sample: test Dice", dice(project)))
        rows.append(("sample: `dvc repro`, nothing to do", f"{timed([*dvc, 'repro'], project):.1f} s"))
        for stage in STAGES:
            rows.append(
                (f"sample: {stage}", f"{timed([sys.executable, '-m', f'stages.{stage}'], project):.1f} s")
            )
    if lgg:
        with tempfile.TemporaryDirectory() as temporary:
            project = clone(Path(temporary))
            chosen = ["-S", "ingest.source=lgg", "-S", f"ingest.location={lgg.resolve()}"]
            command = [*dvc, "exp", "run", *chosen, "-S", "train.epochs=15"]
            rows.append(("LGG, 128 px, 15 epochs: `dvc exp run`", f"{timed(command, project):.0f} s"))
            rows.append(("LGG: test Dice", dice(project)))
            whole = timed([sys.executable, "-m", "stages.preprocess"], project)
            rows.append(("LGG: preprocess beyond process start", f"{whole - start:.1f} s"))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    rows.append(("peak memory of a process", f"{peak:.1f} GB"))
    print(f"{os.cpu_count()} cores\n\n| what | measured |\n| --- | --- |")
    for name, value in rows:
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
