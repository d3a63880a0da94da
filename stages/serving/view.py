"""What the page draws of a scan: planes of 16 bits on the scan's own grid, read from disk one at a time."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.core import atomic
from stages.predicting import overlay
from stages.scan.volume import Volume

AXES = ("axial", "coronal", "sagittal")
TOP = 65535
"""What the highest value of a sequence is drawn as; the lowest is 0."""
_VOXELS, _LABELS = "voxels.npy", "labels.gz"
_SAMPLE = 1 << 20
"""Voxels that a percentile is taken of."""


@dataclass(frozen=True)
class View:
    """Of a scan (S, H, W) with its sequences by name. spacing_mm: between slices, rows and columns. flat: a
    picture of one slice. oriented: its files tell which side is the patient's right. ranges: of each sequence
    the values that 0 and `TOP` stand for. windows: those that are black and white to begin with, as in the
    picture that predict writes.
    """

    slices: int
    rows: int
    columns: int
    spacing_mm: tuple[float, float, float] | None
    flat: bool
    oriented: bool
    sequences: tuple[str, ...]
    ranges: tuple[tuple[float, float], ...]
    windows: tuple[tuple[float, float], ...]


def of(volume: Volume, sequences: tuple[str, ...]) -> View:
    """What is said of a scan before any of it is drawn."""
    slices, rows, columns, count = volume.voxels.shape
    ranges, windows = [], []
    for channel in range(count):
        values = volume.voxels[..., channel]
        low, high = float(values.min()), float(values.max())
        step = max(1, values.size // _SAMPLE)
        ranges.append((low, high))
        windows.append((low, float(np.percentile(values.reshape(-1)[::step], overlay.WHITE))))
    spacing = volume.spacing and (volume.spacing.through, volume.spacing.down, volume.spacing.across)
    oriented = volume.grid is not None
    sides = spacing, slices == 1 and not oriented, oriented
    return View(slices, rows, columns, *sides, sequences, tuple(ranges), tuple(windows))


def draw(folder: Path, volume: Volume, ranges: tuple[tuple[float, float], ...]) -> None:
    """Write voxels (S, H, W, C) for `plane`: two bytes each, so only of scans that somebody looks at. ranges:
    of their `View`.
    """
    slices, rows, columns, count = volume.voxels.shape
    with atomic.file(folder / _VOXELS) as part:
        shape = count, slices, rows, columns
        drawn = np.lib.format.open_memmap(part, mode="w+", dtype="<u2", shape=shape)
        for channel, (low, high) in enumerate(ranges):
            for place in range(slices):
                share = (volume.voxels[place, ..., channel].astype(np.float64) - low) / max(high - low, 1e-12)
                drawn[channel, place] = np.rint(share * TOP)
        drawn.flush()


def is_drawn(folder: Path) -> bool:
    return (folder / _VOXELS).exists()


def forget(folder: Path) -> None:
    """Remove what `draw` wrote."""
    (folder / _VOXELS).unlink(missing_ok=True)


def write_labels(folder: Path, labels: np.ndarray) -> None:
    """Write labels (S, H, W) uint8 in place of those that are there."""
    with atomic.file(folder / _LABELS) as part:
        part.write_bytes(gzip.compress(np.ascontiguousarray(labels, np.uint8).tobytes(), 1, mtime=0))


def labels(folder: Path) -> bytes:
    """Bytes of labels (S, H, W) uint8, packed by gzip."""
    return (folder / _LABELS).read_bytes()


def plane(folder: Path, sequence: int, axis: str, index: int) -> bytes:
    """A plane of a sequence, row by row, little-endian: axial of (H, W), coronal of (S, W), sagittal of
    (S, H). Raises IndexError where there is none.
    """
    if sequence < 0 or index < 0:
        raise IndexError
    volume = np.load(folder / _VOXELS, mmap_mode="r")[sequence]
    planes: np.ndarray = np.moveaxis(volume, AXES.index(axis), 0)
    return planes[index].tobytes()
