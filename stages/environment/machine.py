"""What this machine is made of, as far as it matters here, without torch, which takes seconds to import."""

import math
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from enum import StrEnum
from importlib import util
from pathlib import Path

from stages.core import memory as main_memory
from stages.core import workers
from stages.core.processor import CPUINFO, Processor

CGROUP = workers.CGROUP
GIB = main_memory.GIB
DISK_GIB, MEMORY_GIB = 2.0, 3.0
"""Below that a run of the generated scans does not end well: it writes 0.4 GiB and takes 1.9 GB at most."""
ROOM_GIB = 20.0
"""Real sets take several times their download: in data/raw, in data/slices and in DVC's cache."""


class Status(StrEnum):
    """Whether something is there, is there but not as it should be, or is needed and not there."""

    OK = "ok"
    WARN = "warn"
    MISSING = "missing"


@dataclass(frozen=True)
class Diagnosis:
    """A line: what was looked at, how it is, its state, and what to do about it ("" where nothing)."""

    what: str
    status: Status
    found: str
    advice: str = ""


def disk() -> Diagnosis:
    free = shutil.disk_usage(Path.cwd()).free / GIB
    if free < DISK_GIB:
        return Diagnosis("disk", Status.MISSING, f"{free:.1f} GiB free", f"free {DISK_GIB:.0f} GiB or more")
    if free < ROOM_GIB:
        return Diagnosis("disk", Status.WARN, f"{free:.1f} GiB free", "enough for the sample; sets need more")
    return Diagnosis("disk", Status.OK, f"{free:.0f} GiB free")


def memory() -> Diagnosis:
    total, granted = main_memory.total(), main_memory.granted(CGROUP)
    state = f"{granted / GIB:.1f} GiB" + (f" of the machine's {total / GIB:.1f}" if granted < total else "")
    if granted < MEMORY_GIB * GIB:
        return Diagnosis("memory", Status.MISSING, state, f"{MEMORY_GIB:.0f} GiB or more are needed")
    return Diagnosis("memory", Status.OK, state)


def threads() -> Diagnosis:
    cores, granted = workers.cores(), workers.granted(CGROUP)
    state = f"{cores} cores" + (f", of which {granted:g} are granted" if granted < cores else "")
    asked = os.environ.get("OMP_NUM_THREADS", "")
    usable = max(1, math.floor(granted))
    if asked.isdecimal() and int(asked) != usable:
        return Diagnosis("threads", Status.WARN, f"{state}, OMP_NUM_THREADS={asked}", f"set it to {usable}")
    if granted < cores and not asked:
        return Diagnosis("threads", Status.WARN, state, f"export OMP_NUM_THREADS={usable}")
    return Diagnosis("threads", Status.OK, state)


def gpu() -> Diagnosis:
    cards, trouble = _cards()
    if trouble:
        return Diagnosis("GPU", Status.WARN, trouble, "repair the driver, or train on the CPU")
    if not cards:
        return Diagnosis("GPU", Status.OK, "none; the CPU trains")
    state = ", ".join(f"{name} ({memory})" for name, memory, _ in cards)
    if (cuda := _torch_cuda()) is None:
        return Diagnosis("GPU", Status.WARN, f"{state}, but torch has no CUDA", "install torch from PyPI")
    return Diagnosis("GPU", Status.OK, f"{state}, torch with CUDA {cuda}")


def bf16() -> Diagnosis:
    """Whether `train.precision: auto` means bf16 (see stages/training/fitting.py)."""
    cards, _ = _cards()
    if cards and _torch_cuda():
        able = all(float(capability) >= 8 for _, _, capability in cards)
        return Diagnosis(
            "bf16", Status.OK, "yes, on the GPU" if able else "not on this GPU; it trains in fp32"
        )
    cpu = Processor.here(CPUINFO)
    if cpu.bf16:
        return Diagnosis("bf16", Status.OK, f"yes, the CPU has {cpu.bf16}")
    if "avx512_bf16" in cpu.flags:
        return Diagnosis("bf16", Status.OK, "AVX512-BF16 without AMX is not faster; auto trains in fp32")
    return Diagnosis("bf16", Status.OK, "no; auto trains in fp32")


def _cards() -> tuple[list[tuple[str, str, str]], str]:
    """Name, memory and compute capability of each NVIDIA GPU; and what is wrong with asking for them."""
    if shutil.which("nvidia-smi") is None:
        return [], ""
    asked = ["nvidia-smi", "--query-gpu=name,memory.total,compute_cap", "--format=csv,noheader"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=2)
    except subprocess.TimeoutExpired:
        return [], "nvidia-smi does not answer"
    if done.returncode:
        return [], (done.stdout + done.stderr).strip().split("\n")[0] or "nvidia-smi fails"
    rows = [line.split(", ") for line in done.stdout.splitlines()]
    return [(row[0], row[1], row[2]) for row in rows if len(row) == 3], ""


def _torch_cuda() -> str | None:
    """CUDA version that torch was built for, read without importing it."""
    package = util.find_spec("torch")
    if package is None or not package.submodule_search_locations:
        return None
    source = "\n".join(lines(Path(package.submodule_search_locations[0]) / "version.py"))
    cuda = re.search(r"^cuda.*= '([\d.]+)'", source, re.MULTILINE)
    return cuda[1] if cuda else None


def lines(path: Path) -> list[str]:
    """Lines of a text file but comments; none where there is no such file."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line and not line.startswith("#")]
