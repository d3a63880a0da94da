"""The torch dataset of 3D windows over the slice store."""

from itertools import product

import numpy as np
import torch
from torch.utils.data import Dataset

from stages.core.errors import UserError
from stages.framing.sections import Sections, labelled, mixed
from stages.store.dataset import Augment, Batch, Key
from stages.store.shards import Store

Window = tuple[int, int, int]
"""Slices, rows and columns."""


class PatchDataset(Dataset):
    """As many windows of the cases at `rows` of a store as lie beside each other in them; whole batches are
    fetched at once.

    Without `augment` they lie there, for validation; each voxel is in one. With it each is drawn anew by its
    key (seed, epoch, sample): a share of `foreground` around a labelled voxel of its case, the others
    anywhere in the case. Beyond its ends a case goes on as background. through_mm: between the slices of a
    window, None where they are each case's own.
    """

    def __init__(
        self,
        store: Store,
        rows: np.ndarray,
        window: Window,
        augment: Augment | None = None,
        foreground: float = 0.0,
        seed: int = 0,
        through_mm: float | None = None,
    ) -> None:
        size = store.meta.size
        if max(window[1:]) > size:
            raise UserError(
                f"train.window {list(window)} is larger than the slices, which have {size} x {size} pixels; "
                "make it smaller or set preprocess.size"
            )
        self.store, self.window, self.augment = store, window, augment
        self.foreground, self.seed = foreground, seed
        self.cases = _cases(store, rows)
        self.sections = [_sections(store, first, last, through_mm) for first, last in self.cases]
        beside = [range(0, size, side) for side in window[1:]]
        self.places: list[tuple[int, Window]] = [
            (case, (top, row, column))
            for case, sections in enumerate(self.sections)
            for top in range(0, sections.planned, window[0])
            for row, column in product(*beside)
        ]
        self.rows = np.array([self.cases[case][0] for case, _ in self.places], dtype=np.int64)
        """Of the first slice of each window's case."""

    def __len__(self) -> int:
        return len(self.places)

    @property
    def label_pixels(self) -> np.ndarray:
        """Labelled pixels of the slices that each window lies in, for samplers."""
        pixels = self.store.index["label_pixels"].to_numpy()
        sums = []
        for case, (top, *_) in self.places:
            own, _ = self.sections[case].part(top, self.window[0])
            first = self.cases[case][0]
            sums.append(pixels[first + own.start : first + own.stop].sum())
        return np.array(sums)

    def __getitem__(self, key: Key) -> Batch:
        return self.__getitems__([key])

    def __getitems__(self, keys: list[Key]) -> Batch:
        parts = [self._part(key) for key in keys]
        images, labels = (np.stack([part[number] for part in parts]) for number in range(2))
        rows = self.rows[[key.position for key in keys]]
        return Batch(torch.from_numpy(images), torch.from_numpy(labels), torch.from_numpy(rows))

    def _part(self, key: Key) -> tuple[np.ndarray, np.ndarray]:
        case, corner = self.places[key.position]
        if self.augment is None:
            return self._cut(case, corner)
        drawn = (self.seed, key.epoch, int(self.rows[key.position]), *corner)
        image, labels = self._cut(case, self._drawn(case, np.random.default_rng((*drawn, 1))))
        return self.augment(image, labels, drawn)

    def _drawn(self, case: int, random: np.random.Generator) -> Window:
        """The corner of a window: around a labelled voxel, as far as the case reaches, or anywhere."""
        first, last = self.cases[case]
        room = [max(0, length - side) for length, side in zip(self._shape(case), self.window, strict=True)]
        labelled = np.flatnonzero(self.store.index["label_pixels"].to_numpy()[first:last])
        if random.random() >= self.foreground or not len(labelled):
            top, row, column = (int(random.integers(most, endpoint=True)) for most in room)
            return top, row, column
        place = int(random.choice(labelled))
        voxels = np.argwhere(self.store.masks(np.array([first + place]))[0])
        within = voxels[random.integers(len(voxels))]
        centre = (self.sections[case].nearest(place), *(int(at) for at in within))
        top, row, column = (
            min(max(at - side // 2, 0), most)
            for at, side, most in zip(centre, self.window, room, strict=True)
        )
        return top, row, column

    def _shape(self, case: int) -> Window:
        return self.sections[case].planned, self.store.meta.size, self.store.meta.size

    def _cut(self, case: int, corner: Window) -> tuple[np.ndarray, np.ndarray]:
        """The window (D, H, W, C) and its labels (D, H, W), uint8."""
        top, row, column = corner
        depth, height, width = self.window
        sections = self.sections[case]
        own, weights = sections.part(top, depth)
        rows = self.cases[case][0] + np.arange(own.start, own.stop)
        inside = (slice(None), slice(row, row + height), slice(column, column + width))
        image, labels = self.store.images(rows)[inside], self.store.masks(rows)[inside]
        if not sections.same:
            image, labels = mixed(image, weights), labelled(labels, weights)
        missing = [(0, side - length) for side, length in zip(self.window, labels.shape, strict=True)]
        if any(end for _, end in missing):
            image, labels = np.pad(image, [*missing, (0, 0)]), np.pad(labels, missing)
        return image, labels


def _sections(store: Store, first: int, last: int, through_mm: float | None) -> Sections:
    meta = store.meta.cases[store.index["case_id"].iloc[first]]
    return Sections.of(last - first, meta.through_mm, through_mm)


def _cases(store: Store, rows: np.ndarray) -> list[tuple[int, int]]:
    """First row of each case among `rows`, and the one behind its last. Raises `UserError` for a part of a
    case.
    """
    runs = []
    for case_id, case in store.index.iloc[np.sort(rows)].groupby("case_id", sort=False):
        first, last = int(case.index[0]), int(case.index[-1]) + 1
        if last - first != len(case) or len(case) != int((store.index["case_id"] == case_id).sum()):
            raise UserError(
                f"the split divides case {case_id}, and train.dims 3 needs whole ones; choose another "
                "split.strategy, or take corrections of a part of it out of ingest.also"
            )
        runs.append((first, last))
    return runs
