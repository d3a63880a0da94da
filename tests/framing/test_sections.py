"""Sections of a case at another distance: planned as nnU-Net plans it, there and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.framing import sections
from stages.framing.sections import Sections
from stages.scan.spacing import Spacing

counts = st.integers(1, 24)
millimetres = st.floats(0.3, 12)


def target_of_nnunet(spacings: np.ndarray, sizes: np.ndarray) -> float:
    """`determine_fullres_target_spacing` of nnU-Net v2 for the first axis, which is the longest one here."""
    target = np.percentile(spacings, 50, 0)
    size = np.percentile(sizes, 50, 0)
    others, other_sizes = target[1:], size[1:]
    if target[0] > 3 * max(others) and size[0] * 3 < min(other_sizes):
        thin = np.percentile(spacings[:, 0], 10)
        return max(thin, max(others))
    return target[0]


@given(
    cases=st.lists(st.tuples(millimetres, st.floats(0.5, 2), st.floats(0.5, 2), counts), min_size=1),
    size=st.sampled_from([32, 64, 128]),
)
def test_the_distance_is_the_one_that_nnunet_plans(
    cases: list[tuple[float, float, float, int]], size: int
) -> None:
    spacings = [Spacing(*case[:3]) for case in cases]
    lengths = [case[3] for case in cases]
    sizes = np.array([(length, size, size) for length in lengths])
    expected = target_of_nnunet(np.array(spacings), sizes)
    assert sections.planned(spacings, lengths, size) == pytest.approx(expected)


def test_without_a_case_there_is_no_plan() -> None:
    assert sections.planned([], [], 128) is None


@given(own=counts, mm=millimetres)
def test_sections_at_the_planned_distance_stay_as_they_are(own: int, mm: float) -> None:
    levels = np.random.default_rng(own).integers(0, 256, (own, 3, 2, 2), np.uint8)
    for same in (Sections.of(own, mm, mm), Sections.of(own, None, mm), Sections.of(own, mm, None)):
        assert same.same
        assert same.levels(levels) is levels
        assert same.back(levels) is levels


@given(own=counts, mm=millimetres, planned_mm=millimetres)
def test_as_many_as_fill_the_same_length(own: int, mm: float, planned_mm: float) -> None:
    there = Sections.of(own, mm, planned_mm)
    assert there.planned >= 1
    assert there.planned == 1 or abs(there.planned * planned_mm - own * mm) <= planned_mm / 2 + 1e-6


@given(own=counts, planned=counts, value=st.integers(0, 255))
def test_what_is_alike_in_all_sections_stays_so(own: int, planned: int, value: int) -> None:
    there = Sections(own, planned)
    assert (there.levels(np.full((own, 2, 2, 1), value, np.uint8)) == value).all()
    back = there.back(np.full((planned, 1, 2, 2), value / 255, np.float32))
    assert back.shape == (own, 1, 2, 2)
    np.testing.assert_allclose(back, value / 255, rtol=1e-5)


def test_twice_as_many_lie_between_their_neighbours_and_come_back() -> None:
    levels = np.array([0, 100, 200], np.uint8).reshape(3, 1, 1, 1)
    there = Sections.of(3, 4.0, 2.0)
    assert there.levels(levels).ravel().tolist() == [0, 25, 75, 125, 175, 200]
    probabilities = np.linspace(0, 1, 6, dtype=np.float32).reshape(6, 1, 1, 1)
    np.testing.assert_allclose(there.back(probabilities).ravel(), [0.1, 0.5, 0.9], atol=1e-6)


@settings(max_examples=60)
@given(own=counts, planned=counts, top=st.integers(0, 23), depth=st.integers(1, 30))
def test_a_part_is_made_as_the_whole_is(own: int, planned: int, top: int, depth: int) -> None:
    random = np.random.default_rng(own)
    levels = random.integers(0, 256, (own, 2, 2, 1), np.uint8)
    there, top = Sections(own, planned), min(top, planned - 1)
    places, weights = there.part(top, depth)
    part = sections.mixed(levels[places.start : places.stop], weights)
    whole = sections.mixed(levels, np.eye(own, dtype=np.float32)) if there.same else there.levels(levels)
    np.testing.assert_array_equal(part, whole[top : top + depth])


@settings(max_examples=60)
@given(own=st.integers(2, 24), planned=counts, labels=st.integers(1, 4))
def test_labels_are_those_that_cover_most(own: int, planned: int, labels: int) -> None:
    random = np.random.default_rng((own, planned))
    masks = random.integers(0, labels + 1, (own, 4, 4)).astype(np.uint8)
    places, weights = Sections(own, planned).part(0, planned)
    out = sections.labelled(masks[places.start : places.stop], weights)
    assert out.shape == (planned, 4, 4)
    covers = np.stack([np.tensordot(weights, masks[places.start : places.stop] == v, 1) for v in range(5)])
    most = covers.max(axis=0)
    chosen = np.take_along_axis(covers, out[None].astype(int), 0)[0]
    np.testing.assert_allclose(chosen, most, atol=1e-5)


@pytest.mark.parametrize(("own", "planned"), [(4, 8), (8, 4), (5, 7), (9, 2), (3, 3)])
def test_the_planned_section_around_the_middle_of_an_own_one(own: int, planned: int) -> None:
    edges = np.arange(planned + 1) * own / planned
    for place in range(own):
        near = Sections(own, planned).nearest(place)
        assert edges[near] <= place + 0.5 <= edges[near + 1]
