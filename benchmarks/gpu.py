"""What a GPU brings: whether it agrees with the CPU, slices a second, memory, time to a Dice, and five folds.

    python benchmarks/gpu.py prepared/128 prepared/192 prepared/256
    python benchmarks/gpu.py prepared/128 -S train.epochs=2 --parts agreement,speed      # where time is short

Each folder is a project in which `dvc repro preprocess` ended, one for each size of slices; of it data/slices
and data/validated.csv are read, so that a machine without the scans will do. The recipe is the preset's, with
-S words over it. Agreement and time to a Dice are told for the first folder, the folds for the last one.
Without a GPU everything runs on the CPU.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from ruamel.yaml import YAML
from safetensors import numpy as arrays
from safetensors.torch import load_file, save_file
from training import ROOT, Bench
from tutorial_loop import DEVICE, now

from stages import augment, split
from stages.experiments import recipe
from stages.inference import cases
from stages.inference.torch_predictor import TorchPredictor
from stages.masks.levels import LEVELS
from stages.masks.rule import Tta
from stages.networks import allocation
from stages.project import params
from stages.project.paths import HERE, Paths
from stages.scoring import decision, prediction
from stages.scoring.prediction import Predictions
from stages.training import fitting
from stages.training.checkpoint import Keeper

PARTS = ("agreement", "speed", "dice", "folds")
FOLDS = 5
HALF = LEVELS // 2
RESULT, WEIGHTS, ANSWERS = Path("result.json"), Path("kept/kept.safetensors"), Path("answers.safetensors")


def project(folder: Path, prepared: Path, words: list[str], fold: int, seed: int = 0) -> Path:
    """Make `folder` a project of prepared slices, divided, with the params of the -S `words`."""
    yaml = YAML()
    chosen = yaml.load(ROOT / "params.yaml")
    words = [*words, f"split.folds={FOLDS}", f"split.fold={fold}", f"train.seed={seed}"]
    for key, text in (word.split("=", 1) for word in words):
        *sections, name = key.split(".")
        section = reduce(getitem, sections, chosen)
        section[name] = YAML(typ="safe", pure=True).load(text)
    paths = Paths(folder)
    paths.slices.parent.mkdir(parents=True)
    yaml.dump(chosen, paths.params)
    for out in (HERE.slices, HERE.validated):
        (folder / out).symlink_to((prepared / out).resolve())
    checked = params.read(paths.params)
    split.run(checked.split, paths)
    augment.run(checked.augment, paths)
    return folder


def run(folder: Path, cpu: bool = False) -> dict[str, Any]:
    """`trained` in a process of its own; cpu: which sees no GPU."""
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if cpu else {}
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"} | hidden
    subprocess.run([sys.executable, __file__, "--trained", folder], env=environment, check=True)
    result: dict[str, Any] = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    return result


def trained(folder: Path) -> None:
    """Train in a project unless its weights are there, answer for its validation and test patients, and write
    what came of it: seconds, validation Dice of each epoch, Dice of each test patient.
    """
    os.chdir(folder)
    bench = Bench()
    result: dict[str, Any] = {"precision": bench.precision}
    if not WEIGHTS.exists():
        keeper = Keeper(WEIGHTS.parent, bench.params.patience, choice=bench.params.keep)
        began = now()
        fitting.fit(bench.segmenter(), *bench.loaders(), keeper, bench.machine, bench.params.epochs, None)
        result |= {"seconds": now() - began, "val_dice": list(keeper.table()["val_dice"])}
        save_file(keeper.kept_weights(), WEIGHTS)
    network = bench.network()
    network.load_state_dict(load_file(WEIGHTS))
    model = TorchPredictor(network, bench.depth, bench.params.batch_size)
    options: tuple[Tta, ...] = ("none", "flip")
    by_split = {}
    for name in ("val", "test"):
        rows = bench.rows[name]
        held = {tta: Predictions(bench.store) for tta in options}
        for answers in cases.by_tta(model, bench.store, rows, options):
            for tta, answer in answers.items():
                held[tta].add(answer)
        by_split[name] = held
    region = next(iter(bench.store.meta.regions))
    chosen = decision.choose(by_split["val"], [region], "auto", "auto")
    result["test"] = {
        case.case_id: prediction.dice(case, 0, region, chosen) for case in by_split["test"][chosen.tta]
    }
    arrays.save_file({case.case_id: case.levels for case in by_split["val"]["none"]}, ANSWERS)
    RESULT.write_text(json.dumps(result), encoding="utf-8")


def agreement(folder: Path, prepared: Path, words: list[str]) -> str:
    """Two epochs on the CPU and, with two seeds, on the GPU; and the CPU's answers with the GPU's weights."""
    words = [*words, "train.epochs=2"]
    fast = run(project(folder / "gpu", prepared, words, 0))
    other = run(project(folder / "gpu-other-seed", prepared, words, 0, seed=1))
    slow = run(project(folder / "cpu", prepared, words, 0), cpu=True)
    again = project(folder / "again", prepared, words, 0)
    (again / WEIGHTS).parent.mkdir()
    (again / WEIGHTS).symlink_to(folder / "gpu" / WEIGHTS)
    run(again, cpu=True)
    ours, theirs = (arrays.load_file(place / ANSWERS) for place in (folder / "gpu", again))
    apart = sum(int(((ours[name] > HALF) != (theirs[name] > HALF)).sum()) for name in ours)
    tumour = sum(int((ours[name] > HALF).sum()) for name in ours)
    dice = [f"{one['val_dice'][-1]:.3f}" for one in (fast, other, slow)]
    return (
        f"validation Dice after two epochs: GPU {dice[0]} ({fast['precision']}), another seed {dice[1]}, CPU "
        f"{dice[2]} ({slow['precision']}, {slow['seconds'] / fast['seconds']:.1f} times as long); the GPU's "
        f"weights answer {apart} pixels differently on the CPU, of {tumour} of tumour"
    )


def speed(folder: Path, prepared: Path, words: list[str], rounds: int = 3) -> str:
    """Slices a second of the bare network and of a training, in turns, and the most memory that it took."""
    os.chdir(project(folder / "speed", prepared, words, 0))
    bench = Bench()
    if DEVICE.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    rates = np.array([(bench.bare(), bench.ours()) for _ in range(rounds)])
    bare, ours = np.median(rates, axis=0)
    share = np.median(rates[:, 1] / rates[:, 0])
    memory = f", {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB at most" if DEVICE.type == "cuda" else ""
    busy = f", {np.mean(bench.busy):.0f} % busy" if bench.busy else ""
    size, batch = bench.store.meta.size, bench.params.batch_size
    return (
        f"{size} px, batches of {batch}: {ours:.0f} slices a second, {share:.0%} of {bare:.0f}{memory}{busy}"
    )


def time_to(folder: Path, prepared: Path, words: list[str], dice: float) -> str:
    """Seconds until a validation Dice."""
    os.chdir(project(folder / "dice", prepared, words, 0))
    bench = Bench()
    spent, reached = bench.ours_until(dice, bench.params.epochs)
    return f"validation Dice {reached:.3f} after {spent:.0f} s (up to {dice}, fold 0 of {FOLDS})"


def folds(folder: Path, prepared: Path, words: list[str], at_once: int) -> str:
    """Test Dice of every patient, by folds that train side by side."""
    began = time.perf_counter()
    projects = [project(folder / f"fold-{fold}", prepared, words, fold) for fold in range(FOLDS)]
    with ThreadPoolExecutor(at_once) as pool:
        results = list(pool.map(run, projects))
    dice = np.array([one for result in results for one in result["test"].values()])
    means = ", ".join(f"{np.mean(list(result['test'].values())):.3f}" for result in results)
    spent = time.perf_counter() - began
    return (
        f"{FOLDS} folds in {spent:.0f} s: mean Dice {dice.mean():.3f} of {len(dice)} cases, "
        f"median {np.median(dice):.3f}, {int((dice < 0.3).sum())} under 0.3; folds {means}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("prepared", type=Path, nargs="*", help="projects with data/slices, by size")
    parser.add_argument("--preset", default="lgg-best")
    parser.add_argument("-S", dest="words", action="append", default=[], help="section.key=value")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--dice", type=float, default=0.8)
    parser.add_argument("--at-once", type=int, default=FOLDS, help="folds that train side by side")
    parser.add_argument("--keep", type=Path, help="a new folder for what is trained, else none")
    parser.add_argument("--trained", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    allocation.keep_freed_memory()
    if args.trained:
        trained(args.trained)
        return
    words = [*recipe.words(recipe.load(args.preset).overrides), *args.words]
    prepared = [folder.resolve() for folder in args.prepared]
    machine = torch.cuda.get_device_name() if DEVICE.type == "cuda" else "no GPU"
    print(f"{machine}, torch {torch.__version__}; {args.preset} {' '.join(args.words)}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = args.keep.resolve() if args.keep else Path(name)
        for part in args.parts.split(","):
            if part == "agreement":
                print(agreement(folder, prepared[0], words), flush=True)
            elif part == "speed":
                for number, one in enumerate(prepared):
                    print(speed(folder / str(number), one, words), flush=True)
            elif part == "dice":
                print(time_to(folder, prepared[0], words, args.dice), flush=True)
            elif part == "folds":
                print(folds(folder, prepared[-1], words, args.at_once), flush=True)
        os.chdir(ROOT)


if __name__ == "__main__":
    main()
