"""Set up Lightning for one training and run it."""

import logging
import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import lightning.pytorch as L
import torch
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only
from torch.utils.data import DataLoader

from stages.core.errors import UserError
from stages.core.processor import Processor
from stages.store.dataset import EpochSampler, InOrder, SliceDataset
from stages.store.patches import PatchDataset
from stages.training.averaging import Averaging
from stages.training.checkpoint import Keeper
from stages.training.segmenter import Segmenter

Precision = Literal["fp32", "bf16"]
Trained = SliceDataset | PatchDataset

LIGHTNING: dict[Precision, Literal["32-true", "bf16-mixed"]] = {"fp32": "32-true", "bf16": "bf16-mixed"}
"""What Lightning calls a precision."""


@dataclass(frozen=True)
class Machine:
    """What to train on, in the names of params.yaml. precision: as `precision` decides it."""

    precision: Precision
    devices: str | int
    nodes: int
    workers: int = 0
    compile: bool = False

    @property
    def processes(self) -> int:
        """Training processes over all machines; "auto" is every GPU, or one process where there is none."""
        here = max(1, torch.cuda.device_count()) if self.devices == "auto" else int(self.devices)
        return here * self.nodes


class ProgressBar(TQDMProgressBar):
    """Training loss of the epoch up to now, and the last validation Dice."""

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Any]:
        assert isinstance(pl_module, Segmenter)
        dice = trainer.progress_bar_metrics.get("val_dice")
        metrics = {"loss": f"{float(pl_module.loss_so_far):.3f}"}
        return metrics if dice is None else metrics | {"val_dice": f"{dice:.3f}"}


_STEADY = "dynunet"
"""The only 3D network whose trainings in bf16 on a CPU came out the same each time."""


def precision(name: Literal["auto"] | Precision, arch: str, dims: int = 2) -> Precision:
    """The precision to train in: "auto" is bf16 where the GPU or the processor gains by it.

    arch, dims: of the network. 3D ones train in fp32 on a CPU: with AVX512-BF16 and no AMX torch's 3D
    convolutions of 8 and 16 channels gave other numbers in each run in bf16, and NaN. Raises `UserError`
    where bf16 is asked for there, but for the network that was the same in 80 runs.
    """
    on_gpu = torch.cuda.is_available()
    if name == "bf16" and dims == 3 and not on_gpu and arch != _STEADY:
        raise UserError(
            f"train.precision bf16 is not the same twice for {arch} on a CPU, and may end in NaN; set it to "
            f"auto or fp32, or train.arch to {_STEADY}"
        )
    if name != "auto":
        return name
    gains = torch.cuda.is_bf16_supported() if on_gpu else dims == 2 and Processor.here().bf16
    return "bf16" if gains else "fp32"


def loaders(
    training: Trained,
    validation: Trained,
    sampling: str,
    batch_size: int,
    seed: int,
    machine: Machine,
) -> tuple[DataLoader, DataLoader]:
    """Training batches in an order of (seed, epoch), and validation batches in index order.

    batch_size: over all processes. Raises `UserError` where they cannot share it out evenly.
    """
    processes = machine.processes
    if batch_size % processes or len(validation) < processes:
        what = f"{len(validation)} validation {NOUNS[type(validation)]}"
        raise UserError(
            f"train.batch_size {batch_size} and {what} cannot be shared by {processes} processes; make the "
            "batch a multiple of train.devices x train.nodes"
        )
    sampler = EpochSampler(training.label_pixels, sampling, seed)
    common: dict[str, Any] = {
        "batch_size": batch_size // processes,
        "collate_fn": _as_fetched,
        "pin_memory": torch.cuda.is_available(),
        "num_workers": machine.workers,
        "persistent_workers": machine.workers > 0,
        "worker_init_fn": _alone,
    }
    # A last batch of one slice would leave batch norm without a spread; dropped only where others remain.
    drop = len(sampler) >= batch_size
    train = DataLoader(training, sampler=sampler, drop_last=drop, **common)
    return train, DataLoader(validation, sampler=InOrder(len(validation)), **common)


def fit(
    segmenter: Segmenter,
    train: DataLoader,
    validation: DataLoader,
    keeper: Keeper,
    machine: Machine,
    epochs: int,
    logger: Logger | None,
    callbacks: Sequence[L.Callback] = (),
) -> bool:
    """Train for at most `epochs` epochs, resuming where `keeper` finds a checkpoint of this very run.

    Whether this is the process that writes the results: of several one does.
    """
    _quieten()
    resume = keeper.resume()
    if keeper.finished:
        return is_first()
    if machine.compile:
        segmenter.network.body.compile()  # in place: the weights keep their names
    averaging = [Averaging(segmenter.recipe.ema)] if segmenter.recipe.ema else []
    bar = [ProgressBar(leave=True)] if sys.stdout.isatty() else []
    trainer = L.Trainer(
        accelerator="auto",
        devices=machine.devices,
        num_nodes=machine.nodes,
        precision=LIGHTNING[machine.precision],
        max_epochs=epochs,
        callbacks=[*callbacks, *averaging, keeper, *bar],
        logger=logger or False,
        enable_checkpointing=False,
        enable_progress_bar=bool(bar),
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=10**9,
        accumulate_grad_batches=segmenter.recipe.accumulate,
        gradient_clip_val=segmenter.recipe.clip or None,
        sync_batchnorm=torch.cuda.is_available() and machine.processes > 1,
        # On a GPU a few backward kernels have no deterministic form: warn there, insist on the CPU.
        deterministic="warn" if torch.cuda.is_available() else True,
        use_distributed_sampler=False,  # the samplers share out by themselves
    )
    try:
        trainer.fit(segmenter, train, validation, ckpt_path=resume, weights_only=True)
    except SystemExit:  # Lightning's answer to Ctrl-C
        raise KeyboardInterrupt from None
    return trainer.is_global_zero


NOUNS = {SliceDataset: "slices", PatchDataset: "windows"}


def is_first() -> bool:
    """Whether this is the first of the training processes, which alone speaks and writes."""
    return bool(rank_zero_only.rank == 0)


def seed_everything(seed: int) -> None:
    """Seed torch, numpy and Python; the network's first weights depend on it."""
    _quieten()
    # Lightning asks for deterministic kernels, and torch then also fills all memory it takes with NaN, 4 % of
    # a training on a CPU; only code that reads memory it never wrote could tell.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    L.seed_everything(seed, verbose=False)


def _quieten() -> None:
    """Lightning's tips and torch's advice on workers are for developers; errors still come through."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\..*")
    warnings.filterwarnings("ignore", message=r".*does not have many workers.*")


def _as_fetched(batch: object) -> object:
    return batch


def _alone(_: int) -> None:
    cv2.setNumThreads(0)  # its threads do not survive the fork into a worker
