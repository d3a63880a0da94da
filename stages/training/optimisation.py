"""Optimisers and learning-rate schedules by name."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, lr_scheduler

WARM_UP = 0.05
"""Share of all steps over which cosine warms up linearly."""

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "adamw": partial(AdamW, fused=True),
    "adam": partial(Adam, fused=True),
    "sgd": partial(SGD, momentum=0.9, nesterov=True),
}
"""By the name that `train.optimizer` gives it."""


def optimizer(name: str, network: nn.Module, lr: float, weight_decay: float) -> Optimizer:
    """One of `OPTIMIZERS`. Biases and normalisation weights do not decay."""
    decays = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decays, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return OPTIMIZERS[name](groups, lr=lr)


@dataclass(frozen=True)
class Course:
    """What a schedule runs over: `steps` of the optimiser, `an_epoch` of them in each epoch, up to the rate
    `lr`; `patience` in epochs.
    """

    lr: float
    steps: int
    an_epoch: int
    patience: int | None


def _onecycle(optimizer: Optimizer, course: Course) -> dict[str, Any]:
    """Smith and Topin 2018, arXiv 1708.07120."""
    cycle = lr_scheduler.OneCycleLR(
        optimizer, max_lr=course.lr, total_steps=course.steps, cycle_momentum=False
    )
    return {"scheduler": cycle, "interval": "step"}


def _cosine(optimizer: Optimizer, course: Course) -> dict[str, Any]:
    warm_up = max(1, round(WARM_UP * course.steps))
    rising = lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=warm_up)
    falling = lr_scheduler.CosineAnnealingLR(optimizer, T_max=max(1, course.steps - warm_up))
    both = lr_scheduler.SequentialLR(optimizer, [rising, falling], milestones=[warm_up])
    return {"scheduler": both, "interval": "step"}


def _plateau(optimizer: Optimizer, course: Course) -> dict[str, Any]:
    """A tenth once validation Dice has stalled for a third of `patience` epochs."""
    assert course.patience is not None
    patience = max(1, course.patience // 3)
    plateau = lr_scheduler.ReduceLROnPlateau(optimizer, mode="max", factor=0.1, patience=patience)
    # By steps: Lightning moves an "epoch" schedule after the checkpoint of that epoch was written, and a
    # resumed run would miss the move.
    return {"scheduler": plateau, "monitor": "val_dice", "interval": "step", "frequency": course.an_epoch}


SCHEDULES: dict[str, Callable[[Optimizer, Course], dict[str, Any] | None]] = {
    "constant": lambda _, __: None,
    "onecycle": _onecycle,
    "cosine": _cosine,
    "plateau": _plateau,
}
"""By the name that `train.schedule` gives it: Lightning's description of one; None for a constant rate."""
