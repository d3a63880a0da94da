"""Promises kept on generated patients, and how patients become scores."""

import json
import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from stages.core.errors import UserError
from stages.masks import guarantee
from stages.masks.guarantee import TRUSTED
from stages.masks.levels import LEVELS
from stages.scan.spacing import Spacing
from stages.scoring import conformal, histograms
from stages.scoring.conformal import BAD, HELD
from stages.scoring.decision import Scored

DRAWS, NEW = 150, 10
"""Sets of patients that calibrate, and new patients for each: as exact as 1000 sets with one for each."""
PATIENTS = 19
"""Of whom a coverage of 0.9 takes the 18th: exactly 0.9 where no two are alike."""
BETWEEN = 18 * 2 / (20**2 * 21)
"""Variance of the share of all new patients for whom a set's promise holds, distributed as Beta(18, 2)."""
SLACK = 4 * np.sqrt((BETWEEN + (0.9 * 0.1 - BETWEEN) / NEW) / DRAWS)
"""Four standard deviations of the share over all draws."""


def drawn(rng: np.random.Generator, patients: int) -> Any:
    """Patients with one or two scans each, of one region: the columns that calibrate, both volumes, and the
    levels and the truth of 64 voxels, which the network knows more or less well.
    """
    patient = np.repeat(np.arange(patients), rng.integers(1, 3, patients))
    number = len(patient)
    true = rng.lognormal(2, 1, number) * (rng.random(number) < 0.9)
    predicted = np.maximum(0, true * rng.lognormal(0, 0.4, number) + rng.normal(0, 1, number))
    confidence = rng.beta(4, 1, number) * (predicted > 0)
    truth = (rng.random((number, 64)) < 0.3) & (true > 0)[:, None]
    logit = rng.normal(0, 1, truth.shape) + rng.uniform(0.5, 4, (number, 1)) * (2.0 * truth - 1)
    levels = (LEVELS / (1 + np.exp(-logit))).astype(np.uint8)
    counts = [histograms.count(own, mask) for own, mask in zip(levels, truth, strict=True)]
    dice = np.clip(confidence + rng.standard_t(3, number) * 0.15, 0, 1)
    return pd.DataFrame(
        {
            "case_id": np.arange(number),
            "patient_id": patient,
            "region": "tumour",
            "outer_level": [conformal.outer_level(own) for own in counts],
            "confidence": confidence,
            "volume_log_error": np.abs(np.log((true + 1) / (predicted + 1))),
            "dice": dice,
            "expected_dice": np.clip(dice + rng.standard_t(3, number) * 0.1, 0, 1),
            "true_ml": true,
            "predicted_ml": predicted,
            "levels": list(levels),
            "truth": list(truth),
        }
    )


@pytest.fixture(scope="module")
def kept() -> Any:
    """Of each new patient whether the promises held, in all of this patient's scans."""
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(DRAWS):
        table = drawn(rng, PATIENTS + NEW)
        calibrates = table["patient_id"] < PATIENTS
        own = conformal.fit([table[calibrates]], {"tumour": 0.0})
        level = own.outer["tumour"].bound(0.9)
        for _, new in table[~calibrates].groupby("patient_id"):
            scans = [
                (scan, guarantee.of_scan(own, 0.9, scan.predicted_ml, scan.confidence, scan.expected_dice))
                for scan in new.itertuples()
            ]
            rows.append(
                {
                    "outer": level is None
                    or all(s.truth[s.levels >= level].sum() >= HELD * s.truth.sum() for s, _ in scans),
                    "volume": all(p.volume_low_ml <= s.true_ml <= p.volume_high_ml for s, p in scans),
                    "expected Dice": all(p.expected_dice_low <= s.dice for s, p in scans),
                    "trust": not any(p.trusted and s.dice < BAD for s, p in scans),
                    "trusted": all(p.trusted for _, p in scans),
                    "bad": any(s.dice < BAD for s, _ in scans),
                }
            )
    return pd.DataFrame(rows)


