"""Curves: equal bytes for equal numbers, other bytes for others; their tables by hand."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from stages.figures import curves
from stages.masks.levels import LEVELS
from stages.scoring.scores import Scores
from tests.fixtures import reports


def history(dice: float = 0.5) -> pd.DataFrame:
    return pd.DataFrame(
        {"epoch": [0, 1], "train_loss": [1.0, 0.5], "val_loss": [1.1, 0.7], "val_dice": [0.2, dice]}
    )


def curve(recall: float = 0.9) -> pd.DataFrame:
    columns = {"region": ["a", "a", "b"], "threshold": [0.3, 0.6, 0.3], "precision": [0.5, 0.7, 0.6]}
    return pd.DataFrame({**columns, "recall": recall})


def bins(observed: float = 0.4) -> pd.DataFrame:
    return pd.DataFrame({"region": ["a", "a", "b"], "confidence": [0.1, 0.9, 0.5], "observed": observed})


def surest(risk: float = 0.2) -> pd.DataFrame:
    return pd.DataFrame({"kept": [0.5, 1.0], "risk": [0.1, risk]})


def cases(smallest: float = 0.5, regions: tuple[str, ...] = ("a",)) -> pd.DataFrame:
    table = reports.per_case(["x", "y", "z"], list(regions))
    table.loc[0, "truth_ml"] = smallest
    return table


DRAWN = {
    "training": (curves.training, history(), history(0.1)),
    "precision_recall": (curves.precision_recall, curve(), curve(0.2)),
    "calibration": (curves.reliability, bins(), bins(0.9)),
    "risk_coverage": (curves.risk_coverage, surest(), surest(0.4)),
    "volumes": (curves.volumes, cases(), cases(regions=("a", "b"))),
    "failures": (curves.failures, cases(), cases(0.0)),  # without a logarithm of zero
}


@pytest.mark.parametrize("name", DRAWN)
def test_same_numbers_same_bytes(name: str, tmp_path: Path) -> None:
    draw, table, other_table = DRAWN[name]
    first, second, other = tmp_path / "first", tmp_path / "second.part", tmp_path / "other"
    draw(table, first)
    draw(table, second)
    draw(other_table, other)
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes() != other.read_bytes()
    assert b"Software" not in first.read_bytes()
    pixels = cv2.imread(str(first))
    assert pixels is not None
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 10


def test_all_are_written_with_the_tables_that_dvc_plots(tmp_path: Path) -> None:
    counts = np.zeros((2, LEVELS + 1), np.int64)
    counts[0, 10], counts[1, 190] = 30, 10
    found = Scores(
        cases(regions=("whole", "core")), pd.DataFrame(), {"whole": counts, "core": counts[:, ::-1]}
    )
    curves.write(found, ["whole", "core"], tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "calibration.csv",
        "calibration.png",
        "failures.png",
        "precision_recall.csv",
        "precision_recall.png",
        "risk_coverage.csv",
        "risk_coverage.png",
        "volumes.png",
    ]
    table = pd.read_csv(tmp_path / "precision_recall.csv")
    assert list(table.columns) == ["threshold", "precision", "recall", "region"]
    assert list(table["region"]) == ["whole"] * 19 + ["core"] * 19
    half = table[table["threshold"] == 0.5]
    assert half[["precision", "recall"]].to_numpy().tolist() == [[1, 1], [0, 0]]
    assert pd.read_csv(tmp_path / "calibration.csv")["voxels"].tolist() == [30, 10, 10, 30]
