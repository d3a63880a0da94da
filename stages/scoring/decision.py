"""Threshold, test-time augmentation and smallest component: chosen on validation patients, kept in
decision.json.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from stages.core.errors import UserError
from stages.masks import components, levels
from stages.masks.levels import LEVELS
from stages.masks.rule import Rule, Tta
from stages.scan.spacing import Spacing
from stages.scoring import histograms, overlap

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(2, 19))  # 0.10 ... 0.90
SMALLEST_ML = (0.0, 0.1, 0.3, 1.0)
MIN_GAIN = 0.002
"""A choice beyond the plain one must bring so much validation Dice: doubling the inference time for noise is
no gain.
"""


@dataclass(frozen=True)
class Decision(Rule):
    """The rule with the mean volume Dice that it reached on the validation cases: decision.json."""

    val_dice: float


@dataclass(frozen=True)
class Scored:
    """One case: levels (S, R, H, W) uint8 in 0..`LEVELS`, truth (S, R, H, W) bool, spacing, and its
    rows (S,) in the store's index: of a case that a leaky split divides, not all.
    """

    case_id: str
    patient_id: str
    levels: np.ndarray
    truth: np.ndarray
    spacing: Spacing
    rows: np.ndarray

    @property
    def voxel_ml(self) -> float:
        return self.spacing.voxel_ml


def choose(
    by_tta: Mapping[Tta, Iterable[Scored]],
    regions: list[str],
    threshold: str | float,
    postprocess: str | float,
) -> Decision:
    """Choose on validation cases, region by region, what gives the best mean volume Dice.

    by_tta: the same cases predicted with each test-time augmentation that may be chosen, the cheapest first;
    they are gone through twice, one in memory at a time. threshold, postprocess: "auto" to choose, a number
    to keep ("none" keeps every component).
    """
    best: Decision | None = None
    for tta, cases in by_tta.items():
        decision = _choose_masks(tta, cases, regions, threshold, postprocess)
        if best is None or decision.val_dice > best.val_dice + MIN_GAIN:
            best = decision
    assert best is not None
    return best


def _choose_masks(
    tta: Tta, cases: Iterable[Scored], regions: list[str], threshold: str | float, postprocess: str | float
) -> Decision:
    tried = THRESHOLDS if threshold == "auto" else (levels.at(float(threshold)) / LEVELS,)
    by_threshold = _dice_by_threshold(cases, len(regions), tried)
    # Of equal scores the one nearest to a half: the least daring choice.
    thresholds = [max(dice, key=lambda t: (round(dice[t], 6), -abs(t - 0.5))) for dice in by_threshold]
    volumes = {"auto": SMALLEST_ML, "none": (0.0,)}.get(str(postprocess)) or (float(postprocess),)
    if volumes == (0.0,):
        by_volume = [{0.0: dice[t]} for dice, t in zip(by_threshold, thresholds, strict=True)]
    else:
        by_volume = _dice_by_smallest(cases, thresholds, volumes)
    fee = MIN_GAIN if len(volumes) > 1 else 0.0
    smallest = [max(dice, key=lambda ml: (dice[ml] - (fee if ml else 0), -ml)) for dice in by_volume]
    scores = [dice[ml] for dice, ml in zip(by_volume, smallest, strict=True)]
    return Decision(
        threshold=dict(zip(regions, thresholds, strict=True)),
        tta=tta,
        smallest_component_ml=dict(zip(regions, smallest, strict=True)),
        val_dice=round(float(np.mean(scores)), 6),
    )


def _dice_by_threshold(
    cases: Iterable[Scored], regions: int, thresholds: Iterable[float]
) -> list[dict[float, float]]:
    """Mean volume Dice of each region at each threshold, every component kept."""
    counts = [
        [histograms.count(case.levels[:, number], case.truth[:, number]) for number in range(regions)]
        for case in cases
    ]
    return [
        {
            t: float(np.mean([overlap.dice(histograms.above(case[number], t)) for case in counts]))
            for t in thresholds
        }
        for number in range(regions)
    ]


def _dice_by_smallest(
    cases: Iterable[Scored], thresholds: list[float], volumes: Iterable[float]
) -> list[dict[float, float]]:
    """Mean volume Dice of each region for each volume in ml below which components are removed."""
    scores: list[dict[float, list[float]]] = [{ml: [] for ml in volumes} for _ in thresholds]
    for case in cases:
        for number, (threshold, by_volume) in enumerate(zip(thresholds, scores, strict=True)):
            truth = case.truth[:, number]
            mask = case.levels[:, number] >= levels.at(threshold)
            every, right = components.sizes(mask, truth)  # labelled once for all volumes
            for ml, dice in by_volume.items():
                keep = every >= ml / case.voxel_ml
                kept = overlap.Counts(right[keep].sum(), every[keep].sum(), np.count_nonzero(truth))
                dice.append(overlap.dice(kept))
    return [{ml: float(np.mean(dice)) for ml, dice in by_volume.items()} for by_volume in scores]


def read(path: Path) -> Decision:
    """Read decision.json; raises `UserError` where it is missing or damaged."""
    try:
        return TypeAdapter(Decision).validate_json(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; `dvc repro evaluate` makes it") from None
    except ValidationError:
        raise UserError(f"{path} is damaged; run `dvc repro --force evaluate`") from None
