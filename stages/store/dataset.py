"""The torch dataset over the slice store: batches of uint8 windows, augmented, without copies."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset, Sampler

from stages.core import tables
from stages.scan import windows
from stages.store.shards import Store


class Batch(NamedTuple):
    """images (N, D, H, W, C) and labels (N, H, W) of the slices in the middle, uint8; rows (N,) of these in
    the store's index, int64.
    """

    images: torch.Tensor
    labels: torch.Tensor
    rows: torch.Tensor


class Key(NamedTuple):
    """What a sampler asks for: a position in the data set, in an epoch. The epoch seeds the augmentation."""

    epoch: int
    position: int


class Windows:
    """For each row of a store's index the rows of the window of `depth` slices around it, within its case."""

    def __init__(self, index: pd.DataFrame, depth: int) -> None:
        case = pd.factorize(index["case_id"])[0]
        self.rows = windows.positions(np.bincount(case), depth)  # the slices of a case lie together

    def images(self, store: Store, rows: np.ndarray) -> np.ndarray:
        """The windows around `rows` (N,), any order, lowest slice first: (N, D, H, W, C) uint8."""
        around = self.rows[rows]
        return store.images(around.ravel()).reshape(*around.shape, *store.shape)


Augment = Callable[[np.ndarray, np.ndarray, tuple[int, ...]], tuple[np.ndarray, np.ndarray]]
"""Window (D, H, W, C), label map (H, W) of its middle, key -> both, augmented (`policies.apply`)."""


class SliceDataset(Dataset):
    """Slices at `rows` of a store, in windows of `depth`; whole batches are fetched at once (`__getitems__`).

    augment: what changes a training slice, by the key (seed, epoch, row) alone; None leaves slices alone.
    """

    def __init__(
        self,
        store: Store,
        rows: np.ndarray,
        depth: int = 1,
        augment: Augment | None = None,
        seed: int = 0,
    ) -> None:
        self.store = store
        self.rows = np.asarray(rows, dtype=np.int64)
        self.windows = Windows(store.index, depth)
        self.augment = augment
        self.seed = seed

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def label_pixels(self) -> np.ndarray:
        """Of each slice, for samplers."""
        return self.store.index["label_pixels"].to_numpy()[self.rows]

    def __getitem__(self, key: Key) -> Batch:
        return self.__getitems__([key])

    def __getitems__(self, keys: list[Key]) -> Batch:
        rows = self.rows[[key.position for key in keys]]
        images, labels = self.windows.images(self.store, rows), self.store.masks(rows)
        if self.augment is not None:
            for number, key in enumerate(keys):
                # The row, not the position: a subset of the data augments each of its slices as the whole set
                # would.
                drawn = (self.seed, key.epoch, int(rows[number]))
                images[number], labels[number] = self.augment(images[number], labels[number], drawn)
        return Batch(torch.from_numpy(images), torch.from_numpy(labels), torch.from_numpy(rows))


def _share() -> tuple[int, int]:
    """The number of this process among those that train together, and how many they are."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


class EpochSampler(Sampler[Key]):
    """A new order each epoch that depends on (seed, epoch) alone. Of several processes each takes its part of
    every batch.

    sampling "all": every slice once. "balanced": every slice with tumour once, and as many without, drawn
    anew each epoch (all of them where they are fewer).
    """

    def __init__(self, label_pixels: np.ndarray, sampling: str, seed: int) -> None:
        self.positive = np.flatnonzero(np.asarray(label_pixels) > 0)
        self.negative = np.flatnonzero(np.asarray(label_pixels) == 0)
        self.drawn = len(self.negative) if sampling == "all" else min(len(self.positive), len(self.negative))
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return (len(self.positive) + self.drawn) // _share()[1]

    def __iter__(self) -> Iterator[Key]:
        random = np.random.default_rng([self.seed, self.epoch])
        negative = random.choice(self.negative, self.drawn, replace=False)
        order = random.permutation(np.concatenate([self.positive, negative]))
        first, step = _share()
        # Processes wait for each other at every batch, so all must have as many: the rest is left out.
        for position in order[: len(self) * step][first::step]:
            yield Key(self.epoch, int(position))


class InOrder(Sampler[Key]):
    """All positions in order, for validation. Of several processes each takes its part; none is padded, so
    that sums over all of them are exact.
    """

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return len(self._mine())

    def __iter__(self) -> Iterator[Key]:
        return (Key(0, position) for position in self._mine())

    def _mine(self) -> range:
        first, step = _share()
        return range(first, self.length, step)


def mean_std(store: Store, rows: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel over the slices at `rows`, in levels 0..255."""
    counts = np.zeros((len(store.meta.channels), 256), dtype=np.int64)
    for start in range(0, len(rows), 256):
        block = store.images(rows[start : start + 256])
        for channel in range(block.shape[-1]):
            counts[channel] += np.bincount(block[..., channel].ravel(), minlength=256)
    levels = np.arange(256)
    share = counts / counts.sum(axis=1, keepdims=True)
    mean = share @ levels
    std = np.sqrt(share @ levels**2 - mean**2)
    return [float(m) for m in mean], [float(max(s, 1.0)) for s in std]


def rows_of(store: Store, splits: Path | pd.DataFrame, split: str) -> np.ndarray:
    """Rows of the store's index that belong to a split, in index order."""
    table = tables.read(tables.SPLITS, splits) if isinstance(splits, Path) else splits
    members = set(table.loc[table["split"] == split, "sample_id"])
    return np.flatnonzero(store.index["sample_id"].isin(members).to_numpy())
