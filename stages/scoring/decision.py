"""Threshold, test-time augmentation and smallest component: chosen on validation patients, kept in
decision.json.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

from stages.core.errors import UserError
from stages.masks import components, levels
from stages.masks.levels import LEVELS
from stages.masks.rule import Rule, Tta
from stages.scan.spacing import Spacing
from stages.scoring import histograms, overlap
from stages.store.shards import Store

T = TypeVar("T")
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


Task = Callable[[Scored, Store], T]
"""Work on a case and the store that it is of, on these alone: another process may do it."""


class Cases(Protocol):
    """Predicted cases, of which one at a time is in memory."""

    def map(self, task: Task[T]) -> Iterator[T]:
        """What a task makes of each case, in their order."""


def choose(
    by_tta: Mapping[Tta, Cases],
    regions: list[str],
    threshold: str | float,
    postprocess: str | float,
) -> Decision:
    """Choose on validation cases, region by region, what gives the best mean volume Dice.

    by_tta: the same cases predicted with each test-time augmentation that may be chosen, the cheapest first;
    they are gone through twice. threshold, postprocess: "auto" to choose, a number to keep ("none" keeps
    every component).
    """
    best: Decision | None = None
    for tta, cases in by_tta.items():
        decision = _choose_masks(tta, cases, regions, threshold, postprocess)
        if best is None or decision.val_dice > best.val_dice + MIN_GAIN:
            best = decision
    assert best is not None
    return best


def _choose_masks(
    tta: Tta, cases: Cases, regions: list[str], threshold: str | float, postprocess: str | float
) -> Decision:
    tried = THRESHOLDS if threshold == "auto" else (levels.at(float(threshold)) / LEVELS,)
    counts = list(cases.map(_counts))
    by_threshold = [
        _dice_by_threshold([case[number] for case in counts], tried) for number in range(len(regions))
    ]
    # Of equal scores the one nearest to a half: the least daring choice.
    thresholds = [max(dice, key=lambda t: (round(dice[t], 6), -abs(t - 0.5))) for dice in by_threshold]
    volumes = {"auto": SMALLEST_ML, "none": (0.0,)}.get(str(postprocess)) or (float(postprocess),)
    if volumes == (0.0,):
        by_volume = [{0.0: dice[t]} for dice, t in zip(by_threshold, thresholds, strict=True)]
    else:
        scored = list(cases.map(partial(_dice_by_smallest, thresholds, volumes)))
        by_volume = [
            {ml: float(np.mean([case[number][ml] for case in scored])) for ml in volumes}
            for number in range(len(regions))
        ]
    fee = MIN_GAIN if len(volumes) > 1 else 0.0
    smallest = [max(dice, key=lambda ml: (dice[ml] - (fee if ml else 0), -ml)) for dice in by_volume]
    scores = [dice[ml] for dice, ml in zip(by_volume, smallest, strict=True)]
    return Decision(
        threshold=dict(zip(regions, thresholds, strict=True)),
        tta=tta,
        smallest_component_ml=dict(zip(regions, smallest, strict=True)),
        val_dice=round(float(np.mean(scores)), 6),
    )


def _counts(case: Scored, _: Store) -> list[np.ndarray]:
    """`histograms.count` of each region of a case."""
    return [histograms.count(own, truth) for own, truth in _by_region(case)]


def _dice_by_threshold(counts: list[np.ndarray], thresholds: Iterable[float]) -> dict[float, float]:
    """Mean volume Dice of a region at each threshold, every component kept. counts: of each case."""
    return {
        t: float(np.mean([overlap.dice(histograms.above(case, t)) for case in counts])) for t in thresholds
    }


def _dice_by_smallest(
    thresholds: Sequence[float], volumes: Sequence[float], case: Scored, _: Store
) -> list[dict[float, float]]:
    """Volume Dice of each region of a case for each volume in ml below which components are removed."""
    scores = []
    for threshold, (own, truth) in zip(thresholds, _by_region(case), strict=True):
        every, right = components.sizes(own >= levels.at(threshold), truth)  # labelled once for all volumes
        by_volume = {}
        for ml in volumes:
            keep = every >= ml / case.voxel_ml
            kept = overlap.Counts(right[keep].sum(), every[keep].sum(), np.count_nonzero(truth))
            by_volume[ml] = overlap.dice(kept)
        scores.append(by_volume)
    return scores


def _by_region(case: Scored) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Levels (S, H, W) and truth (S, H, W) of each region."""
    return ((case.levels[:, number], case.truth[:, number]) for number in range(case.levels.shape[1]))


def read(path: Path) -> Decision:
    """Read decision.json; raises `UserError` where it is missing or damaged."""
    try:
        return TypeAdapter(Decision).validate_json(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; `dvc repro evaluate` makes it") from None
    except ValidationError:
        raise UserError(f"{path} is damaged; run `dvc repro --force evaluate`") from None
