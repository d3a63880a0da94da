"""The pieces of a training, in the current project, for the benchmarks beside this file."""

import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import lightning.pytorch as L
import torch
from torch.utils.data import DataLoader
from tutorial_loop import DEVICE, now

from stages import train
from stages.networks.network import Network
from stages.project import params
from stages.project.paths import HERE
from stages.store import dataset
from stages.training import fitting, optimisation, start
from stages.training.checkpoint import Keeper
from stages.training.segmenter import Segmenter

ROOT = Path(__file__).resolve().parent.parent


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
    """The pieces that all three share, of slices or of windows."""

    def __init__(self) -> None:
        self.params = params.load(params.Train)
        self.data = train.of_split(self.params, HERE)
        self.store = self.data.store
        self.rows = {
            name: dataset.rows_of(self.store, HERE.splits, name) for name in ("train", "val", "test")
        }
        self.depth = self.data.window[0]
        self.precision = fitting.precision(self.params.precision, self.params.arch, self.params.dims)
        self.machine = fitting.Machine(self.precision, 1, 1, self.params.workers)
        self.busy: list[int] = []

    def network(self) -> Network:
        """Of slices."""
        network = self.segmenter().network
        assert isinstance(network, Network)
        return network

    def segmenter(self) -> Segmenter:
        return train.with_network(self.params, self.data, start.of(self.params, None, ROOT))

    def loaders(self) -> tuple[DataLoader, DataLoader]:
        chosen = self.params
        return fitting.loaders(
            self.data.training,
            self.data.validation,
            chosen.sampling,
            chosen.batch_size,
            chosen.seed,
            self.machine,
        )

    def bare(self, precision: str | None = None) -> float:
        """Slices, or windows, a second of as many steps as an epoch has. precision: fp32 or bf16, else that
        of the params.
        """
        torch.use_deterministic_algorithms(True)
        batch = self.params.batch_size
        steps = max(1, len(self.data.training) // batch)
        segmenter = self.segmenter().to(DEVICE)
        adam = optimisation.optimizer("adamw", segmenter.network, 1e-3, 1e-2)
        shape = (batch, *self.data.window, len(self.store.meta.channels))
        images = torch.randint(0, 256, shape, dtype=torch.uint8, device=DEVICE)
        labelled = shape[1:4] if self.params.dims == 3 else shape[2:4]
        labels = torch.randint(0, 2, (batch, *labelled), dtype=torch.uint8, device=DEVICE)
        truth = segmenter.truth(labels)

        def step() -> None:
            with torch.autocast(DEVICE.type, torch.bfloat16, (precision or self.precision) == "bf16"):
                loss = segmenter.loss(segmenter.network(images), truth)
            adam.zero_grad()
            loss.backward()
            adam.step()

        return steps * batch / seconds(step, steps)

    def ours(self) -> float:
        """Slices, or windows, a second of one epoch."""
        clock = Timed()
        with tempfile.TemporaryDirectory() as folder:
            keeper = Keeper(Path(folder), 9)
            fitting.fit(self.segmenter(), *self.loaders(), keeper, self.machine, 1, None, [clock])
        self.busy += clock.busy
        return clock.steps * self.params.batch_size / clock.spent

    def ours_until(self, dice: float, epochs: int) -> tuple[float, float]:
        """Seconds, and the best Dice."""

        class Stop(L.Callback):
            def on_train_epoch_end(self, trainer: L.Trainer, _: L.LightningModule) -> None:
                trainer.should_stop |= float(trainer.callback_metrics["val_dice"]) >= dice

        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            keeper = Keeper(Path(folder), epochs)
            fitting.fit(self.segmenter(), *self.loaders(), keeper, self.machine, epochs, None, [Stop()])
        return time.perf_counter() - began, max(row["val_dice"] for row in keeper.history)


def seconds(step: Callable[[], None], count: int) -> float:
    """Time of so many calls, after two that warm up."""
    for _ in range(2):
        step()
    began = now()
    for _ in range(count):
        step()
    return now() - began
