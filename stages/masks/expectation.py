"""What levels say of a mask that was made of them: the Dice to expect where there is no label."""

import numpy as np

from stages.masks.levels import LEVELS

LOWEST = 0.05
"""Probability from which a voxel outside the mask belongs to its surroundings. What networks say of the rest
of a head is no frequency: a thousandth of a whole head would outweigh a tumour.
"""
_PROBABILITY = np.minimum((np.arange(LEVELS + 1) + 0.5) / LEVELS, 1.0)
"""Of each level, the middle of what was rounded down to it."""


def dice(region_levels: np.ndarray, mask: np.ndarray) -> float:
    """Dice to expect of a mask (S, H, W) bool by the levels (S, H, W) uint8 of its region, 0 to 1.

    Of a mask m with voxels it is the Soft Dice Confidence, 2 sum(p m) / (sum(p) + sum(m)), which bounds the
    expectation closely where voxels are independent given the scan (Borges, Machado and Silva 2024, arXiv
    2402.10665). Of an empty mask it is the probability that nothing is there, the product of 1 - p: two empty
    masks have a Dice of 1, as in `scoring`. Counted are the mask and voxels outside it from `LOWEST` on.
    """
    inside = np.bincount(region_levels[mask], minlength=LEVELS + 1)
    outside = np.bincount(region_levels.ravel(), minlength=LEVELS + 1) - inside
    outside[: round(LOWEST * LEVELS)] = 0
    common = float(inside @ _PROBABILITY)
    if inside.any():
        return 2 * common / (common + float(outside @ _PROBABILITY) + float(inside.sum()))
    if outside[LEVELS]:
        return 0.0
    return float(np.exp(outside[:LEVELS] @ np.log1p(-_PROBABILITY[:LEVELS])))
