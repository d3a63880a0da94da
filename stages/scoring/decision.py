"""Threshold, test-time augmentation and smallest component: chosen on validation patients, kept in
decision.json.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from stages.errors import UserError
from stages.scoring import components, levels, overlap
from stages.scoring.levels import LEVELS

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(2, 19))  # 0.10 ... 0.90
SMALLEST_ML = (0.0, 0.1, 0.3, 1.0)
MIN_GAIN = 0.002
"""Flips and the removal of components must bring so much validation Dice: doubling the inference time for
nothing is no gain.
"""
Option = TypeVar("Option", float, str)


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
    """One case: levels (S, R, H, W) uint8 in 0..`LEVELS`, truth (S, R, H, W) bool, spacing in mm, and its
    rows (S,) in the store's index: of a case that a leaky split divides, not all.
    """

    case_id: str
    patient_id: str
    levels: np.ndarray
    truth: np.ndarray
    spacing_mm: tuple[float, float, float]
    rows: np.ndarray

    @property
    def voxel_ml(self) -> float:
        return float(np.prod(self.spacing_mm)) / 1000


def choose(
    by_tta: Mapping[str, Iterable[Scored]],
    regions: list[str],
    threshold: str | float,
    postprocess: str | float,
) -> Decision:
    """Choose on validation cases, region by region, what gives the best mean volume Dice, or what is plainer
    and worse by no more than noise: a threshold nearer to a half, fewer components removed, no flips.

    by_tta: the same cases predicted with each test-time augmentation that may be chosen, the cheapest first;
    they are gone through twice, one in memory at a time. threshold, postprocess: "auto" to choose, a number
    to keep ("none" keeps every component).
    """
    order = list(by_tta)
    found = {tta: _choose_masks(tta, cases, regions, threshold, postprocess) for tta, cases in by_tta.items()}
    return found[_plainest({tta: dice for tta, (_, dice) in found.items()}, order.index, MIN_GAIN)][0]


def _choose_masks(
    tta: str, cases: Iterable[Scored], regions: list[str], threshold: str | float, postprocess: str | float
) -> tuple[Decision, np.ndarray]:
    """The decision with these flips, and the Dice of each case under it, as a mean over regions."""
    tried = THRESHOLDS if threshold == "auto" else (round(float(threshold) * LEVELS) / LEVELS,)
    by_threshold = _dice_by_threshold(cases, len(regions), tried)
    thresholds = [_plainest(dice, lambda t: abs(t - 0.5)) for dice in by_threshold]
    volumes = {"auto": SMALLEST_ML, "none": (0.0,)}.get(str(postprocess)) or (float(postprocess),)
    if volumes == (0.0,):
        by_volume = [{0.0: dice[t]} for dice, t in zip(by_threshold, thresholds, strict=True)]
    else:
        by_volume = _dice_by_smallest(cases, thresholds, volumes)
    smallest = [_plainest(dice, lambda ml: ml, MIN_GAIN) for dice in by_volume]
    scores = np.mean([dice[ml] for dice, ml in zip(by_volume, smallest, strict=True)], axis=0)
    chosen = Decision(
        threshold=dict(zip(regions, thresholds, strict=True)),
        tta=tta,
        smallest_component_ml=dict(zip(regions, smallest, strict=True)),
        val_dice=round(float(np.mean(scores)), 6),
    )
    return chosen, scores


def _plainest(
    dice: Mapping[Option, np.ndarray], daring: Callable[[Option], Any], worth: float = 1e-6
) -> Option:
    """Of options, each with the Dice of the same cases (n,), the least daring that loses no more against the
    best than `worth` or one standard error of the paired differences (the one-standard-error rule: Breiman
    et al. 1984, Classification and Regression Trees, section 3.4.3). Of a single case nothing is noise.
    """
    best = max(dice.values(), key=np.mean)

    def is_good(option: Option) -> bool:
        lost = best - dice[option]
        error = np.std(lost, ddof=1) / np.sqrt(len(lost)) if len(lost) > 1 else 0.0
        return bool(np.mean(lost) <= max(error, worth))

    return min(filter(is_good, dice), key=daring)


def _dice_by_threshold(
    cases: Iterable[Scored], regions: int, thresholds: Iterable[float]
) -> list[dict[float, np.ndarray]]:
    """Volume Dice of each case (n,), by region and threshold, every component kept."""
    counts = [
        [levels.histogram(case.levels[:, number], case.truth[:, number]) for number in range(regions)]
        for case in cases
    ]
    return [
        {t: np.array([_dice(*levels.above(case[number], t)) for case in counts]) for t in thresholds}
        for number in range(regions)
    ]


def _dice_by_smallest(
    cases: Iterable[Scored], thresholds: list[float], volumes: Iterable[float]
) -> list[dict[float, np.ndarray]]:
    """Volume Dice of each case (n,), by region and by the volume in ml below which components are removed."""
    found: list[dict[float, list[float]]] = [{ml: [] for ml in volumes} for _ in thresholds]
    for case in cases:
        for number, (threshold, by_volume) in enumerate(zip(thresholds, found, strict=True)):
            truth = case.truth[:, number]
            mask = case.levels[:, number] >= round(threshold * LEVELS)
            every, right = components.sizes(mask, truth)  # labelled once for all volumes
            for ml, dice in by_volume.items():
                keep = every >= ml / case.voxel_ml
                tp = int(right[keep].sum())
                dice.append(_dice(tp, int(every[keep].sum()) - tp, int(np.count_nonzero(truth)) - tp))
    return [{ml: np.array(dice) for ml, dice in by_volume.items()} for by_volume in found]


def _dice(tp: int, fp: int, fn: int) -> float:
    return overlap.dice(overlap.Counts(tp, fp, fn, 0))


def read(path: Path) -> Decision:
    """Read decision.json; raises `UserError` where it is missing or damaged."""
    try:
        return Decision.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; `dvc repro evaluate` makes it") from None
    except ValidationError:
        raise UserError(f"{path} is damaged; run `dvc repro --force evaluate`") from None
