"""The sections of a case at another distance from each other: there, and back. Numpy only.

In the plane every head has the same size in the store; through it scans lie 1 to 8 mm apart, and a 3D network
sees them at one distance, as nnU-Net plans it (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from stages.framing import resampling
from stages.scan.spacing import Spacing

UNLIKE = 3.0
"""Sections that lie so many times as far apart as pixels, and are so many times fewer, are thick ones."""
THIN = 10
"""Per cent of the cases: the distance of their sections is planned for where most have thick ones."""


def planned(spacings: Sequence[Spacing], lengths: Sequence[int], size: int) -> float | None:
    """Distance in mm at which a network best sees the sections: the cases' median, and less where they are
    thick: else all that the thinner ones show would be averaged away.

    spacings: of the cases in the store; lengths: their sections; size: pixels of a side. None without cases.
    """
    if not spacings:
        return None
    through, down, across = np.median(spacings, axis=0).tolist()
    pixel = max(down, across)
    if through <= UNLIKE * pixel or np.median(lengths) * UNLIKE >= size:
        return float(through)
    thin = float(np.percentile([spacing.through for spacing in spacings], THIN))
    return max(thin, pixel)


@dataclass(frozen=True)
class Sections:
    """How many sections a case has, and how many at the planned distance."""

    own: int
    planned: int

    @classmethod
    def of(cls, own: int, mm: float | None, planned_mm: float | None) -> "Sections":
        """mm: between the case's own, None where it is not known. planned_mm: None where they stay."""
        if mm is None or planned_mm is None:
            return cls(own, own)
        return cls(own, max(1, round(own * mm / planned_mm)))

    @property
    def same(self) -> bool:
        return self.own == self.planned

    def levels(self, levels: np.ndarray) -> np.ndarray:
        """Of a whole case: (own, H, W, C) uint8 -> (planned, H, W, C)."""
        return levels if self.same else mixed(levels, _weights(self.own, self.planned))

    def back(self, probabilities: np.ndarray) -> np.ndarray:
        """(planned, R, H, W) float32 -> (own, R, H, W)."""
        if self.same:
            return probabilities
        return np.tensordot(_weights(self.planned, self.own), probabilities, 1)

    def part(self, top: int, depth: int) -> tuple[range, np.ndarray]:
        """What planned sections from `top` on are made of: own sections, and the weight of each of these for
        each of them, (depth or less at the end, own) float32.
        """
        weights = _weights(self.own, self.planned)[top : top + depth]
        used = np.flatnonzero(weights.any(axis=0))
        return range(int(used[0]), int(used[-1]) + 1), weights[:, used[0] : used[-1] + 1]

    def nearest(self, own: int) -> int:
        """The planned section in which the middle of an own one lies."""
        return min(int((own + 0.5) * self.planned / self.own), self.planned - 1)


def mixed(levels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Own sections (S, H, W, C) uint8 by weights (D, S): (D, H, W, C) uint8."""
    return np.rint(_sums(weights, levels)).astype(np.uint8)


def labelled(labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Label maps (S, H, W) uint8 by weights (D, S): (D, H, W) uint8, what covers most of each voxel."""
    values = [value for value in range(1, int(labels.max(initial=0)) + 1) if (labels == value).any()]
    covers = np.stack([_sums(weights, labels == value) for value in (0, *values)])
    return resampling.majority(covers[0], covers[1:], values)


def _sums(weights: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Sections by weights, exactly: in float32 the order of adding, which is another for a part than for the
    whole, would decide what is halfway between two levels.
    """
    return np.tensordot(weights.astype(np.float64), levels.astype(np.float64), 1)


@lru_cache(maxsize=64)
def _weights(source: int, target: int) -> np.ndarray:
    return resampling.weights(source, target, 0, source)
