"""How fast training is, against the bare network and against a loop of the usual tutorial kind.

    python benchmarks/train_throughput.py --lgg lgg.zip                 # about five minutes on two cores
    python benchmarks/train_throughput.py --lgg lgg.zip --dice 0.75     # and the time to a validation Dice
    python benchmarks/train_throughput.py --lgg lgg.zip --dice 0.75 --fold 3   # on the patients of one fold

All three train the same network with batches of the same size, in turns; a ratio is the median over
`--repeat` rounds, so that what else the machine does meets all alike:
bare: forward, backward and optimiser on one batch of noise that lies in memory, with deterministic kernels;
ours: what `dvc repro train` does, from the slice store through augmentation to the optimiser;
loop: a data set that decodes a TIFF and its mask, augments and resizes them, one at a time; fp32, NCHW; in a
process of its own, for bare and ours keep freed memory as `dvc repro train` does, and a plain loop does not.

On a GPU all three use it; its peak memory is told too and, with nvidia-ml-py installed, how busy ours keeps
it.

The time to a validation Dice counts from the first step to the end of the first epoch whose volume Dice, mean
over validation patients at a threshold of 0.5, is that high; both stop after `--epochs`.
"""

import argparse
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from ruamel.yaml import YAML
from training import ROOT, Bench
from tutorial_loop import DEVICE, Loop

from stages import augment, ingest, preprocess, split
from stages.core import tables
from stages.networks import allocation
from stages.project.paths import HERE

Measured = dict[str, list[float]]


def prepare(archive: Path, size: int, batch_size: int, fold: int | None) -> None:
    """Everything up to augment, in the current folder; what validate would add is written between. fold: of
    five; None for the one split of params.yaml.
    """
    yaml = YAML()
    chosen = yaml.load(ROOT / "params.yaml")
    chosen["ingest"] |= {"source": "lgg", "location": str(archive)}
    chosen["preprocess"]["size"] = size
    chosen["train"]["batch_size"] = batch_size
    if fold is not None:
        chosen["split"] |= {"folds": 5, "fold": fold}
    yaml.dump(chosen, Path("params.yaml"))
    ingest.main()
    table = tables.read(tables.MANIFEST, HERE.manifest)
    tables.write(table.assign(group=table["patient_id"]), HERE.validated)
    for stage in (preprocess, split, augment):
        stage.main()


class LoopProcess:
    """A process that has a `Loop` and nothing to do until it is asked."""

    own: Loop

    def __init__(self, folder: Path) -> None:
        self.pool = ProcessPoolExecutor(1, get_context("spawn"), self.begin, (folder,))

    def __call__(self, method: str, *given: object) -> Any:
        return self.pool.submit(self.call, method, *given).result()

    @classmethod
    def begin(cls, folder: Path) -> None:
        os.chdir(folder)
        cv2.setNumThreads(1)
        cls.own = Loop(Bench())

    @classmethod
    def call(cls, method: str, *given: object) -> Any:
        return getattr(cls.own, method)(*given)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--lgg", type=Path, required=True, help="the LGG set, a .zip or folder")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--fold", type=int, help="of five; without it the split is that of params.yaml")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--dice", type=float)
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()
    archive = args.lgg.resolve()
    cv2.setNumThreads(1)
    allocation.keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        prepare(archive, args.size, args.batch_size, args.fold)
        bench, loop = Bench(), LoopProcess(Path(folder))
        told = f"{len(bench.rows['train'])} training slices at {args.size} px, batches of {args.batch_size}"
        print(f"{told}, {bench.precision}, {torch.get_num_threads()} threads")
        rates: Measured = {"bare": [], "ours": [], "loop": []}
        for _ in range(args.repeat):
            rates["bare"].append(bench.bare())
            rates["ours"].append(bench.ours())
            rates["loop"].append(loop("speed"))
        medians = ", ".join(f"{name} {np.median(found):.1f}" for name, found in rates.items())
        print(f"{medians} slices a second")
        of_bare, of_loop = (np.median(np.divide(rates["ours"], rates[name])) for name in ("bare", "loop"))
        print(f"ours is {of_bare:.1%} of the bare network and {of_loop:.2f} times the loop")
        if DEVICE.type == "cuda":
            busy = f"{np.mean(bench.busy):.0f} % busy" if bench.busy else "nvidia-ml-py tells how busy"
            peak = torch.cuda.max_memory_allocated() / 2**30
            print(f"{torch.cuda.get_device_name()}: {busy} while ours trains, {peak:.1f} GiB at most")
        if args.dice:
            fast, high = bench.ours_until(args.dice, args.epochs)
            slow, reached = loop("until", args.dice, args.epochs)
            ours = f"ours {high:.3f} after {fast:.0f} s"
            print(f"validation Dice, up to {args.dice}: {ours}, loop {reached:.3f} after {slow:.0f} s")
        os.chdir(ROOT)


if __name__ == "__main__":
    main()
