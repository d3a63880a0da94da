"""The pieces of a training, in the current project, for the benchmarks beside this file."""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import lightning.pytorch as L
import pandas as pd
import torch
from torch.utils.data import DataLoader
from tutorial_loop import DEVICE, now

from stages.augmentation import policies
from stages.networks import network, pretrained
from stages.networks.architecture import Architecture
from stages.project import params
from stages.project.paths import HERE
from stages.scan.windows import depth_of
from stages.store import dataset, shards
from stages.training import fitting, optimisation
from stages.training.checkpoint import Keeper
from stages.training.segmenter import Recipe, Segmenter

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
    """The pieces that all three share."""

    def __init__(self) -> None:
        self.params = params.load(params.Train)
        self.store = shards.open_store(HERE.slices)
        self.rows = {
            name: dataset.rows_of(self.store, HERE.splits, name) for name in ("train", "val", "test")
        }
        self.depth = depth_of(self.params.context)
        self.cases = pd.factorize(self.store.index["case_id"])[0]
        self.precision = fitting.precision(self.params.precision)
        self.machine = fitting.Machine(self.params.precision, 1, 1, self.params.workers)
        self.busy: list[int] = []

    def network(self) -> network.Network:
        fitting.seed_everything(self.params.seed)
        mean, std = dataset.mean_std(self.store, self.rows["train"])
        file = pretrained.file_of(self.params.encoder_weights, self.params.encoder, ROOT)
        weights = str(file) if file else self.params.encoder_weights
        built = network.build(Architecture.of(self.params), weights, 1, mean * self.depth, std * self.depth)
        assert isinstance(built, network.Network)
        return built

    def segmenter(self) -> Segmenter:
        recipe = Recipe(**{name: getattr(self.params, name) for name in Recipe.__dataclass_fields__})
        names = list(self.store.index["sample_id"])
        return Segmenter(self.network(), recipe, [[1]], self.cases, names)

    def loaders(self) -> tuple[DataLoader, DataLoader]:
        augment = partial(policies.apply, policies.load(HERE.policy))
        chosen = self.params
        train = dataset.SliceDataset(self.store, self.rows["train"], self.depth, augment, chosen.seed)
        validation = dataset.SliceDataset(self.store, self.rows["val"], self.depth)
        return fitting.loaders(
            train, validation, chosen.sampling, chosen.batch_size, chosen.seed, self.machine
        )

    def bare(self) -> float:
        """Slices a second of as many steps as an epoch has."""
        torch.use_deterministic_algorithms(True)
        steps = len(self.rows["train"]) // self.params.batch_size
        segmenter = self.segmenter().to(DEVICE)
        adam = optimisation.optimizer("adamw", segmenter.network, 1e-3, 1e-2)
        size, batch = self.store.meta.size, self.params.batch_size
        shape = (batch, self.depth, *self.store.shape)
        images = torch.randint(0, 256, shape, dtype=torch.uint8, device=DEVICE)
        truth = segmenter.truth(torch.randint(0, 2, (batch, size, size), dtype=torch.uint8, device=DEVICE))

        def step() -> None:
            with torch.autocast(DEVICE.type, torch.bfloat16, self.precision == "bf16"):
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
