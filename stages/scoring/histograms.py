"""How many voxels have which level, in and outside the truth: for thresholds, curves and calibration."""

import numpy as np
import pandas as pd

from stages.masks.levels import LEVELS
from stages.scoring.overlap import Counts

BINS = 10
"""Of calibration, as wide as each other; a divisor of `LEVELS`."""


def count(levels: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Voxels of each level outside (row 0) and inside (row 1) the truth: int64 (2, `LEVELS` + 1).

    levels: uint8, any shape; truth: bool, the same.
    """
    inside = np.bincount(levels[truth], minlength=LEVELS + 1)
    return np.stack([np.bincount(levels.ravel(), minlength=LEVELS + 1) - inside, inside])


def above(counts: np.ndarray, threshold: float) -> Counts:
    """Overlap of the truth with the voxels of a `count` that reach a threshold."""
    outside, inside = counts[:, round(threshold * LEVELS) :].sum(axis=1)
    return Counts(int(inside), int(inside + outside), int(counts[1].sum()))


def precision_recall(counts: np.ndarray) -> pd.DataFrame:
    """Columns threshold, precision, recall of the voxels of a `count`, at every twentieth threshold.

    Precision is 1 where nothing is predicted, as scikit-learn's curve ends.
    """
    rows = []
    for level in range(LEVELS // 20, LEVELS, LEVELS // 20):
        c = above(counts, level / LEVELS)
        rows.append((level / LEVELS, c.tp / c.predicted if c.predicted else 1.0, c.tp / max(1, c.true)))
    return pd.DataFrame(rows, columns=["threshold", "precision", "recall"])


def reliability(counts: np.ndarray) -> pd.DataFrame:
    """How often voxels of a probability are tumour: one row for each of `BINS` bins that has voxels.

    Columns confidence (mean probability, of each level its middle), observed (share in the truth), voxels.
    The reliability diagram of DeGroot and Fienberg (1983).
    """
    voxels = counts.sum(axis=0)
    middle = np.minimum((np.arange(LEVELS + 1) + 0.5) / LEVELS, 1.0)
    of_bin = np.minimum(np.arange(LEVELS + 1) * BINS // LEVELS, BINS - 1)
    total, weighted, inside = (
        np.bincount(of_bin, weights=values, minlength=BINS) for values in (voxels, voxels * middle, counts[1])
    )
    some = total > 0
    return pd.DataFrame(
        {
            "confidence": weighted[some] / total[some],
            "observed": inside[some] / total[some],
            "voxels": total[some].astype(np.int64),
        }
    )


def calibration_error(counts: np.ndarray) -> float:
    """Expected calibration error (Naeini, Cooper and Hauskrecht 2015, AAAI) of the voxels of a `count`.

    The mean over all voxels of |observed - confidence| of their bin. Most of a scan is sure background, so
    it is small for any model: it compares models on the same scans, the curve shows where they are wrong.
    """
    bins = reliability(counts)
    gaps = (bins["observed"] - bins["confidence"]).abs()
    return float((gaps * bins["voxels"]).sum() / max(1, bins["voxels"].sum()))
