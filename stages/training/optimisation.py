"""Optimisers and learning-rate schedules by name."""

from typing import Any

import torch
from torch.optim import lr_scheduler

WARM_UP = 0.05
"""Share of all steps over which cosine warms up linearly."""


def optimizer(name: str, network: torch.nn.Module, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """adamw, adam or sgd (Nesterov momentum 0.9). Biases and normalisation weights do not decay."""
    decays = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decays, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    if name == "sgd":
        return torch.optim.SGD(groups, lr=lr, momentum=0.9, nesterov=True)
    kind = torch.optim.AdamW if name == "adamw" else torch.optim.Adam
    return kind(groups, lr=lr, fused=True)


def schedule(
    name: str, optimizer: torch.optim.Optimizer, lr: float, steps: int, an_epoch: int, patience: int | None
) -> dict[str, Any] | None:
    """Lightning's description of a schedule over `steps` optimiser steps, `an_epoch` of them in each epoch;
    None for a constant rate.

    onecycle: Smith and Topin 2018, arXiv 1708.07120. plateau: a tenth once validation Dice has stalled for a
    third of `patience` epochs, which the others do without.
    """
    if name == "constant":
        return None
    if name == "plateau":
        assert patience is not None
        plateau = lr_scheduler.ReduceLROnPlateau(
            optimizer, mode="max", factor=0.1, patience=max(1, patience // 3)
        )
        # By steps: Lightning moves an "epoch" schedule after the checkpoint of that epoch was written, and a
        # resumed run would miss the move.
        return {
            "scheduler": plateau,
            "monitor": "val_dice",
            "interval": "step",
            "frequency": an_epoch,
        }
    if name == "onecycle":
        cycle = lr_scheduler.OneCycleLR(optimizer, max_lr=lr, total_steps=steps, cycle_momentum=False)
        return {"scheduler": cycle, "interval": "step"}
    warm_up = max(1, round(WARM_UP * steps))
    rising = lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=warm_up)
    falling = lr_scheduler.CosineAnnealingLR(optimizer, T_max=max(1, steps - warm_up))
    both = lr_scheduler.SequentialLR(optimizer, [rising, falling], milestones=[warm_up])
    return {"scheduler": both, "interval": "step"}
