"""The LightningModule: one training step, one validation epoch scored by volume Dice."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import lightning.pytorch as L
import numpy as np
import torch

from stages.core.errors import UserError
from stages.networks.network import Network
from stages.networks.volumetric import VolumeNetwork
from stages.store.dataset import Batch
from stages.training import losses, optimisation


@dataclass(frozen=True)
class Recipe:
    """How to train, in the names of params.yaml."""

    loss: str
    optimizer: str
    lr: float
    weight_decay: float
    schedule: str
    patience: int | None
    ema: float
    accumulate: int
    clip: float
    seed: int


class Segmenter(L.LightningModule):
    """Trains a `Network`. With `train.ema` validation finds the averaged weights in it (`Averaging`).

    regions: lists of labels, one a channel of the output. cases: for each row of the store's index the number
    of its case, from 0; validation Dice pools the slices of a case and averages over cases. sample_ids: of
    each row, to name slices with.
    """

    def __init__(
        self,
        network: Network | VolumeNetwork,
        recipe: Recipe,
        regions: list[list[int]],
        cases: np.ndarray,
        sample_ids: Sequence[str],
    ) -> None:
        super().__init__()
        self.network = network
        self.recipe = recipe
        self.loss = losses.LOSSES[recipe.loss]()
        self.regions = regions
        self.sample_ids = sample_ids
        self.register_buffer("cases", torch.from_numpy(np.asarray(cases, dtype=np.int64)), persistent=False)
        self.counts = torch.zeros(0)
        self.loss_sum = torch.zeros(())
        self.batches = 0

    def truth(self, labels: torch.Tensor) -> torch.Tensor:
        """Label maps (N, H, W) or (N, D, H, W) uint8 -> region maps (N, R, ...) float32."""
        masks = [reduce(torch.logical_or, [labels == label for label in region]) for region in self.regions]
        return torch.stack(masks, dim=1).float()

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, _: int) -> Batch:
        # Lightning's own takes any nest of collections apart, which takes longer than augmenting a slice.
        return Batch(*(part.to(device, non_blocking=True) for part in batch))

    def on_train_batch_start(self, _: Batch, batch_idx: int) -> None:
        # Dropout draws from torch's generator: seeding it by epoch and batch makes a resumed run draw as an
        # uninterrupted one. By epoch alone is not enough: a DataLoader draws too when it begins, and in a
        # resumed run it begins before the epoch does.
        seed: tuple[int, ...] = (self.recipe.seed, self.current_epoch, batch_idx)
        if self.global_rank:
            seed += (self.global_rank,)
        drawn = int(np.random.SeedSequence(seed).generate_state(1)[0])
        # Not `torch.manual_seed`: it seeds every kind of device there might be, at a millisecond a step.
        torch.default_generator.manual_seed(drawn)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(drawn)

    def training_step(self, batch: Batch, number: int) -> torch.Tensor:
        loss = self.loss(self.network(batch.images), self.truth(batch.labels))
        if not torch.isfinite(loss):
            names = ", ".join(self.sample_ids[row] for row in batch.rows.tolist())
            raise UserError(
                f"the loss became {loss.item()} in epoch {self.current_epoch} at the slices {names}; "
                "lower train.lr or set train.precision: fp32"
            )
        # Summed here and logged once: Lightning's own mean over an epoch costs a millisecond a step.
        self.loss_sum = loss.detach() + (self.loss_sum if number else 0)
        self.batches = number + 1
        if self.batches == self.trainer.num_training_batches:
            self.log("train_loss", self.loss_so_far, on_step=False, on_epoch=True, batch_size=1)
        return loss

    @property
    def loss_so_far(self) -> torch.Tensor:
        """Mean over the batches of the epoch up to now; nan before the first."""
        return self.loss_sum / self.batches

    def on_validation_epoch_start(self) -> None:
        if self.trainer.world_size > 1:
            # Batch norm's running statistics differ from process to process; the first one's are kept.
            for buffer in self.network.buffers():
                torch.distributed.broadcast(buffer, src=0)
        shape = (int(self.cases.max()) + 1, len(self.regions), 3)
        self.counts = torch.zeros(shape, dtype=torch.float64, device=self.device)

    def validation_step(self, batch: Batch, _: int) -> None:
        logits = self.network(batch.images)
        truth = self.truth(batch.labels)
        self.log("val_loss", self.loss(logits, truth), batch_size=len(batch.images), sync_dist=True)
        predicted = (logits > 0).float()
        three = torch.stack([(predicted * truth), predicted, truth], dim=-1)
        sums = three.flatten(2, -2).sum(dim=2, dtype=torch.float64)  # a slice's, or a window's
        self.counts.index_add_(0, self.cases[batch.rows], sums)

    def on_validation_epoch_end(self) -> None:
        counts = self.trainer.strategy.reduce(self.counts, reduce_op="sum")
        self.log(
            "val_dice", volume_dice(counts[self._validated()]).mean().float(), prog_bar=True, sync_dist=False
        )

    def _validated(self) -> torch.Tensor:
        rows = self.trainer.val_dataloaders.dataset.rows
        return torch.unique(self.cases[torch.as_tensor(rows, device=self.cases.device)])

    def configure_optimizers(self) -> Any:
        recipe = self.recipe
        chosen = optimisation.optimizer(recipe.optimizer, self.network, recipe.lr, recipe.weight_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        an_epoch = math.ceil(self.trainer.num_training_batches / self.trainer.accumulate_grad_batches)
        course = optimisation.Course(recipe.lr, steps, an_epoch, recipe.patience)
        schedule = optimisation.SCHEDULES[recipe.schedule](chosen, course)
        return {"optimizer": chosen, "lr_scheduler": schedule} if schedule else chosen


def volume_dice(counts: torch.Tensor) -> torch.Tensor:
    """Dice from (..., 3) pixel counts: intersection, predicted, true. 1 where both are empty, as BraTS scores
    it. `scoring.overlap.dice` for tensors on the device that trains; a test holds the two together.
    """
    both = counts[..., 1] + counts[..., 2]
    return torch.where(both > 0, 2 * counts[..., 0] / both.clamp(min=1), torch.ones_like(both))
