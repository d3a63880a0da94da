"""Scores of held-out patients, of which the promises about new scans are made (`masks.guarantee`).

The patients that calibrate are the test patients: those of validation chose epoch, threshold and flips. Over
the folds of a cross-validation each is scored by a network that has not seen it, which is cross-conformal
prediction (Vovk 2015, Annals of Mathematics and Artificial Intelligence 74; Barber et al. 2021, Annals of
Statistics 49). A patient's worst scan counts.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import TypeAdapter, ValidationError
from scipy.stats import beta

from stages.core import tables
from stages.core.errors import UserError
from stages.masks import expectation, guarantee, label_map
from stages.masks.guarantee import ML, TRUSTED, Guarantees, Ranks
from stages.masks.label_map import Regions
from stages.masks.levels import LEVELS
from stages.scoring import overlap
from stages.scoring.decision import Decision, Scored
from stages.store.shards import Store

HELD = 0.9
"""Share of the true voxels of a region that an outer mask is to hold."""
BAD = 0.7
"""A scan is badly segmented below this Dice, mean over regions; from it on Zijdenbos et al. 1994 (IEEE TMI
13) speak of good overlap.
"""
KEPT = 400
"""Scores that a model carries of each kind. Of more patients each stands for several, and is their worst."""
DIGITS = 6
SCHEMA = tables.PER_CASE.requiring("outer_level", "confidence", "volume_log_error", "expected_dice")
"""What must be known of each case."""


def outer_level(counts: np.ndarray) -> float:
    """The highest level, 0 to `LEVELS`, from which on voxels hold `HELD` of the truth; NaN without truth.

    counts: of a region of a case (`histograms.count`). At level 0 the mask is the whole scan.
    """
    held = counts[1][::-1].cumsum()[::-1]
    return float(np.flatnonzero(held >= HELD * held[0] - 1e-6).max()) if held[0] else float("nan")


def of_case(case: Scored, masks: Sequence[np.ndarray], regions: Regions) -> dict[str, float]:
    """What per_case.csv says of all regions of a case: confidence, volume_log_error. masks: of the regions,
    (S, H, W) bool.

    The volumes are of everything that is labelled or predicted.
    """
    predicted = np.any(masks, axis=0)
    volumes = (np.count_nonzero(mask) * case.voxel_ml + ML for mask in (case.truth.any(axis=1), predicted))
    true, own = volumes
    return {
        "confidence": label_map.confidence(case.levels, predicted, regions) or 0.0,
        "volume_log_error": abs(float(np.log(true / own))),
    }


def of_region(
    region_levels: np.ndarray, mask: np.ndarray, counts: np.ndarray, shift: float
) -> dict[str, float]:
    """What it says of one: outer_level, expected_dice. shift: of `shifts`."""
    return {
        "outer_level": outer_level(counts),
        "expected_dice": guarantee.shifted(expectation.dice(region_levels, mask), shift),
    }


def residuals(chosen: Decision, case: Scored, store: Store) -> list[float]:
    """Of each region of a case its Dice minus what its levels let expect."""
    apart = []
    for number, region in enumerate(store.meta.regions):
        own = case.levels[:, number]
        mask = chosen.mask(own, region, case.voxel_ml)
        dice = overlap.dice(overlap.count(mask, case.truth[:, number]))
        apart.append(dice - expectation.dice(own, mask))
    return apart


def shifts(validation: Iterable[list[float]], regions: Iterable[str]) -> dict[str, float]:
    """What corrects the expected Dice of each region: the median over the `residuals` of validation cases, so
    that the test patients are left to tell its error.
    """
    medians = np.median(list(validation), axis=0)
    return {name: round(float(median), DIGITS) for name, median in zip(regions, medians, strict=True)}


def scans(scores: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """A row a scan of tables of `SCHEMA`, one of each network: patient_id, confidence, volume_log_error, dice
    and expected_dice (mean over regions).
    """
    rows = pd.concat(dict(enumerate(scores)), names=["network"]).reset_index("network")
    names = ["confidence", "volume_log_error", "dice", "expected_dice"]  # the first two are alike in all rows
    by_scan = rows.groupby(["network", "patient_id", "case_id"])[names].mean()
    return by_scan.reset_index("patient_id").reset_index(drop=True)


def withheld(leaky: bool, patients_known: bool) -> str:
    """Why the test patients may promise nothing, "" where they may."""
    if leaky:
        return "patients of the test set were also trained or validated on"
    return "" if patients_known else "the data do not tell which scans are of one patient"


def fit(scores: Sequence[pd.DataFrame], shift: Mapping[str, float], withheld: str = "") -> Guarantees:
    """What the patients of tables of `SCHEMA`, one of each network, promise. shift: of `shifts`, by region.

    withheld: why nothing may be promised; "" where it may.
    """
    if withheld:
        nobody = Ranks(0, ())
        return Guarantees(dict.fromkeys(shift, nobody), nobody, nobody, nobody, dict(shift), withheld)
    by_scan = scans(scores)
    by_scan["trust"] = by_scan["confidence"].where(by_scan["dice"] < BAD, TRUSTED)
    by_scan["error"] = (by_scan["expected_dice"] - by_scan["dice"]).abs()
    worst = by_scan.groupby("patient_id")[["volume_log_error", "trust", "error"]].max()
    # A mask holds nobody's empty truth better than another: patients without a region do not calibrate it.
    rows = pd.concat(scores).dropna(subset="outer_level")
    lowest = rows.groupby(["region", "patient_id"])["outer_level"].min()
    regions = lowest.index.get_level_values("region")
    return Guarantees(
        outer={name: _ranks(-lowest[regions == name], -1) for name in shift},
        volume=_ranks(worst["volume_log_error"]),
        trust=_ranks(worst["trust"]),
        dice=_ranks(worst["error"]),
        dice_shift=dict(shift),
    )


def _ranks(worst: pd.Series, sign: int = 1) -> Ranks:
    """Of each patient's worst score, times `sign`, of which a high one is bad."""
    number = len(worst)
    kept = min(number, KEPT)
    last = [-(-place * number // kept) - 1 for place in range(1, kept + 1)]
    ordered = np.sort(worst.to_numpy())[last]
    up = np.ceil(np.round(ordered * 10**DIGITS, 3)) / 10**DIGITS  # no better than it was
    return Ranks(number, tuple(float(sign * score) for score in up))


def risk_coverage(by_scan: pd.DataFrame) -> pd.DataFrame:
    """The error of the surest scans alone: columns kept (share of the scans), confidence (of the last of
    these) and risk (mean 1 - Dice of these), a row a scan, the surest first (El-Yaniv and Wiener 2010, JMLR
    11). Scans of one confidence come in any order: each has their mean.

    by_scan: as `scans` has it.
    """
    table = pd.DataFrame({"confidence": by_scan["confidence"], "risk": 1 - by_scan["dice"]})
    table["risk"] = table.groupby("confidence")["risk"].transform("mean")
    table = table.sort_values("confidence", ascending=False, kind="stable", ignore_index=True)
    number = np.arange(1, len(table) + 1)
    table["risk"] = table["risk"].cumsum() / number
    return table.assign(kept=number / len(table))[["kept", "confidence", "risk"]]


def metrics(
    guarantees: Guarantees, by_scan: pd.DataFrame, histograms: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """What the promises are worth, with a coverage of `guarantee.COVERAGE`; undefined where that is not
    reached. by_scan: as `scans` has it; histograms: of all its voxels, by region.

    outer_level: a probability. outer_ratio: voxels of the outer masks for each voxel of the truth.
    coverage_low: what is reached with 19 of 20 sets of so many patients (see `coverage_low`). volume_factor:
    that the volume plus `ML` is divided and multiplied by. aurc: the mean risk of
    `risk_coverage` (Geifman, Uziel and El-Yaniv 2019, ICLR). How often promises held among the patients that
    calibrated is not told: that is decided by their number alone.
    """
    nan, coverage = float("nan"), guarantee.COVERAGE
    levels = {name: ranks.bound(coverage) for name, ranks in guarantees.outer.items()}
    volume, error = guarantees.volume.bound(coverage), guarantees.dice.bound(coverage)
    return {
        "patients": guarantees.volume.patients,
        "highest_coverage": guarantees.volume.highest,
        "coverage_low": nan if volume is None else coverage_low(guarantees.volume, coverage),
        "outer_level": {name: nan if level is None else level / LEVELS for name, level in levels.items()},
        "outer_ratio": {
            name: nan if level is None else _ratio(histograms[name], int(level))
            for name, level in levels.items()
            if name in histograms
        },
        "volume_factor": nan if volume is None else float(np.exp(volume)),
        "expected_dice_error": nan if error is None else error,
        "expected_dice_mae": float((by_scan["expected_dice"] - by_scan["dice"]).abs().mean()),
        "bad_scans": int((by_scan["dice"] < BAD).sum()),
        "aurc": float(risk_coverage(by_scan)["risk"].mean()),
        **({"withheld": guarantees.withheld} if guarantees.withheld else {}),
    }


def coverage_low(ranks: Ranks, coverage: float) -> float:
    """The coverage that a promise really has with 19 of 20 sets of patients. It holds over all of them: with
    one set it is distributed as Beta(k, n + 1 - k) of the k-th of n patients, without ties (Vovk 2012, ACML).
    """
    rank = ranks.rank(coverage)
    return float(beta.ppf(0.05, rank, ranks.patients + 1 - rank))


def _ratio(counts: np.ndarray, level: int) -> float:
    return float(counts[:, level:].sum() / counts[1].sum())


def read(path: Path) -> Guarantees:
    """Read guarantees.json; raises `UserError` where it is missing or damaged."""
    try:
        return TypeAdapter(Guarantees).validate_json(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; `dvc repro evaluate` makes it") from None
    except ValidationError:
        raise UserError(f"{path} is damaged; run `dvc repro --force evaluate`") from None
