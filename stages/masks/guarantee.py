"""What patients with labels promise of a new scan. Fitted by `scoring.conformal`, applied here. Numpy only.

All of it rests on ranks: where a new patient is like those that calibrated, in that none of them can be told
from the others by the order in which they came, the new one is as likely to take any place among them (Vovk,
Gammerman and Shafer 2005). No promise is better than 1 - 1/(n + 1) of n patients.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stages.masks import expectation, label_map
from stages.masks.label_map import Regions
from stages.masks.rule import Rule

COVERAGE = 0.9
"""Share of patients for whom each promise is to hold, where nobody asks for another."""
TRUSTED = -1.0
"""Score of a patient without a bad mask: below every confidence."""


@dataclass(frozen=True)
class Ranks:
    """Scores of patients that calibrated, from the best to the worst; each stands for as many of them as the
    others where there are fewer scores than patients, and is the worst of these.

    Raises `ValueError` for scores that nobody can be ranked by.
    """

    patients: int
    scores: tuple[float, ...]

    def __post_init__(self) -> None:
        steps = np.diff(self.scores)
        if not np.isfinite(self.scores).all() or ((steps < 0).any() and (steps > 0).any()):
            raise ValueError("scores are in order")
        if self.patients < len(self.scores) or (self.patients > 0) != bool(self.scores):
            raise ValueError("each score is of a patient")

    @property
    def highest(self) -> float:
        """The highest coverage that so many patients can promise."""
        return self.patients / (self.patients + 1)

    def rank(self, coverage: float) -> int:
        """Place of the score that a coverage takes, from 1; above `patients` where it is not reached."""
        return max(1, math.ceil((self.patients + 1) * coverage - 1e-9))

    def bound(self, coverage: float) -> float | None:
        """The score that a new patient keeps to with a probability of `coverage` at least; None where it
        takes more patients than there are.

        It is the ceil((n + 1) coverage)-th best, the conformal quantile. Of losses of 0 or 1 Conformal Risk
        Control (Angelopoulos et al. 2024, ICLR) comes to the same: the least bound for which
        n / (n + 1) x mean loss + 1 / (n + 1) is at most 1 - coverage.
        """
        rank = self.rank(coverage)
        if rank > self.patients:
            return None
        return self.scores[-(-rank * len(self.scores) // self.patients) - 1]


@dataclass(frozen=True)
class Guarantees:
    """Of a model. outer: of each region the highest level whose mask holds enough of a patient's truth, the
    highest first. volume: |log((true + `ML`) / (predicted + `ML`))|. trust: the confidence of a patient's bad
    mask, `TRUSTED` without one. dice: |expected - true Dice|. dice_shift: what is added to the Dice that the
    levels of a region let expect. withheld: why nothing is promised, "" where something is.
    """

    outer: dict[str, Ranks]
    volume: Ranks
    trust: Ranks
    dice: Ranks
    dice_shift: dict[str, float]
    withheld: str = ""

    def __post_init__(self) -> None:
        if self.outer.keys() != self.dice_shift.keys():
            raise ValueError("outer masks and expected Dice are of other regions")

    def lacking(self, coverage: float, outer: bool = False) -> str:
        """Why some of it cannot be promised with a coverage, as a sentence; "" where all can. outer: outer
        masks are asked for too.
        """
        if self.withheld:
            return f"nothing is promised of a scan: {self.withheld}"
        if self.volume.bound(coverage) is None:
            return (
                f"{_patients(self.volume)} can promise a coverage of {_down(self.volume.highest)} at most, "
                f"not of {coverage:g}"
            )
        if not outer:
            return ""
        bounds = {name: ranks.bound(coverage) for name, ranks in self.outer.items()}
        if whole := [name for name, level in bounds.items() if level == 0]:
            return (
                f"an outer mask of {', '.join(whole)} with a coverage of {coverage:g} is the whole scan: "
                "of too many test patients the model does not see a part at all"
            )
        regions = [name for name, level in bounds.items() if level is None]
        if not regions:
            return ""
        few = min((self.outer[name] for name in regions), key=lambda ranks: ranks.patients)
        return (
            f"{_patients(few)} with {', '.join(regions)} can promise an outer mask with a coverage of "
            f"{_down(few.highest)} at most, not of {coverage:g}"
        )


ML = 1.0
"""Added to both volumes before their ratio is taken: a scan without tumour, or with a drop of it, has a ratio
too, and a few voxels are no large error.
"""


@dataclass(frozen=True)
class Promise:
    """Of one scan; None where nothing is promised. Volumes in ml of all that is segmented. expected_dice: of
    the mask, mean over regions; expected_dice_low: at least so much. trusted: False where a person has to
    look.
    """

    volume_low_ml: float | None = None
    volume_high_ml: float | None = None
    expected_dice: float | None = None
    expected_dice_low: float | None = None
    trusted: bool | None = None


def of_scan(
    guarantees: Guarantees | None,
    coverage: float,
    predicted_ml: float,
    confidence: float | None,
    expected_dice: float | None,
) -> Promise:
    """What is promised of a scan, each with a coverage of its own.

    confidence: `label_map.confidence`, None counts as 0. expected_dice: of `expected`, None of a scan that is
    of another kind than those of the patients that calibrated.
    """
    if guarantees is None or guarantees.withheld or expected_dice is None:
        return Promise()
    low, high = volumes(predicted_ml, guarantees.volume.bound(coverage))
    bound, error = guarantees.trust.bound(coverage), guarantees.dice.bound(coverage)
    return Promise(
        volume_low_ml=low,
        volume_high_ml=high,
        expected_dice=expected_dice,
        expected_dice_low=None if error is None else max(0.0, expected_dice - error),
        trusted=None if bound is None else (confidence or 0.0) > bound,
    )


def volumes(predicted_ml: float, bound: float | None) -> tuple[float | None, float | None]:
    """The volumes in ml whose score is at most `bound`, not below 0."""
    if bound is None:
        return None, None
    factor = math.exp(bound)
    return max(0.0, (predicted_ml + ML) / factor - ML), (predicted_ml + ML) * factor - ML


def expected(
    levels: np.ndarray, regions: Regions, rule: Rule, voxel_ml: float, guarantees: Guarantees
) -> float:
    """Dice to expect of the masks that `rule` makes of levels (S, R, H, W) uint8, mean over regions."""
    dices = []
    for number, name in enumerate(regions):
        own = levels[:, number]
        dice = expectation.dice(own, rule.mask(own, name, voxel_ml))
        dices.append(shifted(dice, guarantees.dice_shift[name]))
    return float(np.mean(dices))


def shifted(dice: float, shift: float) -> float:
    """An expected Dice as validation patients correct it, 0 to 1."""
    return min(1.0, max(0.0, dice + shift))


@dataclass(frozen=True)
class Outer:
    """A rule's masks made so large that they hold enough. levels: from which a voxel belongs to a region."""

    rule: Rule
    levels: Mapping[str, float]

    def mask(self, region_levels: np.ndarray, region: str, voxel_ml: float) -> np.ndarray:
        """See `Rule.mask`, whose mask it holds."""
        return (region_levels >= self.levels[region]) | self.rule.mask(region_levels, region, voxel_ml)


def outer(
    levels: np.ndarray,
    regions: Regions,
    rule: Rule,
    voxel_ml: float,
    guarantees: Guarantees,
    coverage: float,
) -> np.ndarray:
    """Outer masks of levels (S, R, H, W) uint8 as a map of classes (S, H, W) uint8 (`label_map.of`).

    Of nested regions each holds at least its own outer mask, of regions that exclude each other where these
    do not overlap. Raises `ValueError` where the coverage cannot be promised.
    """
    bounds = {name: guarantees.outer[name].bound(coverage) for name in regions}
    reached = {name: bound for name, bound in bounds.items() if bound is not None}
    if guarantees.withheld or len(reached) < len(bounds):
        raise ValueError(guarantees.lacking(coverage, outer=True))
    return label_map.of(levels, regions, Outer(rule, reached), voxel_ml)


def _patients(ranks: Ranks) -> str:
    return "one patient" if ranks.patients == 1 else f"{ranks.patients} patients"


def _down(share: float) -> str:
    return f"{math.floor(1000 * share) / 1000:g}"
