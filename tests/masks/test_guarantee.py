"""Ranks of patients, against Conformal Risk Control as it is written down and against crepes; outer masks."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from crepes import ConformalRegressor
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from stages.masks import expectation, guarantee, label_map
from stages.masks.guarantee import TRUSTED, Guarantees, Promise, Ranks
from stages.masks.levels import LEVELS
from stages.masks.rule import Rule

SCORES = st.lists(st.integers(0, 12).map(lambda n: n / 8), min_size=1, max_size=30)
COVERAGES = st.sampled_from([0.5, 0.625, 0.75, 0.8, 0.875, 0.9, 0.95])
NESTED = {"whole": [1, 2], "core": [2]}


def ranks(scores: list[float]) -> Ranks:
    return Ranks(len(scores), tuple(sorted(scores)))


def promised(
    levels: tuple[Any, ...] = (60.0,),
    volume: float = 0.5,
    trust: float = TRUSTED,
    dice: float = 0.125,
    patients: int = 9,
    **other: Any,
) -> Guarantees:
    """Of patients who are all alike; levels: of each region of `NESTED`, or of its first."""
    same = {name: Ranks(patients, (level,) * patients) for name, level in zip(NESTED, levels, strict=False)}
    alike = [Ranks(patients, (score,) * patients) for score in (volume, trust, dice)]
    return Guarantees(same, alike[0], alike[1], alike[2], dict.fromkeys(same, 0.0), **other)


def rule(threshold: float = 0.5, smallest: float = 0.0, regions: dict[str, list[int]] = NESTED) -> Rule:
    return Rule(dict.fromkeys(regions, threshold), "none", dict.fromkeys(regions, smallest))


@given(SCORES, COVERAGES)
def test_it_is_the_least_bound_that_conformal_risk_control_allows(
    scores: list[float], coverage: float
) -> None:
    """Angelopoulos et al. 2024, equation 4, over every bound that could be it; losses are 0 or 1."""
    n, alpha = len(scores), 1 - coverage
    allowed = [
        bound
        for bound in scores
        if n / (n + 1) * np.mean([score > bound for score in scores]) + 1 / (n + 1) <= alpha + 1e-9
    ]
    assert ranks(scores).bound(coverage) == (min(allowed) if allowed else None)


@pytest.mark.filterwarnings("ignore:the no. of calibration examples")
@given(SCORES, st.sampled_from([0.5, 0.75, 0.875]))  # which floats hold exactly, as crepes needs them
def test_it_is_the_quantile_of_crepes(scores: list[float], coverage: float) -> None:
    regressor = ConformalRegressor()
    regressor.fit(residuals=np.array(scores))
    ((low, high),) = regressor.predict_int(np.array([3.0]), confidence=coverage)
    bound = ranks(scores).bound(coverage)
    if bound is None:
        assert (low, high) == (-np.inf, np.inf)
    else:
        assert (low, high) == (3.0 - bound, 3.0 + bound)


@pytest.mark.parametrize("patients", [1, 8, 9, 10, 18, 19, 99])
def test_few_patients_reach_no_high_coverage(patients: int) -> None:
    own = Ranks(patients, tuple(float(n) for n in range(patients)))
    assert own.highest == patients / (patients + 1)
    assert own.bound(own.highest) == patients - 1
    assert own.bound(own.highest + 1e-6) is None
    assert (own.bound(0.9) is None) is (patients < 9)
    assert (own.bound(0.95) is None) is (patients < 19)


def test_nobody_promises_nothing() -> None:
    assert Ranks(0, ()).bound(0.01) is None
    assert Ranks(0, ()).highest == 0


@given(SCORES, COVERAGES, COVERAGES)
def test_more_coverage_asks_for_more(scores: list[float], coverage: float, other: float) -> None:
    low, high = (ranks(scores).bound(share) for share in sorted((coverage, other)))
    assert high is None or (low is not None and low <= high)


@given(SCORES, COVERAGES)
def test_of_all_who_are_left_out_in_turn_no_more_miss_than_may(scores: list[float], coverage: float) -> None:
    """What makes it true of a new patient, who may be any of n + 1. Ties only help."""
    assume(ranks(scores[1:]).bound(coverage) is not None)
    misses = 0
    for place, score in enumerate(scores):
        bound = ranks(scores[:place] + scores[place + 1 :]).bound(coverage)
        assert bound is not None  # as of all but the first: it goes by how many there are
        misses += score > bound
    assert misses <= math.floor(len(scores) * (1 - coverage) + 1e-9)


@pytest.mark.parametrize(
    ("patients", "scores"),
    [
        (2, (1.0, 3.0, 2.0)),
        (3, (1.0, 3.0, 2.0)),
        (3, (1.0, math.nan, 2.0)),
        (1, (math.inf,)),
        (1, ()),
        (0, (1.0,)),
    ],
)
def test_scores_that_nobody_is_ranked_by_are_refused(patients: int, scores: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="score"):
        Ranks(patients, scores)


def test_regions_of_another_model_are_refused() -> None:
    with pytest.raises(ValueError, match="other regions"):
        replace(promised(), outer={})


LEVELS_OF_TWO = npst.arrays(np.uint8, (2, 2, 4, 5), elements=st.integers(0, LEVELS))


@given(
    LEVELS_OF_TWO,
    st.tuples(st.integers(0, LEVELS), st.integers(0, LEVELS)),
    st.sampled_from([0.3, 0.5]),
    st.sampled_from([0.0, 3.0]),
)
def test_an_outer_mask_holds_the_rule_s_mask_and_its_level_region_by_region(
    levels: np.ndarray, bounds: tuple[float, ...], threshold: float, ml: float
) -> None:
    own, bounds = rule(threshold, ml), tuple(map(float, bounds))
    labels = label_map.of(levels, NESTED, own, 1.0)
    outer = guarantee.outer(levels, NESTED, own, 1.0, promised(bounds), 0.9)
    for number, classes in enumerate(NESTED.values()):
        inside = np.isin(outer, classes)
        assert inside[np.isin(labels, classes)].all()
        assert inside[levels[:, number] >= bounds[number]].all()


@given(LEVELS_OF_TWO, st.integers(1, LEVELS))
def test_a_lower_level_makes_a_larger_mask(levels: np.ndarray, level: int) -> None:
    small, large = (
        guarantee.outer(levels, NESTED, rule(), 1.0, promised((bound, bound)), 0.9) > 0
        for bound in (float(level), level - 1.0)
    )
    assert large[small].all()


def test_level_0_is_the_whole_scan() -> None:
    levels = np.zeros((1, 1, 3, 3), np.uint8)
    regions = {"whole": [1]}
    assert guarantee.outer(levels, regions, rule(regions=regions), 1.0, promised((0.0,)), 0.9).all()


@pytest.mark.parametrize("own", [promised((9.0, 9.0), patients=8), promised((9.0, 9.0), withheld="because")])
def test_no_outer_mask_where_none_is_promised(own: guarantee.Guarantees) -> None:
    with pytest.raises(ValueError, match=r"8 patients can promise|because"):
        guarantee.outer(np.zeros((1, 2, 2, 2), np.uint8), NESTED, rule(), 1.0, own, 0.9)


def test_what_is_lacking_is_said() -> None:
    own = promised((9.0, 9.0), patients=10)
    assert own.lacking(0.9) == ""
    assert own.lacking(0.95) == "10 patients can promise a coverage of 0.909 at most, not of 0.95"
    few = replace(own, outer={**own.outer, "core": Ranks(1, (3.0,))})
    assert few.lacking(0.9) == ""
    assert few.lacking(0.9, outer=True) == (
        "one patient with core can promise an outer mask with a coverage of 0.5 at most, not of 0.9"
    )
    blind = replace(own, outer={**own.outer, "core": Ranks(10, (3.0,) * 8 + (0.0,) * 2)})
    assert blind.lacking(0.9) == ""
    assert blind.lacking(0.9, outer=True) == (
        "an outer mask of core with a coverage of 0.9 is the whole scan: of too many test patients the model "
        "does not see a part at all"
    )
    assert blind.lacking(0.7, outer=True) == ""
    withheld = promised((9.0, 9.0), patients=10, withheld="the split leaks")
    assert withheld.lacking(0.5) == "nothing is promised of a scan: the split leaks"


def test_what_is_promised_of_a_scan() -> None:
    own = promised(volume=math.log(2), trust=0.75, dice=0.25)
    sure = guarantee.of_scan(own, 0.9, 3.0, 0.8, 0.875)
    assert (sure.volume_low_ml, sure.volume_high_ml) == (pytest.approx(1.0), pytest.approx(7.0))
    assert (sure.expected_dice, sure.expected_dice_low, sure.trusted) == (0.875, 0.625, True)
    empty = guarantee.of_scan(own, 0.9, 0.0, None, 0.125)
    assert (empty.volume_low_ml, empty.volume_high_ml) == (0.0, pytest.approx(1.0))
    assert (empty.expected_dice, empty.expected_dice_low, empty.trusted) == (0.125, 0.0, False)
    assert guarantee.of_scan(own, 0.9, 3.0, 0.75, 0.8).trusted is False  # no surer than a bad one


def test_without_a_bad_patient_every_scan_is_trusted() -> None:
    assert guarantee.of_scan(promised(), 0.9, 0.0, None, 0.5).trusted is True


def test_what_cannot_be_promised_is_empty() -> None:
    own = promised()
    assert guarantee.of_scan(own, 0.95, 3.0, 0.8, 0.875) == Promise(expected_dice=0.875)
    for promise in (
        guarantee.of_scan(own, 0.9, 3.0, 0.8, None),
        guarantee.of_scan(None, 0.9, 3.0, 0.8, 0.875),
        guarantee.of_scan(promised(withheld="because"), 0.9, 3.0, 0.8, 0.875),
    ):
        assert promise == Promise()


@given(st.floats(0, 500), st.floats(0, 500), st.floats(0, 3))
def test_the_volumes_of_an_interval_are_those_with_a_score_within_the_bound(
    predicted: float, true: float, bound: float
) -> None:
    low, high = guarantee.volumes(predicted, bound)
    assert low is not None
    assert high is not None
    assert 0 <= low <= predicted * (1 + 1e-9) + 1e-9
    score = abs(math.log((true + 1) / (predicted + 1)))
    assume(abs(score - bound) > 1e-9)
    assert (low <= true <= high) is (score < bound)


@given(LEVELS_OF_TWO, st.floats(-0.5, 0.5))
def test_expected_dice_is_the_mean_over_regions_shifted_within_0_and_1(
    levels: np.ndarray, shift: float
) -> None:
    own = promised((9.0, 9.0))
    own = replace(own, dice_shift={"whole": shift, "core": 0.0})
    whole, core = (expectation.dice(levels[:, n], levels[:, n] >= 100) for n in range(2))
    expected = guarantee.expected(levels, NESTED, rule(), 1.0, own)
    assert expected == pytest.approx((np.clip(whole + shift, 0, 1) + core) / 2)
