"""The rule by which levels become masks: chosen by evaluate, followed by whatever predicts."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stages.masks import components, levels

Tta = Literal["none", "flip"]
"""Test-time augmentation: what is averaged with the answer to a scan as it is."""


@dataclass(frozen=True)
class Rule:
    """threshold: probability from which a voxel belongs to a region, by region. tta: "flip" averages with the
    mirror image. smallest_component_ml: volume below which a 26-connected component is dropped, by region.

    Raises `ValueError` for what no rule can have.
    """

    threshold: dict[str, float]
    tta: Tta
    smallest_component_ml: dict[str, float]

    def __post_init__(self) -> None:
        if not all(0 <= value <= 1 for value in self.threshold.values()):
            raise ValueError("a threshold is a probability")
        if not all(0 <= value < math.inf for value in self.smallest_component_ml.values()):
            raise ValueError("the smallest component has a volume")
        if self.threshold.keys() != self.smallest_component_ml.keys():
            raise ValueError("threshold and smallest component are of other regions")

    def mask(self, region_levels: np.ndarray, region: str, voxel_ml: float) -> np.ndarray:
        """Mask (S, H, W) bool of a region from its levels (S, H, W) uint8."""
        above = region_levels >= levels.at(self.threshold[region])
        return components.without_small(above, self.smallest_component_ml[region] / voxel_ml)
