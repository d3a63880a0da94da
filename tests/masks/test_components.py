"""Removal of small components."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stages.masks import components
from tests.fixtures.flooding import flooded


@settings(max_examples=60)
@given(hnp.arrays(bool, (2, 5, 6), elements=st.sampled_from([False, False, False, True])), st.integers(0, 8))
def test_keeps_exactly_the_components_that_are_large_enough(mask: np.ndarray, smallest: int) -> None:
    expected = np.zeros_like(mask)
    for component in flooded(mask):
        if len(component) >= smallest:
            expected[tuple(np.array(sorted(component)).T)] = True
    np.testing.assert_array_equal(components.without_small(mask, smallest), expected)


@settings(max_examples=60)
@given(hnp.arrays(bool, (2, 5, 6), elements=st.sampled_from([False, False, True])), st.integers(0, 2**32))
def test_sizes_are_those_of_the_components_and_of_their_part_in_the_truth(
    mask: np.ndarray, seed: int
) -> None:
    truth = np.random.default_rng(seed).random(mask.shape) < 0.5
    sets = [np.array(sorted(one)) for one in flooded(mask)]
    expected = sorted((len(one), int(truth[tuple(one.T)].sum())) for one in sets)
    every, right = components.sizes(mask, truth)
    assert sorted(zip(every.tolist(), right.tolist(), strict=True)) == expected


@settings(max_examples=60)
@given(hnp.arrays(bool, (2, 5, 6), elements=st.sampled_from([False, False, False, False, True])))
def test_a_box_holds_all_and_no_smaller_one_does(mask: Any) -> None:
    inside = components.box(mask)
    assert mask[inside].sum() == mask.sum()
    for axis in range(3):
        ends = mask[inside].any(axis=tuple(other for other in range(3) if other != axis))
        assert not mask.any() or (ends[0] and ends[-1])


def test_corners_connect_across_slices() -> None:
    mask = np.zeros((2, 4, 4), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = mask[1, 3, 3] = True
    kept = components.without_small(mask, 2)
    assert kept.sum() == 2
    assert not kept[1, 3, 3]