@pytest.mark.long
def test_a_volume_is_in_its_interval_as_often_as_promised(kept: Any) -> None:
    assert kept["volume"].mean() == pytest.approx(0.9, abs=SLACK)  # nor is the interval too wide


@pytest.mark.long
def test_a_dice_is_as_high_as_promised(kept: Any) -> None:
    assert 0.9 - SLACK <= kept["expected Dice"].mean() < 0.985  # an error the other way does no harm


@pytest.mark.long
def test_few_are_trusted_whose_mask_is_bad(kept: Any) -> None:
    assert kept["bad"].mean() > 0.2
    assert kept["trust"].mean() == pytest.approx(0.9, abs=SLACK)
    assert 0.1 < kept["trusted"].mean() < 0.9  # nor are all, or none


@pytest.mark.long
def test_an_outer_mask_holds_enough_as_often_as_promised(kept: Any) -> None:
    assert 0.9 - SLACK <= kept["outer"].mean() < 0.97  # whoever has nothing to hold does not calibrate


@given(npst.arrays(np.int64, (2, LEVELS + 1), elements=st.integers(0, 3)))
def test_the_outer_level_is_the_highest_that_holds_enough(counts: np.ndarray) -> None:
    total = int(counts[1].sum())
    level = conformal.outer_level(counts)
    if not total:
        assert np.isnan(level)
        return
    enough = [n for n in range(LEVELS + 1) if 10 * int(counts[1][n:].sum()) >= 9 * total]
    assert level == max(enough)


def test_truth_that_the_network_is_sure_of_not_seeing_takes_the_whole_scan() -> None:
    levels, truth = np.zeros((1, 4, 4), np.uint8), np.ones((1, 4, 4), bool)
    assert conformal.outer_level(histograms.count(levels, truth)) == 0


TABLES = st.builds(drawn, st.integers(0, 2**32 - 1).map(np.random.default_rng), st.integers(1, 25))


@pytest.mark.long
@settings(max_examples=30)
@given(TABLES, st.randoms(use_true_random=False))
def test_the_order_of_the_patients_and_of_their_scans_does_not_matter(
    table: pd.DataFrame, random: random.Random
) -> None:
    own = conformal.fit([table], {"tumour": 0.0})
    places = list(range(len(table)))
    random.shuffle(places)
    mixed = table.iloc[places]
    assert conformal.fit([mixed], {"tumour": 0.0}) == own
    curve, other = (conformal.risk_coverage(conformal.scans([part])) for part in (table, mixed))
    pd.testing.assert_frame_equal(curve, other)


@settings(max_examples=30)
@given(TABLES)
def test_a_patient_counts_once_and_by_the_worst_scan(table: pd.DataFrame) -> None:
    own = conformal.fit([table], {"tumour": 0.0})
    patients = table.groupby("patient_id")
    assert own.volume.patients == own.trust.patients == own.dice.patients == len(patients)
    np.testing.assert_allclose(
        own.volume.scores, np.sort(patients["volume_log_error"].max()), rtol=0, atol=1e-6
    )
    bad = table["confidence"].where(table["dice"] < BAD, TRUSTED)
    worst = bad.groupby(table["patient_id"]).max().sort_values()
    np.testing.assert_allclose(own.trust.scores, worst, rtol=0, atol=1e-6)
    levels = patients["outer_level"].min().dropna().sort_values(ascending=False)
    assert own.outer["tumour"].patients == len(levels)
    assert own.outer["tumour"].scores == tuple(levels)


@settings(max_examples=30)
@given(TABLES)
def test_no_score_is_rounded_to_a_better_one(table: pd.DataFrame) -> None:
    own = conformal.fit([table], {"tumour": 0.0})
    exact = np.sort(table.groupby("patient_id")["volume_log_error"].max())
    assert (np.array(own.volume.scores) >= exact - 1e-9).all()


