"""Every stage on small scans, of two sizes of set: peak memory of each, and the report's size."""

import resource
import shutil
import tempfile
from pathlib import Path

from scale_set import write_scans
from staging import ANONYMOUS, set_up, stage

from stages.project.paths import HERE

STAGES = ("ingest", "validate", "preprocess", "split", "augment", "train", "evaluate", "export", "report")
TINY = {
    "encoder": "tu-lcnet_050",
    "encoder_weights": None,
    "decoder_width": 0.25,
    "epochs": 1,
    "batch_size": 32,
}
"""A network that learns little: what grows with the set does not hang on it."""


def measured(slices: int) -> dict[str, tuple[float, float]]:
    """CPU seconds, of all cores, and peak MiB of each stage; "report.html" has MiB of the page."""
    numbers = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_scans(folder / "scans", slices)
        set_up(folder, "lgg", train=TINY, evaluate={"tta": "none"})
        for name in STAGES:
            before = _spent()
            _, peak = stage(name, folder, ANONYMOUS)
            numbers[name] = _spent() - before, peak
            print(f"{slices} slices, {name}: {numbers[name][0]:.0f} s, {peak:.0f} MiB", flush=True)
            if name == "ingest":
                shutil.rmtree(folder / "scans")
        numbers["report.html"] = 0.0, (folder / HERE.report).stat().st_size / 2**20
    return numbers


def _spent() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def compare(small: int, large: int) -> None:
    """Measure and print both sizes."""
    few, many = measured(small), measured(large)
    print(f"| stage | {small} slices | {large} slices | times | CPU s a slice, times |")
    print("| --- | --- | --- | --- | --- |")
    for name, (seconds, peak) in many.items():
        first, least = few[name]
        slower = f"{seconds / large / (first / small):.2f}" if first else ""
        print(f"| {name} | {least:.1f} MiB | {peak:.1f} MiB | {peak / least:.2f} | {slower} |")
