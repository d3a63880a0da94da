"""Threshold, test-time augmentation and smallest component: chosen on validation patients, kept in
decision.json.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from stages.errors import UserError
from stages.scoring import components, overlap

LEVELS = 200
"""Probabilities are kept as uint8 floor(p x 200): p >= t is then exact for every t that is a multiple of
1/200.
"""
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(2, 19))  # 0.10 ... 0.90
SMALLEST_ML = (0.0, 0.1, 0.3, 1.0)
MIN_GAIN = 0.002
"""A choice beyond the plain one must bring so much validation Dice: doubling the inference time for noise is
no gain.
"""


class Decision(BaseModel):
    """How probabilities become a mask. Thresholds and volumes in ml by region."""

    model_config = ConfigDict(frozen=True)

    threshold: dict[str, float]
    tta: str
    smallest_component_ml: dict[str, float]
    val_dice: float

    def mask(self, levels: np.ndarray, region: str, voxel_ml: float) -> np.ndarray:
        """Mask (S, H, W) of a region from its levels (S, H, W)."""
        above = levels >= round(self.threshold[region] * LEVELS)
        return components.without_small(above, self.smallest_component_ml[region] / voxel_ml)


@dataclass(frozen=True)
class Scored:
    """One case: levels (S, R, H, W) uint8 in 0..`LEVELS`, truth (S, R, H, W) bool, spacing in mm."""

    case_id: str
    patient_id: str
    levels: np.ndarray
    truth: np.ndarray
    spacing_mm: tuple[float, float, float]

    @property
    def voxel_ml(self) -> float:
        return float(np.prod(self.spacing_mm)) / 1000


def quantise(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities 0..1, float32 -> uint8 levels 0..`LEVELS`, rounded down."""
    # In float64 the product of a float32 is exact; in float32 it would round up across a threshold.
    return np.multiply(probabilities, LEVELS, dtype=np.float64).astype(np.uint8)


def choose(
    by_tta: dict[str, list[Scored]], regions: list[str], threshold: str | float, postprocess: str | float
) -> Decision:
    """Choose on validation cases, region by region, what gives the best mean volume Dice.

    by_tta: the same cases predicted with each test-time augmentation that may be chosen, the cheapest first.
    threshold, postprocess: "auto" to choose, a number to keep ("none" keeps every component).
    """
    best: Decision | None = None
    for tta, cases in by_tta.items():
        found = _choose_masks(tta, cases, regions, threshold, postprocess)
        if best is None or found.val_dice > best.val_dice + MIN_GAIN:
            best = found
    assert best is not None
    return best


def _choose_masks(
    tta: str, cases: list[Scored], regions: list[str], threshold: str | float, postprocess: str | float
) -> Decision:
    thresholds, smallest, scores = {}, {}, []
    for number, region in enumerate(regions):
        tried = THRESHOLDS if threshold == "auto" else (round(float(threshold) * LEVELS) / LEVELS,)
        by_threshold = {t: _mean_dice(cases, number, t, 0.0) for t in tried}
        # Of equal scores the one nearest to a half: the least daring choice.
        best = max(by_threshold, key=lambda t: (round(by_threshold[t], 6), -abs(t - 0.5)))
        volumes = {"auto": SMALLEST_ML, "none": (0.0,)}.get(str(postprocess)) or (float(postprocess),)
        by_volume = {
            ml: by_threshold[best] if ml == 0 else _mean_dice(cases, number, best, ml) for ml in volumes
        }
        kept = max(
            by_volume, key=lambda ml: (by_volume[ml] - (MIN_GAIN if ml and len(volumes) > 1 else 0), -ml)
        )
        thresholds[region], smallest[region] = best, kept
        scores.append(by_volume[kept])
    return Decision(
        threshold=thresholds,
        tta=tta,
        smallest_component_ml=smallest,
        val_dice=round(float(np.mean(scores)), 6),
    )


def _mean_dice(cases: list[Scored], region: int, threshold: float, smallest_ml: float) -> float:
    scores = []
    for case in cases:
        mask = case.levels[:, region] >= round(threshold * LEVELS)
        mask = components.without_small(mask, smallest_ml / case.voxel_ml)
        scores.append(overlap.dice(overlap.count(mask, case.truth[:, region])))
    return float(np.mean(scores))


def read(path: Path) -> Decision:
    """Read decision.json; raises `UserError` where it is missing or damaged."""
    try:
        return Decision.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; `dvc repro evaluate` makes it") from None
    except ValidationError:
        raise UserError(f"{path} is damaged; run `dvc repro --force evaluate`") from None


def precision_recall(cases: Iterable[Scored], region: int) -> list[tuple[float, float, float]]:
    """(threshold, precision, recall) of all voxels pooled, at every twentieth threshold."""
    positive, negative = np.zeros(LEVELS + 1, dtype=np.int64), np.zeros(LEVELS + 1, dtype=np.int64)
    for case in cases:
        levels, truth = case.levels[:, region], case.truth[:, region]
        positive += np.bincount(levels[truth], minlength=LEVELS + 1)
        negative += np.bincount(levels[~truth], minlength=LEVELS + 1)
    tp, fp = positive[::-1].cumsum()[::-1], negative[::-1].cumsum()[::-1]
    rows = []
    for level in range(LEVELS // 20, LEVELS, LEVELS // 20):
        predicted = int(tp[level] + fp[level])
        precision = float(tp[level] / predicted) if predicted else 1.0
        rows.append((level / LEVELS, precision, float(tp[level] / max(1, tp[0]))))
    return rows
