"""Never lose a training: the last finished epoch and the weights to keep, under a key that only the same run
shares.
"""

import shutil
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as L
import pandas as pd
import torch
from safetensors.torch import load_file, save_file

from stages.training.averaging import Averaging
from stages.training.segmenter import Segmenter

Choice = Literal["best", "last"]
"""The epoch to keep: the first with the highest validation Dice, or the last one."""


class Keeper(L.Callback):
    """Keeps `last.ckpt` and `kept.safetensors` in a folder, stops early, and collects the history.

    Training stops once `patience` epochs after the best brought no better (None: never; under a rate that
    falls until the last epoch the best come late).

    `machine`: what this process trains on, in words; `machines`: what the run was trained on up to now. On
    another one sums are taken in another order, and weights are no longer the same bit for bit.
    """

    def __init__(
        self, folder: Path, patience: int | None, machine: str = "", choice: Choice = "best"
    ) -> None:
        self.folder = folder
        self.choice = choice
        self.patience = patience
        self.machine = machine
        self.machines = [machine]
        self.history: list[dict[str, float]] = []
        self.kept_epoch = -1
        self.kept_dice = -1.0
        self.finished = False

    @property
    def last(self) -> Path:
        return self.folder / "last.ckpt"

    def state_dict(self) -> dict[str, Any]:
        names = ("history", "kept_epoch", "kept_dice", "finished", "machines")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for name, value in state_dict.items():
            setattr(self, name, value)
        if self.machines[-1] != self.machine:
            self.machines = [*self.machines, self.machine]

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        assert isinstance(module, Segmenter)
        measured = {name: float(value) for name, value in trainer.callback_metrics.items()}
        lr = float(trainer.optimizers[0].param_groups[0]["lr"])
        row = {name: measured[name] for name in ("train_loss", "val_loss", "val_dice")}
        self.history.append({"epoch": trainer.current_epoch, **row, "lr": lr})
        if self.choice == "last" or measured["val_dice"] > self.kept_dice:
            self.kept_dice, self.kept_epoch = measured["val_dice"], trainer.current_epoch
            if trainer.is_global_zero:
                part = self._part("kept.safetensors")
                save_file(weights(validated(trainer, module)), part)
                part.replace(self.folder / "kept.safetensors")
        if self.patience is not None:
            trainer.should_stop |= trainer.current_epoch - self.kept_epoch >= self.patience
        self.finished = trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs
        # Kept before last: a kill between the two repeats the epoch and overwrites kept with the same bytes.
        part = self._part(self.last.name)
        trainer.save_checkpoint(part)  # by all processes together; the first one writes
        if trainer.is_global_zero:
            part.replace(self.last)

    def _part(self, name: str) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"{name}.part"

    def resume(self) -> Path | None:
        """The checkpoint to go on from, or None. Restores the history, also of a run that was killed when
        done.
        """
        if not self.last.exists() or not (self.folder / "kept.safetensors").exists():
            return None
        state = torch.load(self.last, map_location="cpu", weights_only=True)
        self.load_state_dict(state["callbacks"][self.state_key])
        return self.last

    def sentence(self, epochs: int) -> str:
        """Where a resumed run goes on, as one line for the terminal."""
        place = f"going on after epoch {len(self.history)} of {epochs}"
        if len(self.machines) == 1:
            return place
        return f"{place}; it was begun on {self.machines[0]}: no run on one machine repeats it bit for bit"

    def kept_weights(self) -> dict[str, torch.Tensor]:
        """State dict of the epoch that was kept."""
        return load_file(self.folder / "kept.safetensors")

    def table(self) -> pd.DataFrame:
        """history.csv: epoch, train_loss, val_loss, val_dice, lr."""
        return pd.DataFrame(self.history)

    def discard(self) -> None:
        """Remove the folder: the run is complete and its artefacts are written."""
        shutil.rmtree(self.folder, ignore_errors=True)


def validated(trainer: L.Trainer, module: Segmenter) -> torch.nn.Module:
    """The network that validation scored: the averaged one where there is one."""
    averages = [callback.network for callback in trainer.callbacks if isinstance(callback, Averaging)]
    return averages[0] if averages else module.network


def weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """State dict as contiguous tensors on the CPU, which is what safetensors takes."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
