"""How fast training is, against the bare network and against a loop of the usual tutorial kind.

    python benchmarks/train_throughput.py --lgg lgg.zip                 # about five minutes on two cores
    python benchmarks/train_throughput.py --lgg lgg.zip --dice 0.75     # and the time to a validation Dice

All three train the same network with batches of the same size, in turns; a ratio is the median over
`--repeat` rounds, so that what else the machine does meets all alike:
bare: forward, backward and optimiser on one batch of noise that lies in memory, with deterministic kernels;
ours: what `dvc repro train` does, from the slice store through augmentation to the optimiser;
loop: a data set that decodes a TIFF and its mask, augments and resizes them, one at a time; fp32, NCHW.

On a GPU all three use it; its peak memory is told too and, with nvidia-ml-py installed, how busy ours keeps
it.

The time to a validation Dice counts from the first step to the end of the first epoch whose volume Dice, mean
over validation patients at a threshold of 0.5, is that high; both stop after `--epochs`.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import albumentations as A
import cv2
import lightning.pytorch as L
import numpy as np
import pandas as pd
import tifffile
import torch
from ruamel.yaml import YAML
from torch import nn
from torch.utils.data import DataLoader, Dataset

from stages import augment, ingest, layout, params, preprocess, split
from stages.learning import fitting, network, optimisation
from stages.learning.checkpoint import Keeper
from stages.learning.segmenter import Recipe, Segmenter, volume_dice
from stages.slices import augmentation, dataset, manifest, store

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
ROOT = Path(__file__).resolve().parent.parent
Measured = dict[str, list[float]]


def prepare(archive: Path, size: int, batch_size: int) -> None:
    """Everything up to augment, in the current folder; what validate would add is written between."""
    yaml = YAML()
    chosen = yaml.load(ROOT / "params.yaml")
    chosen["ingest"] |= {"source": "lgg", "location": str(archive)}
    chosen["preprocess"]["size"] = size
    chosen["train"]["batch_size"] = batch_size
    yaml.dump(chosen, Path("params.yaml"))
    ingest.main()
    table = manifest.read(layout.MANIFEST)
    manifest.write(table.assign(group=table["patient_id"]), layout.VALIDATED)
    for stage in (preprocess, split, augment):
        stage.main()


class Tutorial(Dataset):
    """One sample at a time from its files."""

    def __init__(self, index: pd.DataFrame, size: int, augmented: bool) -> None:
        self.rows = index[["image", "mask"]].to_numpy()
        steps = [A.HorizontalFlip(p=0.5), A.Affine(rotate=(-15, 15), scale=(0.9, 1.1), p=0.7)]
        self.policy = A.Compose([*(steps if augmented else []), A.Resize(size, size)])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        image, mask = (tifffile.imread(layout.RAW / name) for name in self.rows[number])
        done = self.policy(image=image, mask=(mask > 0).astype(np.float32))
        levels = done["image"].transpose(2, 0, 1).astype(np.float32)
        return torch.from_numpy(levels), torch.from_numpy(done["mask"][None])


class PlainNetwork(nn.Module):
    """The same network in plain NCHW memory, for float images."""

    def __init__(self, ours: network.Network) -> None:
        super().__init__()
        self.body = ours.body.to(memory_format=torch.contiguous_format)

    def forward(self, levels: torch.Tensor) -> torch.Tensor:
        return self.body(levels / 255)


def now() -> float:
    """Seconds, once the device has done what it was given."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


class Timed(L.Callback):
    """Seconds of a training step, fetching included, over an epoch without its first step; on a GPU its
    utilisation in percent, after each step.
    """

    def __init__(self) -> None:
        self.busy: list[int] = []

    def on_train_batch_start(self, _: L.Trainer, __: L.LightningModule, ___: object, number: int) -> None:
        if number == 1:
            self.began = now()

    def on_train_batch_end(self, trainer: L.Trainer, _: object, __: object, ___: object, number: int) -> None:
        if DEVICE.type == "cuda" and find_spec("pynvml"):
            self.busy.append(torch.cuda.utilization())
        self.steps = int(trainer.num_training_batches) - 1
        if number == self.steps:
            self.spent = now() - self.began