def test_a_region_that_some_patients_lack_is_calibrated_by_the_others() -> None:
    table = drawn(np.random.default_rng(0), 10).assign(outer_level=np.nan)
    table.loc[table["patient_id"] == 3, "outer_level"] = 70.0
    own = conformal.fit([table], {"tumour": 0.0, "core": 0.1})
    assert (own.outer["tumour"].patients, own.outer["tumour"].scores) == (1, (70.0,))
    assert own.outer["core"].patients == 0
    assert own.lacking(0.9, outer=True).startswith("0 patients with tumour, core can promise an outer mask")


def test_regions_of_a_scan_are_averaged() -> None:
    table = drawn(np.random.default_rng(0), 3).drop_duplicates("patient_id")
    other = table.assign(region="core", dice=0.0, expected_dice=1.0)
    scans = conformal.scans([pd.concat([table, other])])
    np.testing.assert_allclose(scans["dice"], table["dice"] / 2)
    np.testing.assert_allclose(scans["expected_dice"], (table["expected_dice"] + 1) / 2)


def test_over_several_networks_the_worst_answer_counts() -> None:
    tables = [drawn(np.random.default_rng(0), 4)] * 2
    tables[1] = tables[1].assign(volume_log_error=tables[1]["volume_log_error"] + 1)
    own = conformal.fit(tables, {"tumour": 0.0})
    assert own.volume == conformal.fit(tables[1:], {"tumour": 0.0}).volume
    assert len(conformal.scans(tables)) == 2 * len(tables[0])


