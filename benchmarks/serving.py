"""What a server bears: many uploads at once, and how long it takes to open beside `brainseg predict`.

    python benchmarks/serving.py --model models/export

Uploads are pictures of random numbers, 2 MB each, sent by so many threads at once; meanwhile /healthz is
asked in turns. All of it goes to this machine's own server. Memory is of the server and its process with the
model, proportional set size.
"""

import argparse
import io
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import requests
import staging
import tifffile

from stages.inference import onnx_predictor

ENVIRONMENT = os.environ | {"PYTHONPATH": str(staging.ROOT)}
BYTES = 2_000_000
"""Of a picture: random numbers do not compress."""


def picture(model: str) -> bytes:
    """A TIFF with as many channels as a model takes."""
    channels = len(onnx_predictor.open_model(Path(model)).spec.input.channels)
    side = round((BYTES / channels) ** 0.5)
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, channels), np.uint8)
    content = io.BytesIO()
    tifffile.imwrite(content, pixels, photometric="minisblack", planarconfig="contig")
    return content.getvalue()


@contextmanager
def server(model: str) -> Iterator[tuple[str, subprocess.Popen[str], float]]:
    """Address and process of a server, and seconds until it printed the address."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "stages.commands.serve", "--model", model, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        address = re.search(r"http://\S+", process.stdout.readline())
        if address is None:
            sys.exit("the server did not start")
        yield address.group(), process, time.perf_counter() - began
        process.terminate()


def opening(model: str, content: bytes, repeat: int) -> tuple[list[float], list[float]]:
    """Seconds of a whole prediction of one picture, and until a server answers, in turns."""
    cold, opened = [], []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "x.tif").write_bytes(content)
        for number in range(repeat):
            words = [f"{folder}/x.tif", "--model", model, "--out", f"{folder}/out{number}"]
            command = [sys.executable, "-m", "stages.commands.predict", *words]
            began = time.perf_counter()
            subprocess.run(command, env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)
            cold.append(time.perf_counter() - began)
            with server(model) as (_, _, spent):
                opened.append(spent)
    return cold, opened


def load(model: str, content: bytes, uploads: int) -> None:
    """Send so many pictures at once, ask how the server is meanwhile, and print what came of it."""
    with server(model) as (address, process, _):
        delays: list[float] = []
        memory = [0.0]
        ended = threading.Event()

        def watch() -> None:
            with requests.Session() as session:
                while not ended.wait(0.02):
                    began = time.perf_counter()
                    session.get(f"{address}healthz", timeout=60).raise_for_status()
                    delays.append(time.perf_counter() - began)

        def weigh() -> None:
            while not ended.wait(0.1):
                memory[0] = max(memory[0], sum(map(staging.memory, staging.family(process.pid))))

        def send(number: int) -> int:
            url = f"{address}api/scans?name={number}.tif"
            return requests.post(url, data=content, timeout=600).status_code

        watchers = [threading.Thread(target=watch), threading.Thread(target=weigh)]
        for watcher in watchers:
            watcher.start()
        began = time.perf_counter()
        with ThreadPoolExecutor(uploads) as pool:
            statuses = list(pool.map(send, range(uploads)))
        sent = time.perf_counter() - began
        while any(
            s["status"] in ("queued", "running")
            for s in requests.get(f"{address}api/scans", timeout=60).json()
        ):
            time.sleep(0.5)
        spent = time.perf_counter() - began
        ended.set()
        for watcher in watchers:
            watcher.join()
        scans = requests.get(f"{address}api/scans", timeout=60).json()
    done = sum(scan["status"] == "done" for scan in scans)
    print(
        f"{uploads} uploads of {len(content) / 1e6:.1f} MB at once: "
        f"{statuses.count(202)} accepted in {sent:.1f} s"
    )
    print(f"{done} of {len(scans)} masks after {spent:.1f} s, peak memory {memory[0]:.0f} MiB")
    low, high = np.percentile(delays, [50, 95]) * 1000
    print(
        f"/healthz, {len(delays)} times: median {low:.1f} ms, p95 {high:.1f} ms, "
        f"longest {max(delays) * 1000:.0f} ms"
    )


def listed(address: str) -> list[dict[str, Any]]:
    """The scans at a server."""
    answer: list[dict[str, Any]] = requests.get(f"{address}api/scans", timeout=60).json()
    return answer


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", default="models/export")
    parser.add_argument("--uploads", type=int, default=200)
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    content = picture(args.model)
    cold, opened = opening(args.model, content, args.repeat)
    print(
        f"predict of one picture, cold: {np.median(cold):.2f} s; "
        f"serve until it answers: {np.median(opened):.2f} s"
    )
    load(args.model, content, args.uploads)


if __name__ == "__main__":
    main()