class Bench:
    """The pieces that all three share."""

    def __init__(self) -> None:
        self.wanted = params.load(params.Train)
        self.store = store.open_store(layout.SLICES)
        self.rows = {name: dataset.rows_of(self.store, layout.SPLITS, name) for name in ("train", "val")}
        self.cases = pd.factorize(self.store.index["case_id"])[0]
        self.precision = fitting.precision(self.wanted.precision)
        self.machine = fitting.Machine(self.wanted.precision, 1, 1)
        self.busy: list[int] = []

    def network(self) -> network.Network:
        fitting.seed_everything(0)
        mean, std = dataset.mean_std(self.store, self.rows["train"])
        wanted = self.wanted
        return network.build(
            wanted.arch, wanted.encoder, None, 1, mean, std, 0.0, wanted.depth, wanted.decoder_width
        )

    def segmenter(self) -> Segmenter:
        recipe = Recipe(**{name: getattr(self.wanted, name) for name in Recipe.__dataclass_fields__})
        names = list(self.store.index["sample_id"])
        return Segmenter(self.network(), recipe, [[1]], self.cases, names)

    def loaders(self) -> tuple[DataLoader, DataLoader]:
        policy = augmentation.load(layout.POLICY)
        train = dataset.SliceDataset(self.store, self.rows["train"], 0, policy, 0)
        validation = dataset.SliceDataset(self.store, self.rows["val"], 0)
        return fitting.loaders(train, validation, "all", self.wanted.batch_size, 0, self.machine)

    def bare(self) -> float:
        """Slices a second of as many steps as an epoch has."""
        torch.use_deterministic_algorithms(True)
        steps = len(self.rows["train"]) // self.wanted.batch_size
        segmenter = self.segmenter().to(DEVICE)
        adam = optimisation.optimizer("adamw", segmenter.network, 1e-3, 1e-2)
        size, batch = self.store.meta.size, self.wanted.batch_size
        images = torch.randint(0, 256, (batch, size, size, 3), dtype=torch.uint8, device=DEVICE)
        truth = segmenter.truth(torch.randint(0, 2, (batch, size, size), dtype=torch.uint8, device=DEVICE))

        def step() -> None:
            with torch.autocast(DEVICE.type, torch.bfloat16, self.precision == "bf16-mixed"):
                loss = segmenter.loss(segmenter.network(images), truth)
            adam.zero_grad()
            loss.backward()
            adam.step()

        return steps * batch / seconds(step, steps)

    def ours(self) -> float:
        """Slices a second of one epoch."""
        clock = Timed()
        with tempfile.TemporaryDirectory() as folder:
            keeper = Keeper(Path(folder), 9)
            fitting.fit(self.segmenter(), *self.loaders(), keeper, self.machine, 1, None, [clock])
        self.busy += clock.busy
        return clock.steps * self.wanted.batch_size / clock.spent

    def loop(self, steps: int = 12) -> float:
        """Slices a second."""
        epoch = self.tutorial()
        next(epoch)
        began = now()
        for _ in range(steps):
            next(epoch)
        return steps * self.wanted.batch_size / (now() - began)

    def tutorial(self, net: nn.Module | None = None) -> Iterator[float]:
        """The loop, a step at a time; yields the loss."""
        torch.use_deterministic_algorithms(False)
        net = (net or PlainNetwork(self.network())).to(DEVICE)
        index = self.store.index.iloc[self.rows["train"]]
        samples = Tutorial(index, self.store.meta.size, augmented=True)
        loader = DataLoader(samples, self.wanted.batch_size, shuffle=True, drop_last=True)
        loss_of = self.segmenter().loss
        adam = torch.optim.Adam(net.parameters(), lr=1e-3)
        while True:
            net.train()
            for images, masks in loader:
                loss = loss_of(net(images.to(DEVICE)), masks.to(DEVICE))
                adam.zero_grad()
                loss.backward()
                adam.step()
                yield float(loss.detach())

    def tutorial_dice(self, net: nn.Module) -> float:
        """Mean volume Dice of the validation cases."""
        rows = self.rows["val"]
        samples = Tutorial(self.store.index.iloc[rows], self.store.meta.size, augmented=False)
        counts = torch.zeros(int(self.cases.max()) + 1, 3)
        net.eval()
        with torch.inference_mode():
            for number, (images, masks) in enumerate(DataLoader(samples, self.wanted.batch_size)):
                found = (net(images.to(DEVICE)) > 0).float().cpu()
                start = number * self.wanted.batch_size
                parts = torch.stack([found * masks, found, masks], dim=-1).sum(dim=(1, 2, 3))
                counts.index_add_(0, torch.as_tensor(self.cases[rows[start : start + len(images)]]), parts)
        return float(volume_dice(counts[np.unique(self.cases[rows])]).mean())

    def loop_until(self, dice: float, epochs: int) -> tuple[float, float]:
        """Seconds, and the best Dice."""
        net = PlainNetwork(self.network())
        steps, best, began = len(self.rows["train"]) // self.wanted.batch_size, 0.0, time.perf_counter()
        epoch = self.tutorial(net)
        for _ in range(epochs):
            for _ in range(steps):
                next(epoch)
            best = max(best, self.tutorial_dice(net))
            if best >= dice:
                break
        return time.perf_counter() - began, best

    def ours_until(self, dice: float, epochs: int) -> tuple[float, float]:
        """Seconds, and the best Dice."""

        class Stop(L.Callback):
            def on_train_epoch_end(self, trainer: L.Trainer, _: L.LightningModule) -> None:
                trainer.should_stop |= float(trainer.callback_metrics["val_dice"]) >= dice

        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            keeper = Keeper(Path(folder), epochs)
            fitting.fit(self.segmenter(), *self.loaders(), keeper, self.machine, epochs, None, [Stop()])
        return time.perf_counter() - began, keeper.best_dice


