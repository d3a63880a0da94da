"""The stages on two local Dask workers beside the processes of this machine, and predict on one and on two.

    python benchmarks/cluster.py --scans lgg.zip --model models/export --rounds 3

Ratios of medians in one run; the engines take turns. Starting Dask is not counted: a cluster is there before.
"""

import argparse
import hashlib
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import distributed
import staging

STAGES = ("ingest", "validate", "preprocess")


def cluster(workers: int) -> distributed.LocalCluster:
    """Workers on this machine, of one thread each."""
    return distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=50
    )


def hashes(folder: Path) -> str:
    """Of all that the stages wrote."""
    digest = hashlib.sha256()
    for path in sorted((folder / "data").rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def stages(place: Path, address: str | None) -> tuple[dict[str, float], str]:
    """Seconds of each stage, and a hash of what they wrote."""
    with tempfile.TemporaryDirectory() as root, engine(address):
        folder = Path(root)
        staging.set_up(folder, "lgg", ingest={"location": str(place)})
        return {name: staging.stage(name, folder)[0] for name in STAGES}, hashes(folder)


class engine:
    """The scheduler that the programs of a block are told of."""

    def __init__(self, address: str | None) -> None:
        self.address = address

    def __enter__(self) -> None:
        if self.address:
            os.environ["BRAINSEG_SCHEDULER"] = self.address

    def __exit__(self, *error: object) -> None:
        os.environ.pop("BRAINSEG_SCHEDULER", None)


def predicted(scans: Path, model: Path, address: str) -> float:
    """Seconds of predicting all scans of a folder."""
    with tempfile.TemporaryDirectory() as out, engine(address):
        words = [str(scans), "--model", str(model.resolve()), "--out", f"{out}/masks"]
        return staging.watched(["stages.commands.predict", *words], Path(out))[0]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--scans", type=Path, required=True, help="a zip in LGG's layout")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slices", type=int, default=200, help="scans of one slice that predict segments")
    args = parser.parse_args()
    place = args.scans.resolve()
    spent: dict[str, list[dict[str, float]]] = {"processes": [], "dask": []}
    written = set()
    with cluster(2) as two:
        for _ in range(args.rounds):
            for name, address in (("processes", None), ("dask", two.scheduler_address)):
                seconds, made = stages(place, address)
                spent[name].append(seconds | {"all": sum(seconds.values())})
                written.add(made)
    print(f"the same bytes: {len(written) == 1}")
    for name in (*STAGES, "all"):
        here, there = (statistics.median(times[name] for times in spent[one]) for one in spent)
        print(f"{name}: processes {here:.2f} s, Dask {there:.2f} s, {there / here:.2f} times")
    with tempfile.TemporaryDirectory() as root:
        shutil.unpack_archive(place, root)
        compared("cases", Path(root), args.model, args.rounds)
        compared(f"{args.slices} slices", slices(Path(root), args.slices), args.model, args.rounds)


def compared(what: str, scans: Path, model: Path, rounds: int) -> None:
    """Measure predict with one worker and with two."""
    times: dict[int, list[float]] = {1: [], 2: []}
    for workers in times:
        with cluster(workers) as local:
            predicted(scans, model, local.scheduler_address)  # the workers open the model
            for _ in range(rounds):
                times[workers].append(predicted(scans, model, local.scheduler_address))
    alone, both = (statistics.median(times[workers]) for workers in (1, 2))
    print(f"predict of {what}: one worker {alone:.1f} s, two {both:.1f} s, {alone / both:.2f}")


def slices(root: Path, number: int) -> Path:
    """So many slices below a folder, each a scan, in a folder of their own."""
    images = [path for path in sorted(root.rglob("*.tif")) if not path.stem.endswith("_mask")]
    (root / "slices").mkdir()
    for count, path in enumerate(images[:number]):
        path.rename(root / "slices" / f"scan{count}x.tif")
    return root / "slices"


if __name__ == "__main__":
    began = time.perf_counter()
    main()
    print(f"{time.perf_counter() - began:.0f} s in all")
