"""Whether a model's promises hold on patients that it was not calibrated on."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from stages.masks import guarantee
from stages.masks.guarantee import Guarantees
from stages.scoring import conformal


def metrics(guarantees: Guarantees | None, scores: pd.DataFrame, regions: Sequence[str]) -> dict[str, Any]:
    """The share of patients for whom each promise held, each scan of theirs, with a coverage of
    `guarantee.COVERAGE`; undefined where that is not promised, or nobody has the region.

    scores: of `conformal.SCHEMA`. aurc, expected_dice_mae, bad_scans: as `conformal.metrics`.
    """
    by_scan = conformal.scans([scores])
    counts = {
        "patients": int(scores["patient_id"].nunique()),
        "bad_scans": int((by_scan["dice"] < conformal.BAD).sum()),
        "expected_dice_mae": float((by_scan["expected_dice"] - by_scan["dice"]).abs().mean()),
        "aurc": float(conformal.risk_coverage(by_scan)["risk"].mean()),
    }
    if guarantees is None or guarantees.withheld:
        return counts
    volume, error, trust = (
        ranks.bound(guarantee.COVERAGE) for ranks in (guarantees.volume, guarantees.dice, guarantees.trust)
    )
    off = (by_scan["expected_dice"] - by_scan["dice"]).abs()
    trusted = by_scan["confidence"] > (np.inf if trust is None else trust)
    return counts | {
        "outer_held": {name: _outer(guarantees, scores, name) for name in regions},
        "volume_held": _within(by_scan, by_scan["volume_log_error"], volume),
        "dice_held": _within(by_scan, off, error),
        "trusted_and_bad": 1 - _share(by_scan, ~(trusted & (by_scan["dice"] < conformal.BAD))),
        "trusted": float(trusted.mean()),
    }


def _outer(guarantees: Guarantees, scores: pd.DataFrame, region: str) -> float:
    ranks = guarantees.outer.get(region)
    level = ranks.bound(guarantee.COVERAGE) if ranks else None
    own = scores[(scores["region"] == region) & scores["outer_level"].notna()]
    return float("nan") if level is None or own.empty else _share(own, own["outer_level"] >= level)


def _within(scans: pd.DataFrame, scores: pd.Series, bound: float | None) -> float:
    if bound is None:
        return float("nan")
    return _share(scans, scores <= bound + 10.0**-conformal.DIGITS)  # in which scores are kept


def _share(scans: pd.DataFrame, held: pd.Series) -> float:
    """Of patients, all of whose scans hold."""
    return float(held.groupby(scans["patient_id"]).all().mean())
