"""Orders of scans: the same whatever order they come in, and diverse where that is asked for."""

import random
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.predicting import ranking
from stages.predicting.priority import Priority
from stages.predicting.ranking import STRATEGIES, Strategy

NAMES = sorted(STRATEGIES)
NUMBERS = st.floats(0, 1).map(lambda number: round(number, 3))


def scan(
    content: str,
    error: float = 0.5,
    volume: float = 1.0,
    looks: np.ndarray | tuple[float, float] = (0.0, 0.0),
    blank: bool = False,
) -> Priority:
    return Priority(content, error, volume, blank, np.array(looks, dtype=np.float64))


@st.composite
def pools(draw: Callable[..., Any]) -> list[Priority]:
    """Scans with few values, so that ties and copies come often."""
    count = draw(st.integers(0, 9))
    return [
        scan(
            draw(st.sampled_from("abcdefghijkl")),
            draw(st.sampled_from([0.0, 0.2, 0.5])),
            draw(st.sampled_from([0.0, 3.0])),
            draw(st.tuples(NUMBERS, NUMBERS)),
            draw(st.booleans()),
        )
        for _ in range(count)
    ]


def of_content(pool: list[Priority]) -> list[Priority]:
    """Scans of one content are one scan in all else."""
    first = {own.hash: own for own in reversed(pool)}
    return [first[own.hash] for own in pool]


def hashes(pool: list[Priority], strategy: Strategy) -> list[str]:
    return [pool[place].hash for place in ranking.order(pool, strategy)]


@given(pools(), st.sampled_from(NAMES), st.randoms(use_true_random=False))
def test_the_order_is_that_of_the_scans(pool: list[Priority], strategy: Any, random: random.Random) -> None:
    pool = of_content(pool)
    ranked = ranking.order(pool, strategy)
    assert sorted(ranked) == list(range(len(pool)))
    mixed = list(pool)
    random.shuffle(mixed)
    assert hashes(mixed, strategy) == hashes(pool, strategy)


@given(pools(), st.sampled_from(NAMES))
def test_blank_scans_come_after_all_others_and_copies_last(pool: list[Priority], strategy: Any) -> None:
    pool = of_content(pool)
    ordered = [pool[place] for place in ranking.order(pool, strategy)]
    kinds = len({own.hash for own in pool})
    assert len({own.hash for own in ordered[:kinds]}) == kinds
    blank = [own.blank for own in ordered[:kinds]]
    assert blank == sorted(blank)


@given(pools())
def test_what_each_strategy_goes_by(pool: list[Priority]) -> None:
    pool = [own for own in {own.hash: own for own in pool}.values() if not own.blank]
    assert hashes(pool, "random") == sorted(own.hash for own in pool)
    by_foreground = [pool[place].volume_ml > 0 for place in ranking.order(pool, "foreground")]
    assert by_foreground == sorted(by_foreground, reverse=True)
    by_errors = [pool[place].expected_error for place in ranking.order(pool, "errors")]
    assert by_errors == sorted(by_errors, reverse=True)


def farthest_first(pool: list[Priority]) -> list[int]:
    """Weighted farthest first with all pairs, in the order of hashes: an oracle."""
    looks = np.array([own.looks for own in pool])
    scaled = (looks - looks.mean(axis=0)) / looks.std(axis=0)
    apart = np.linalg.norm(scaled[:, None] - scaled[None], axis=2)
    ranked = [max(range(len(pool)), key=lambda place: pool[place].expected_error)]
    while len(ranked) < len(pool):
        rest = [place for place in range(len(pool)) if place not in ranked]
        gain = {place: pool[place].expected_error * apart[place, ranked].min() for place in rest}
        ranked.append(max(rest, key=gain.__getitem__))
    return ranked


@pytest.mark.parametrize("seed", range(5))
def test_diverse_is_weighted_farthest_first(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pool = [scan(f"{n:02}", rng.random(), looks=rng.normal(0, (1, 9, 0.1), 3)) for n in range(25)]
    assert ranking.order(pool, "diverse") == farthest_first(pool)


def test_diverse_takes_one_of_each_kind_before_a_second() -> None:
    rng = np.random.default_rng(0)
    corners = [(0, 0), (0, 9), (9, 0), (9, 9)]
    pool = [
        scan(f"{number:02}", rng.uniform(0.45, 0.55), looks=rng.normal(corners[number % 4], 0.05))
        for number in range(20)
    ]
    ordered = ranking.order(pool, "diverse")
    assert {place % 4 for place in ordered[:4]} == {0, 1, 2, 3}
    by_errors = ranking.order(pool, "errors")
    assert {place % 4 for place in by_errors[:4]} != {0, 1, 2, 3}  # the seed is one where it matters


def test_diverse_does_not_rank_look_alikes_beside_each_other() -> None:
    """The same looks in another file: of no use until everything else is labelled."""
    rng = np.random.default_rng(3)
    pool = [scan(f"{number:02}", 0.4, looks=rng.normal(0, 1, 4)) for number in range(8)]
    pool += [scan(f"{number + 50}", 0.9, looks=pool[number].looks) for number in range(8)]
    ordered = ranking.order(pool, "diverse")
    assert len({place % 8 for place in ordered[:8]}) == 8


def test_where_nothing_tells_scans_apart_errors_do_and_then_hashes() -> None:
    pool = [scan("c", 0.1), scan("b", 0.7), scan("a", 0.1)]
    assert hashes(pool, "diverse")[0] == "b"
    assert hashes(pool, "diverse") == ["b", "a", "c"]


@pytest.mark.parametrize("strategy", NAMES)
def test_none_and_one(strategy: Any) -> None:
    assert ranking.order([], strategy) == []
    assert ranking.order([scan("a")], strategy) == [0]
    assert ranking.nearest_before([]) == ranking.nearest_before([scan("a")]) == []


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12), st.randoms(use_true_random=False))
def test_distances_are_the_same_to_the_last_bit_in_any_order(
    numbers: list[float], random: random.Random
) -> None:
    pool = [scan(f"{number:02}", looks=(value, value / 3)) for number, value in enumerate(numbers)]
    mixed = random.sample(pool, len(pool))
    points = dict(zip((own.hash for own in mixed), ranking.standardised(mixed).tolist(), strict=True))
    assert [points[own.hash] for own in pool] == ranking.standardised(pool).tolist()


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=8))
def test_nearest_before(places: list[tuple[float, float]]) -> None:
    ranked = [scan(f"{number:02}", looks=looks) for number, looks in enumerate(places)]
    points = ranking.standardised(ranked)
    for place, (other, far) in enumerate(ranking.nearest_before(ranked), start=1):
        apart = [np.sqrt(((points[before] - points[place]) ** 2).sum() / 4) for before in range(place)]
        assert far == pytest.approx(min(apart))
        assert apart[other] == pytest.approx(min(apart))
        if places[place] in places[:place]:
            assert far == 0


def test_two_scans_drawn_by_chance_are_one_apart() -> None:
    rng = np.random.default_rng(1)
    pool = [scan(f"{number:02}", looks=rng.normal(5, (1, 30, 0.2), 3)) for number in range(40)]
    points = ranking.standardised(pool)
    square = np.mean([ranking.distances(points, point) ** 2 for point in points])
    assert square == pytest.approx(1)


def test_every_strategy_may_be_asked_for() -> None:
    assert set(get_args(Strategy)) == set(STRATEGIES)
    assert ranking.DEFAULT in STRATEGIES