@pytest.mark.parametrize("patients", [conformal.KEPT, conformal.KEPT + 1, 3 * conformal.KEPT - 7])
def test_of_many_patients_a_model_carries_some_scores(patients: int) -> None:
    table = drawn(np.random.default_rng(0), patients)
    own = conformal.fit([table], {"tumour": 0.0}).volume
    exact = np.sort(table.groupby("patient_id")["volume_log_error"].max())
    assert len(own.scores) == conformal.KEPT
    assert own.patients == patients
    for coverage in (0.5, 0.8, 0.9, 0.95, 0.99):
        rank = int(np.ceil((patients + 1) * coverage - 1e-9))
        near = exact[min(rank - 1 + -(-patients // conformal.KEPT), patients - 1)]
        bound = own.bound(coverage)
        assert bound is not None
        assert exact[rank - 1] - 1e-9 <= bound <= near + 1e-6


def scored(levels: Any, truth: Any, voxel_mm: float = 10.0) -> Scored:
    """A case of one region; arrays (S, H, W)."""
    own = np.asarray(levels, np.uint8)[:, None]
    spacing = Spacing(voxel_mm, 10.0, 10.0)  # a voxel is 1 ml
    return Scored("a", "p", own, np.asarray(truth, bool)[:, None], spacing, np.arange(len(own)))


def test_what_is_said_of_a_case() -> None:
    case = scored([[[200, 150, 20, 0]]], [[[1, 1, 1, 0]]])
    mask = case.levels[:, 0] >= 100
    row = conformal.of_case(case, [mask], {"tumour": [1]})
    assert row["confidence"] == pytest.approx((175 + 0.5) / 200)
    assert row["volume_log_error"] == pytest.approx(np.log(4 / 3))
    counts = histograms.count(case.levels, case.truth)
    region = conformal.of_region(case.levels[:, 0], mask, counts, 0.01)
    assert region["outer_level"] == 20
    p = np.array([1.0, 150.5 / 200])
    both = p.sum() + 2 + 20.5 / 200
    assert region["expected_dice"] == pytest.approx(2 * p.sum() / both + 0.01)


def test_nothing_predicted_has_no_confidence_and_nothing_at_all_no_error() -> None:
    case = scored(np.zeros((1, 2, 2)), np.zeros((1, 2, 2)))
    mask = np.zeros((1, 2, 2), bool)
    assert conformal.of_case(case, [mask], {"tumour": [1]}) == {"confidence": 0.0, "volume_log_error": 0.0}


def test_the_shift_is_the_median_of_validation_cases() -> None:
    assert conformal.shifts([[0.1, -0.3], [0.0, -0.1], [0.7, 0.0]], ["whole", "core"]) == {
        "whole": 0.1,
        "core": -0.1,
    }


def test_the_risk_of_the_surest_by_hand() -> None:
    scans = pd.DataFrame({"confidence": [0.5, 0.9, 0.5, 0.7], "dice": [0.2, 1.0, 0.6, 0.8]})
    curve = conformal.risk_coverage(scans)
    assert list(curve["kept"]) == [0.25, 0.5, 0.75, 1.0]
    assert list(curve["confidence"]) == [0.9, 0.7, 0.5, 0.5]
    # Both of 0.5 count as 0.6 wrong, whichever comes first.
    np.testing.assert_allclose(curve["risk"], [0.0, 0.1, 0.8 / 3, 1.4 / 4])


def test_how_far_one_set_of_patients_may_be_off() -> None:
    """Against sets that are drawn: their bound's real coverage is its place in a uniform distribution."""
    rng = np.random.default_rng(0)
    reached = []
    for _ in range(4000):
        scores = np.sort(rng.random(30))
        ranks = guarantee.Ranks(30, tuple(map(float, scores)))
        reached.append(float(ranks.bound(0.8) or 0))
    assert conformal.coverage_low(ranks, 0.8) == pytest.approx(np.percentile(reached, 5), abs=0.01)


def test_the_metrics_by_hand() -> None:
    table = drawn(np.random.default_rng(0), 9).drop_duplicates("patient_id")
    table = table.assign(outer_level=20.0, volume_log_error=np.log(2), dice=0.75, expected_dice=0.5)
    counts = np.zeros((2, LEVELS + 1), np.int64)
    counts[:, 20], counts[:, 10] = (30, 60), (100, 40)
    own = conformal.fit([table], {"tumour": 0.0})
    measured = conformal.metrics(own, conformal.scans([table]), {"tumour": counts})
    assert measured == {
        "patients": 9,
        "highest_coverage": 0.9,
        "coverage_low": pytest.approx(0.05 ** (1 / 9)),  # of a Beta(9, 1)
        "outer_level": {"tumour": 0.1},
        "outer_ratio": {"tumour": 0.9},
        "volume_factor": pytest.approx(2, abs=1e-5),
        "expected_dice_error": pytest.approx(0.25),
        "expected_dice_mae": pytest.approx(0.25),
        "bad_scans": 0,
        "aurc": pytest.approx(0.25),
    }


@pytest.mark.parametrize("withheld", ["", "the split leaks"])
def test_what_is_not_promised_has_no_number(withheld: str) -> None:
    table = drawn(np.random.default_rng(0), 8)
    own = conformal.fit([table], {"tumour": 0.0}, withheld)
    measured = conformal.metrics(own, conformal.scans([table]), {"tumour": np.ones((2, LEVELS + 1))})
    assert measured["patients"] == (0 if withheld else 8)
    assert measured.get("withheld", "") == withheld
    for name in ("coverage_low", "volume_factor", "expected_dice_error"):
        assert np.isnan(measured[name])
    assert np.isnan(measured["outer_level"]["tumour"])
    assert measured["expected_dice_mae"] > 0


@settings(max_examples=30)
@given(TABLES)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, table: pd.DataFrame) -> None:
    path = tmp_path_factory.mktemp("fit") / "guarantees.json"
    own = conformal.fit([table], {"tumour": -0.125})
    path.write_text(json.dumps(asdict(own)))
    assert conformal.read(path) == own


def test_a_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "guarantees.json"
    with pytest.raises(UserError, match="does not exist; `dvc repro evaluate` makes it"):
        conformal.read(path)
    own = conformal.fit([drawn(np.random.default_rng(0), 4)], {"tumour": 0.0})
    damaged = asdict(own)
    damaged["volume"]["scores"] = [0.3, 0.1, 0.2]
    for text in (json.dumps(damaged), "{}", "no JSON"):
        path.write_text(text)
        with pytest.raises(UserError, match="is damaged; run `dvc repro --force evaluate`"):
            conformal.read(path)