def seconds(step: Callable[[], None], count: int) -> float:
    """Time of so many calls, after two that warm up."""
    for _ in range(2):
        step()
    began = now()
    for _ in range(count):
        step()
    return now() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--lgg", type=Path, required=True, help="the LGG set, a .zip or folder")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--dice", type=float)
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()
    archive = args.lgg.resolve()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        prepare(archive, args.size, args.batch_size)
        bench = Bench()
        told = f"{len(bench.rows['train'])} training slices at {args.size} px, batches of {args.batch_size}"
        print(f"{told}, {bench.precision}, {torch.get_num_threads()} threads")
        rates: Measured = {"bare": [], "ours": [], "loop": []}
        for _ in range(args.repeat):
            for name, found in rates.items():
                found.append(getattr(bench, name)())
        medians = ", ".join(f"{name} {np.median(found):.1f}" for name, found in rates.items())
        print(f"{medians} slices a second")
        of_bare, of_loop = (np.median(np.divide(rates["ours"], rates[name])) for name in ("bare", "loop"))
        print(f"ours is {of_bare:.1%} of the bare network and {of_loop:.2f} times the loop")
        if DEVICE.type == "cuda":
            busy = f"{np.mean(bench.busy):.0f} % busy" if bench.busy else "nvidia-ml-py tells how busy"
            peak = torch.cuda.max_memory_allocated() / 2**30
            print(f"{torch.cuda.get_device_name()}: {busy} while ours trains, {peak:.1f} GiB at most")
        if args.dice:
            (fast, high), (slow, reached) = (
                until(args.dice, args.epochs) for until in (bench.ours_until, bench.loop_until)
            )
            ours = f"ours {high:.3f} after {fast:.0f} s"
            print(f"validation Dice, up to {args.dice}: {ours}, loop {reached:.3f} after {slow:.0f} s")
        os.chdir(ROOT)


if __name__ == "__main__":
    main()
