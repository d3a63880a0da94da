"""Time from nothing to the first mask, what of it is imports, and memory as scans become more.

    python benchmarks/predict.py scan.png --model models/export
    python benchmarks/predict.py case_folder --model models/export --many 100

Cold means a new process with files in the operating system's cache. The floor is a process that imports
numpy and onnxruntime and opens the same model: what no program over ONNX Runtime can go below.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FLOOR = (
    "import numpy, onnxruntime, sys\n"
    "onnxruntime.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])"
)
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


def process(command: list[str]) -> tuple[float, float]:
    """Seconds of a process and its peak memory in MiB."""
    began = time.perf_counter()
    started = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(started.pid, 0)
    spent = time.perf_counter() - began
    if status:
        sys.exit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return spent, used.ru_maxrss / 1024


def predict(scans: Path, model: Path) -> tuple[float, float]:
    """The same of segmenting scans into a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as out:
        words = [str(scans), "--model", str(model), "--out", str(Path(out) / "masks")]
        return process([sys.executable, "-m", "stages.commands.predict", *words])


def imports(scan: Path, model: Path) -> list[tuple[float, str]]:
    """The slowest imports of a prediction, in ms with what they import."""
    with tempfile.TemporaryDirectory() as out:
        words = [str(scan), "--model", str(model), "--out", str(Path(out) / "masks")]
        command = [sys.executable, "-X", "importtime", "-m", "stages.commands.predict", *words]
        told = subprocess.run(command, env=ENVIRONMENT, text=True, capture_output=True, check=True).stderr
    lines = re.findall(
        r"^import time:\s+\d+ \|\s+(\d+) \| {1,3}(\S+)$", told, re.MULTILINE
    )  # two levels deep
    return sorted(((int(spent) / 1000, name) for spent, name in lines), reverse=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("scan", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--many", type=int, default=50, help="copies of the scan, for memory")
    args = parser.parse_args()
    graph = args.model / "model.onnx" if args.model.is_dir() else args.model
    cold, floor = [], []
    for _ in range(args.repeat):  # in turns: what else the machine does meets both alike
        cold.append(predict(args.scan, args.model)[0])
        floor.append(process([sys.executable, "-c", FLOOR, str(graph)])[0])
    ours, least = sorted(cold), sorted(floor)
    print(f"cold start to the first mask: best {ours[0]:.2f} s, median {ours[len(ours) // 2]:.2f} s")
    print(
        f"floor: best {least[0]:.2f} s, median {least[len(least) // 2]:.2f} s; ratio {ours[0] / least[0]:.2f}"
    )
    for spent, name in imports(args.scan, args.model)[:8]:
        print(f"  {spent:6.0f} ms  {name}")
    with tempfile.TemporaryDirectory() as folder:
        for number in range(args.many):
            if args.scan.is_dir():
                shutil.copytree(args.scan, Path(folder) / str(number) / f"{args.scan.name}-{number}")
            else:
                shutil.copy(args.scan, Path(folder) / f"{number}{''.join(args.scan.suffixes)}")
        one, many = predict(args.scan, args.model), predict(Path(folder), args.model)
    print(f"1 scan: {one[0]:.2f} s, {one[1]:.0f} MiB; {args.many} scans: {many[0]:.2f} s, {many[1]:.0f} MiB")


if __name__ == "__main__":
    main()
