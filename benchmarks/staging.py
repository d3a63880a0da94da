"""Run stages in a temporary project and measure what they need, for the benchmarks beside this file."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
ANONYMOUS = ("Pss_Anon", "Pss_Shmem")


def set_up(folder: Path, source: str, **sections: Mapping[str, object]) -> None:
    """Make `folder` a project with the shipped params whose scans come from its subfolder `scans`. sections:
    other values, by section.
    """
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params["ingest"] |= {"source": source, "location": "scans"}
    for name, values in sections.items():
        params[name] |= values
    yaml.dump(params, folder / "params.yaml")


def stage(name: str, folder: Path, kinds: tuple[str, ...] = ("Pss",)) -> tuple[float, float]:
    """Run a stage; seconds, and peak memory in MiB of it and its children together. kinds: as of `memory`."""
    return watched([f"stages.{name}"], folder, kinds)


def watched(words: list[str], folder: Path, kinds: tuple[str, ...] = ("Pss",)) -> tuple[float, float]:
    """The same of a module with arguments. Not by the child's own highest, in which its parent's counts."""
    began = time.perf_counter()
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-m", *words], cwd=folder, env=env)
    peak = 0.0
    ended = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not ended.wait(0.05):
            peak = max(peak, sum(memory(pid, kinds) for pid in family(process.pid)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    status = process.wait()
    ended.set()
    watcher.join()
    if status:
        sys.exit(f"{words[0]} failed with status {status}")
    return time.perf_counter() - began, peak


def family(pid: int) -> list[int]:
    """A process and all below it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(one for child in children for one in family(int(child)))]


def memory(pid: int, kinds: tuple[str, ...] = ("Pss",)) -> float:
    """Proportional set size in MiB. kinds: `ANONYMOUS` leaves out pages of mapped files, which the kernel may
    take back at any time.
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.partition(":")[0] in kinds) / 1024
