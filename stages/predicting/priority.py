"""What labelling a scan would bring to a model: the errors to expect in its mask, and what it looks like.

Nothing here needs a label: all of it is in the scan and in what the model answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stages.inference.spec import Spec
from stages.masks import expectation, label_map
from stages.masks.expectation import LOWEST
from stages.masks.rule import Rule
from stages.predicting import segmenting
from stages.predicting.segmenting import Answer


@dataclass(frozen=True)
class Priority:
    """What a ranking knows of a scan. hash: hex digits of its content, which break ties and stand for chance.
    expected_error: see there. volume_ml: of the mask. blank: there is no head in it. looks: (F,) float64, see
    there.
    """

    hash: str
    expected_error: float
    volume_ml: float
    blank: bool
    looks: np.ndarray


def of(answer: Answer, spec: Spec, content: str) -> Priority:
    """Of a scan by what a model says of it. content: the hash of the scan."""
    segmented = segmenting.segmented(answer, spec)
    regions = spec.output.regions
    return Priority(
        hash=content,
        expected_error=expected_error(answer.levels, regions, spec.decision, answer.voxel_ml),
        volume_ml=float(np.count_nonzero(segmented.labels)) * answer.voxel_ml,
        blank=segmented.blank,
        looks=looks(answer.slices, label_map.highest(answer.probabilities, regions)),
    )


def expected_error(
    levels: np.ndarray, regions: Mapping[str, list[int]], rule: Rule, voxel_ml: float
) -> float:
    """1 minus the Dice to expect of the masks that `rule` makes of levels (S, R, H, W) uint8, mean over
    regions: 0 to 1.

    It is the expected number of wrong voxels over the sum of both volumes, so that a large tumour does not
    count more than a small one.
    """
    errors = []
    for number, name in enumerate(regions):
        own = levels[:, number]
        errors.append(1 - expectation.dice(own, rule.mask(own, name, voxel_ml)))
    return float(np.mean(errors))


def looks(slices: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """A scan in a few numbers that tell scans apart: (6 C + 4,) float64, the same for equal scans.

    slices (S, h, w, C) uint8 in the model's frame, where 0 is background; probabilities (S, h, w) float32 of
    foreground there. Of each channel: quartiles of the head's levels, and of the foreground, weighted by its
    probabilities, mean minus the head's median, deviation, and share above the upper quartile. Of the
    foreground: its centre (through, down, across, as shares of the frame), and the cube root of its share of
    the head, as of a diameter. Without foreground these are 0, and the centre the frame's.
    """
    head = slices.any(axis=3)
    inside = slices[head].astype(np.float64)
    weights = np.where(probabilities >= LOWEST, probabilities, 0).astype(np.float64)
    total = weights.sum()
    size = np.cbrt(total / len(inside)) if len(inside) else 0.0
    channels = slices.shape[3]
    quartiles = np.percentile(inside, (25, 50, 75), axis=0) if len(inside) else np.zeros((3, channels))
    if not total:
        return np.concatenate([quartiles.ravel(), np.zeros(3 * channels), np.full(3, 0.5), [size]])
    places = np.nonzero(weights)
    share = weights[places] / total
    levels = slices[places].astype(np.float64)
    mean = share @ levels
    deviation = np.sqrt(share @ (levels - mean) ** 2)
    bright = share @ (levels > quartiles[2])
    centre = [share @ (place + 0.5) / side for place, side in zip(places, weights.shape, strict=True)]
    return np.concatenate([quartiles.ravel(), mean - quartiles[1], deviation, bright, centre, [size]])
