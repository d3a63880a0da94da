"""What scales a case: the head's intensities without their outermost hundredth, the floor under the head."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stages.framing import head, transform
from stages.masks import label_map, levels

HEADS = hnp.arrays(np.uint8, st.tuples(st.integers(1, 400), st.integers(1, 3)))


def scale(values: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Of the values (N, C) of a head, added in two parts."""
    measured = transform._Levels(values.dtype, values.shape[1])
    for part in (values[: len(values) // 3], values[len(values) // 3 :]):
        measured.add(part)
    return measured.mean_std()


@given(HEADS)
def test_bytes_are_clipped_at_the_values_that_a_half_per_cent_lie_below_and_above(values: np.ndarray) -> None:
    ends = np.percentile(values, (0.5, 99.5), axis=0, method="inverted_cdf")
    inside = np.clip(values, *ends).astype(np.float64)
    mean, std = scale(values)
    assert mean == pytest.approx(tuple(inside.mean(axis=0)))
    assert std == pytest.approx(tuple(np.maximum(inside.std(axis=0), 1e-6)))


@given(HEADS)
def test_other_numbers_are_clipped_at_percentiles_of_each_channel(values: np.ndarray) -> None:
    numbers = values.astype(np.float32) * np.arange(1, values.shape[1] + 1, dtype=np.float32) * 10
    mean, std = scale(numbers)
    for channel in range(numbers.shape[1]):
        own = numbers[:, channel]
        inside = np.clip(own, *np.percentile(own, (0.5, 99.5))).astype(np.float64)
        assert mean[channel] == pytest.approx(inside.mean(), rel=1e-5)
        assert std[channel] == pytest.approx(max(inside.std(), 1e-6), rel=1e-4, abs=1e-4)


@given(st.lists(st.floats(0, 1000, width=32), min_size=8, max_size=200), st.floats(0.1, 0.9))
def test_the_floor_is_half_way_up_to_the_threshold_that_separates_best(
    bright: list[float], share: float
) -> None:
    """Otsu 1979 by trying every threshold: between which two means is most of the variance."""
    air = np.random.default_rng(len(bright)).normal(20, 5, max(2, int(len(bright) * share))).clip(0)
    blocks = np.concatenate([air, np.asarray(bright)])
    low, high = blocks.min(), np.percentile(blocks, 99.5)
    if high - low <= 1e-4 * high:
        return
    edges = np.linspace(low, high, 257)
    bins = np.minimum(np.searchsorted(edges, blocks[blocks <= high], side="right") - 1, 255)

    def apart(last: int) -> float:
        below, above = bins[bins <= last], bins[bins > last]
        if not len(below) or not len(above):
            return -1.0
        return (below.mean() - above.mean()) ** 2 * len(below) * len(above)

    scores = np.array([apart(last) for last in range(256)])
    reached = (head.floor(blocks) - low) / head.TISSUE + low
    best = int(np.abs(edges[1:] - reached).argmin())
    assert edges[best + 1] == pytest.approx(reached, abs=1e-6 * high)
    assert scores[best] == pytest.approx(scores.max(), rel=1e-9)


def test_a_slice_without_labels_does_not_end_those_behind_it() -> None:
    masks = np.zeros((3, 40, 40), np.uint8)
    masks[1, 10:20, 10:20], masks[2, 20:30, 5:25] = 1, 2
    fitted = transform.fit(np.ones((3, 40, 40, 1), np.uint8), 32, crop=False)
    stacked = transform.labels(masks, fitted)
    assert stacked.dtype == np.uint8
    assert [set(np.unique(own)) for own in stacked] == [{0}, {0, 1}, {0, 2}]
    for place in range(3):
        np.testing.assert_array_equal(stacked[place : place + 1], transform.labels(masks[[place]], fitted))


def test_of_regions_that_exclude_each_other_the_less_probable_get_nothing() -> None:
    stacked = np.array([[[[9, 3, 5]], [[9, 4, 0]]]], np.uint8)
    kept = levels.exclusive(stacked)
    assert kept.dtype == np.uint8
    assert kept.tolist() == [[[[9, 0, 5]], [[0, 4, 0]]]]


def test_nobody_is_surer_than_sure() -> None:
    sure = np.full((1, 1, 2, 2), levels.LEVELS, np.uint8)
    assert label_map.confidence(sure, np.ones((1, 2, 2), np.uint8), {"tumour": [1]}) == 1.0
