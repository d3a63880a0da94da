"""Regions painted into classes, and how sure a mask is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.masks import label_map, levels
from stages.masks.rule import Rule
from tests.fixtures.graphs import BRATS

FIVE = {f"class{number}": [number] for number in range(1, 6)}


def rule(regions: dict[str, list[int]], threshold: float = 0.5) -> Rule:
    return Rule(dict.fromkeys(regions, threshold), "none", dict.fromkeys(regions, 0.0))


def test_regions_become_labels() -> None:
    """Background, oedema, necrosis, enhancing; a core outside the whole tumour still is core."""
    shades = np.zeros((1, 3, 1, 5), np.uint8)
    for pixel, regions in enumerate([(), (0,), (0, 1), (0, 1, 2), (1,)]):
        shades[0, list(regions), 0, pixel] = 200
    assert label_map.of(shades, BRATS, rule(BRATS), 1.0).tolist() == [[[0, 2, 1, 3, 1]]]


@given(st.integers(0, 2**32 - 1))
def test_nested_regions_come_back_from_their_labels(seed: int) -> None:
    truth = np.random.default_rng(seed).integers(0, 4, (2, 5, 5))
    shades = np.stack([np.isin(truth, own) * np.uint8(200) for own in BRATS.values()], axis=1)
    np.testing.assert_array_equal(label_map.of(shades, BRATS, rule(BRATS), 1.0), truth)


def test_the_order_of_regions_in_a_model_does_not_matter() -> None:
    turned = dict(reversed(BRATS.items()))
    shades = np.random.default_rng(0).integers(0, 201, (2, 3, 4, 4), np.uint8)
    np.testing.assert_array_equal(
        label_map.of(shades, BRATS, rule(BRATS), 1.0),
        label_map.of(shades[:, ::-1], turned, rule(BRATS), 1.0),
    )


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 0.5, 0.9]))
def test_of_exclusive_regions_the_most_probable_has_the_pixel(seed: int, threshold: float) -> None:
    """Against numpy's own argmax over probabilities, where the best one passes its threshold."""
    shades = np.random.default_rng(seed).integers(0, 201, (2, 5, 6, 6), np.uint8)
    labels = label_map.of(levels.exclusive(shades), FIVE, rule(FIVE, threshold), 1.0)
    best = shades.argmax(axis=1) + 1
    np.testing.assert_array_equal(labels, np.where(shades.max(axis=1) >= 200 * threshold, best, 0))


def test_confidence_is_the_mean_probability_within_the_mask() -> None:
    shades = np.array([100, 150, 0, 200], np.uint8).reshape(1, 1, 1, 4)
    labels = np.array([[[1, 1, 0, 0]]], np.uint8)
    assert label_map.confidence(shades, labels, {"tumour": [1]}) == pytest.approx(125.5 / 200)
    assert label_map.confidence(shades, np.zeros_like(labels), {"tumour": [1]}) is None


def test_the_highest_level_is_of_the_outer_regions() -> None:
    shades = np.arange(15, dtype=np.uint8).reshape(1, 5, 1, 3)
    np.testing.assert_array_equal(label_map.highest(shades[:, :3], BRATS), shades[:, 0])
    np.testing.assert_array_equal(label_map.highest(shades, FIVE), shades[:, 4])
