"""How fast ingest and preprocess go through an archive, as a ratio to a plain loop that decodes the same
files.

    python benchmarks/throughput.py lgg=lgg.zip pairs=figshare.zip

The loop is what a notebook does: open the archive, decode every image and mask once (tifffile for TIFF,
Pillow for PNG and JPEG), keep nothing. Ours unpacks to disk, lists, scales, crops, resizes and writes the
slice store. Both start with Python and all libraries loaded; the best of `--repeat` runs counts, taken in
turns.
"""

import argparse
import io
import os
import tempfile
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image
from ruamel.yaml import YAML

from stages import ingest, preprocess
from stages.core import tables
from stages.project.paths import HERE

ROOT = Path(__file__).resolve().parent.parent
SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg")


def loop(archive: Path) -> int:
    """Decode every picture of an archive, one after the other."""
    decoded = 0
    with zipfile.ZipFile(archive) as packed:
        for name in packed.namelist():
            if name.lower().endswith(SUFFIXES):
                content = io.BytesIO(packed.read(name))
                if name.lower().endswith((".tif", ".tiff")):
                    tifffile.imread(content)
                else:
                    np.asarray(Image.open(content))
                decoded += 1
    return decoded


def project(folder: Path, source: str, archive: Path, jobs: int) -> None:
    """A params.yaml in `folder` for this source."""
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params["ingest"] |= {"source": source, "location": str(archive.resolve())}
    params["preprocess"]["jobs"] = jobs
    yaml.dump(params, folder / "params.yaml")


def ours() -> None:
    """The two stages, in the current folder; what validate would add is written between them."""
    ingest.main()
    table = tables.read(tables.MANIFEST, HERE.manifest)
    tables.write(table.assign(group=table["patient_id"]), HERE.validated)
    preprocess.main()


def seconds(work: Callable[[], object]) -> float:
    """Time of one run, after what earlier ones left to be written to disk has been."""
    os.sync()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Measure each archive with one and with two processes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("archives", nargs="+", help="source=archive.zip")
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    home = Path.cwd()
    for source, name in (one.split("=", 1) for one in args.archives):
        archive = (home / name).resolve()
        files = loop(archive)  # also warms the file cache
        times: dict[int, list[float]] = {0: [], 1: [], 2: []}
        for _ in range(args.repeat):
            times[0].append(seconds(partial(loop, archive)))
            for jobs in (1, 2):
                with tempfile.TemporaryDirectory() as temporary:
                    project(Path(temporary), source, archive, jobs)
                    os.chdir(temporary)
                    os.sched_setaffinity(0, cores[:jobs])
                    times[jobs].append(seconds(ours))
                    os.sched_setaffinity(0, cores)
                    os.chdir(home)
        plain, one, two = (min(times[jobs]) for jobs in (0, 1, 2))
        print(
            f"{archive.name}: {files} files; loop {plain:.2f} s; ingest + preprocess {one:.2f} s on one core "
            f"({plain / one:.2f} x), {two:.2f} s on two ({plain / two:.2f} x)"
        )


if __name__ == "__main__":
    main()
