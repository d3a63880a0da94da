"""Whether promises hold on other patients: counted by hand, a patient by the worst of their scans."""

import math

import pandas as pd
import pytest

from stages.masks.guarantee import TRUSTED, Guarantees, Ranks
from stages.scoring import kept

SCORES = pd.DataFrame(
    [
        ("p1", "a", 80.0, 0.9, 0.1, 0.9, 0.85),
        ("p1", "b", 20.0, 0.9, 0.1, 0.8, 0.85),
        ("p2", "c", 50.0, 0.8, 0.5, 0.6, 0.9),
        ("p3", "d", float("nan"), 0.2, 0.2, 0.3, 0.35),
    ],
    columns=[
        "patient_id",
        "case_id",
        "outer_level",
        "confidence",
        "volume_log_error",
        "dice",
        "expected_dice",
    ],
).assign(region="tumour")


def promised(withheld: str = "") -> Guarantees:
    """Nine patients all alike, so that 0.9 is the worst of them."""
    nine = {name: Ranks(9, (value,) * 9) for name, value in {"v": 0.2, "t": 0.5, "d": 0.05}.items()}
    return Guarantees(
        {"tumour": Ranks(9, (50.0,) * 9)}, nine["v"], nine["t"], nine["d"], {"tumour": 0.0}, withheld
    )


def test_a_promise_holds_for_a_patient_where_it_holds_in_each_scan() -> None:
    metrics = kept.metrics(promised(), SCORES, ["tumour"])
    assert metrics["patients"] == 3
    assert metrics["outer_held"]["tumour"] == pytest.approx(1 / 2)  # p1 not, p2 yes, p3 has none
    assert metrics["volume_held"] == pytest.approx(2 / 3)
    assert metrics["dice_held"] == pytest.approx(2 / 3)
    assert metrics["trusted"] == pytest.approx(3 / 4)
    assert metrics["trusted_and_bad"] == pytest.approx(1 / 3)
    assert metrics["bad_scans"] == 2


def test_what_is_not_promised_is_not_counted() -> None:
    few = Ranks(3, (1.0, 2.0, 3.0))
    own = Guarantees({"tumour": Ranks(3, (3.0, 2.0, 1.0))}, few, few, few, {"tumour": 0.0})
    metrics = kept.metrics(own, SCORES, ["tumour"])
    assert all(math.isnan(metrics[name]) for name in ("volume_held", "dice_held"))
    assert math.isnan(metrics["outer_held"]["tumour"])
    assert metrics["trusted"] == 0
    for nothing in (None, promised("because")):
        assert "volume_held" not in kept.metrics(nothing, SCORES, ["tumour"])


def test_without_a_bad_patient_all_are_trusted() -> None:
    own = promised()
    trusting = Guarantees(own.outer, own.volume, Ranks(9, (TRUSTED,) * 9), own.dice, own.dice_shift)
    assert kept.metrics(trusting, SCORES, ["tumour"])["trusted"] == 1
