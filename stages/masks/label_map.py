"""Regions painted into one map of classes, and how sure the model is of what it painted."""

from typing import Protocol

import numpy as np

from stages.masks.levels import LEVELS

Regions = dict[str, list[int]]
"""Classes of each region, in the order of a network's channels."""


class Masks(Protocol):
    """What makes a region's levels a mask: a `Rule`, or one with larger masks."""

    def mask(self, region_levels: np.ndarray, region: str, voxel_ml: float) -> np.ndarray:
        """Mask (S, H, W) bool of a region from its levels (S, H, W) uint8."""
        ...


def order(regions: Regions) -> list[str]:
    """Names of the regions, the widest first."""
    return sorted(regions, key=lambda name: -len(regions[name]))


def of(levels: np.ndarray, regions: Regions, rule: Masks, voxel_ml: float) -> np.ndarray:
    """Levels (S, R, H, W) uint8 -> classes (S, H, W) uint8, 0 for none.

    Regions are painted over each other, the widest first, as nnU-Net composes BraTS labels (Isensee, Nature
    Methods 18, 2021): a region gives its pixels the class that its subregions do not have.
    """
    names = order(regions)
    labels = np.zeros((len(levels), *levels.shape[2:]), np.uint8)
    for place, name in enumerate(names):
        rest = set(regions[name]).difference(*(regions[smaller] for smaller in names[place + 1 :]))
        mask = rule.mask(levels[:, list(regions).index(name)], name, voxel_ml)
        labels[mask] = min(rest or regions[name])
    return labels


def highest(levels: np.ndarray, regions: Regions) -> np.ndarray:
    """The highest level (S, H, W) uint8 of those regions that no other contains: of the only one, of the
    widest of nested ones, of any of exclusive ones.
    """
    outer = [
        number
        for number, own in enumerate(regions.values())
        if not any(set(own) < set(other) for other in regions.values())
    ]
    return levels[:, outer[0]] if len(outer) == 1 else levels[:, outer].max(axis=1)


def confidence(levels: np.ndarray, labels: np.ndarray, regions: Regions) -> float | None:
    """Mean probability within the labels, of the `highest` region; None where there are no labels."""
    inside = highest(levels, regions)[labels > 0]
    # Levels are rounded down: half of one is what that takes away on average.
    return min((float(inside.mean()) + 0.5) / LEVELS, 1.0) if len(inside) else None
