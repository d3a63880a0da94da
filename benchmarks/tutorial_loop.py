"""A training loop of the usual tutorial kind, to compare with: one TIFF after the other, fp32, NCHW."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import albumentations as A
import numpy as np
import pandas as pd
import tifffile
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from stages.networks import network
from stages.project.paths import HERE
from stages.training.segmenter import volume_dice

if TYPE_CHECKING:
    from training import Bench

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def now() -> float:
    """Seconds, once the device has done what it was given."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


class Tutorial(Dataset):
    """One sample at a time from its files."""

    def __init__(self, index: pd.DataFrame, size: int, augmented: bool) -> None:
        self.rows = index[["image", "mask"]].to_numpy()
        steps = [A.HorizontalFlip(p=0.5), A.Affine(rotate=(-15, 15), scale=(0.9, 1.1), p=0.7)]
        self.policy = A.Compose([*(steps if augmented else []), A.Resize(size, size)])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        image, mask = (tifffile.imread(HERE.raw / name) for name in self.rows[number])
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


class Loop:
    """Trains the network of a `Bench` on its slices."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.index = bench.store.index
        self.steps = len(bench.rows["train"]) // bench.params.batch_size

    def speed(self, steps: int = 12) -> float:
        """Slices a second."""
        training = self.training(PlainNetwork(self.bench.network()))
        next(training)
        began = now()
        for _ in range(steps):
            next(training)
        return steps * self.bench.params.batch_size / (now() - began)

    def until(self, dice: float, epochs: int) -> tuple[float, float]:
        """Seconds, and the best Dice."""
        net = PlainNetwork(self.bench.network())
        training = self.training(net)
        best, began = 0.0, time.perf_counter()
        for _ in range(epochs):
            for _ in range(self.steps):
                next(training)
            best = max(best, self.dice(net))
            if best >= dice:
                break
        return time.perf_counter() - began, best

    def training(self, net: nn.Module) -> Iterator[float]:
        """Epoch after epoch, a step at a time; yields the loss."""
        torch.use_deterministic_algorithms(False)
        net = net.to(DEVICE)
        samples = Tutorial(self.index.iloc[self.bench.rows["train"]], self.bench.store.meta.size, True)
        loader = DataLoader(samples, self.bench.params.batch_size, shuffle=True, drop_last=True)
        loss_of = self.bench.segmenter().loss
        adam = torch.optim.Adam(net.parameters(), lr=1e-3)
        while True:
            net.train()
            for images, masks in loader:
                loss = loss_of(net(images.to(DEVICE)), masks.to(DEVICE))
                adam.zero_grad()
                loss.backward()
                adam.step()
                yield float(loss.detach())

    def dice(self, net: nn.Module) -> float:
        """Mean volume Dice of the validation cases."""
        rows, batch = self.bench.rows["val"], self.bench.params.batch_size
        cases = torch.as_tensor(pd.factorize(self.index["case_id"].iloc[rows])[0])
        samples = Tutorial(self.index.iloc[rows], self.bench.store.meta.size, False)
        counts = torch.zeros(int(cases.max()) + 1, 3)
        net.eval()
        with torch.inference_mode():
            for (images, masks), members in zip(DataLoader(samples, batch), cases.split(batch), strict=True):
                found = (net(images.to(DEVICE)) > 0).float().cpu()
                parts = torch.stack([found * masks, found, masks], dim=-1).sum(dim=(1, 2, 3))
                counts.index_add_(0, members, parts)
        return float(volume_dice(counts[cases.unique()]).mean())
