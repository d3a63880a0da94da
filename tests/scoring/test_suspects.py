"""Labels that a sure model contradicts."""

import numpy as np
import pandas as pd
import pytest

from stages.core import tables as schemas
from stages.scan.spacing import Spacing
from stages.scoring import suspects
from stages.scoring.decision import Scored

IDS = ["s0", "s1", "s2"]


def of(levels: np.ndarray, truth: np.ndarray, spacing: Spacing = Spacing(10.0, 10.0, 10.0)) -> pd.DataFrame:
    case = Scored("a", "p", levels[:, None], truth[:, None], spacing, np.arange(3))
    return suspects.of_case(case, 0, "lesion", "val", IDS)


def blank() -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((3, 20, 20), np.uint8), np.zeros((3, 20, 20), bool)


def test_both_kinds_with_their_area_and_probability() -> None:
    levels, truth = blank()
    truth[0, 2:7, 2:8] = True  # labelled, the model sees none
    levels[0, 2:7, 2:8] = 10
    levels[2, 5:9, 5:9] = 190  # not labelled, the model sees tumour
    found = of(levels, truth)
    assert found.to_dict("records") == [
        {
            "sample_id": sample_id,
            "case_id": "a",
            "split": "val",
            "region": "lesion",
            "label_says": says,
            "pixels": pixels,
            "ml": pytest.approx(pixels),
            "probability": pytest.approx(probability),
        }
        for sample_id, says, pixels, probability in (("s2", "none", 16, 0.95), ("s0", "lesion", 30, 0.05))
    ]


@pytest.mark.parametrize(("level", "suspicious"), [(179, False), (180, True)])
def test_the_model_must_be_sure_of_tumour(level: int, suspicious: bool) -> None:
    levels, truth = blank()
    levels[1, 5:9, 5:9] = level
    assert (len(of(levels, truth)) == 1) is suspicious


@pytest.mark.parametrize(("level", "suspicious"), [(20, False), (19, True)])
def test_the_model_must_be_sure_of_none(level: int, suspicious: bool) -> None:
    levels, truth = blank()
    levels[1, 5:9, 5:9], truth[1, 5:9, 5:9] = level, True
    assert (len(of(levels, truth)) == 1) is suspicious


def test_edges_and_agreement_are_not_suspicious() -> None:
    levels, truth = blank()
    truth[1, 4:16, 4:16] = True
    levels[1, 3:17, 2:18] = 200  # a rim of one and of two pixels too many
    assert len(of(levels, truth)) == 0


def test_the_largest_come_first_and_few_enough() -> None:
    tables = []
    for width in (4, 9, 6):
        levels, truth = blank()
        levels[:, 5:9, 5 : 5 + width] = 200
        tables.append(of(levels, truth).assign(case_id=f"w{width}"))
    found = suspects.ranked(tables)
    assert list(found["case_id"]) == ["w9"] * 3 + ["w6"] * 3 + ["w4"] * 3
    assert list(found["sample_id"]) == IDS * 3
    assert len(suspects.ranked(tables * 10)) == suspects.LISTED
    nothing = suspects.ranked([])
    assert list(nothing.columns) == list(schemas.SUSPECTS.columns)
    assert len(nothing) == 0
