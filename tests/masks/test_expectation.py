"""The Dice to expect of a mask, against labels drawn by the probabilities."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from stages.masks import expectation, levels
from stages.masks.expectation import LOWEST
from stages.masks.levels import LEVELS
from tests.fixtures.probabilities import blob

VOLUMES = npst.arrays(
    np.uint8, npst.array_shapes(min_dims=3, max_dims=3, max_side=5), elements=st.integers(0, LEVELS)
)


def drawn_dice(own: np.ndarray, mask: np.ndarray, draws: int, seed: int = 0) -> np.ndarray:
    """Dice of a mask with each of so many labels that are drawn voxel by voxel: an oracle."""
    rng = np.random.default_rng(seed)
    chance = np.minimum((own + 0.5) / LEVELS, 1.0) * ((own >= LOWEST * LEVELS) | mask)
    scores = []
    for _ in range(draws):
        truth = rng.random(own.shape) < chance
        both = truth.sum() + mask.sum()
        scores.append(2 * (truth & mask).sum() / both if both else 1.0)
    return np.array(scores)


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("softness", [0.3, 1.0, 4.0])
def test_expected_dice_is_that_of_drawn_labels(softness: float, threshold: float) -> None:
    own = blob(1, softness)
    mask = own >= levels.at(threshold)
    scores = drawn_dice(own, mask, 400)
    assert expectation.dice(own, mask) == pytest.approx(scores.mean(), abs=0.004)


@pytest.mark.parametrize("voxels", [0, 1, 3, 20])
def test_of_an_empty_mask_it_is_the_chance_that_nothing_is_there(voxels: int) -> None:
    own = np.zeros((2, 5, 5), np.uint8)
    own.flat[:voxels] = np.linspace(20, 80, voxels).astype(np.uint8)
    mask = np.zeros(own.shape, bool)
    scores = drawn_dice(own, mask, 4000)
    assert expectation.dice(own, mask) == pytest.approx(scores.mean(), abs=0.03)


@given(VOLUMES, st.integers(1, LEVELS))
def test_it_counts_wrong_voxels_voxel_by_voxel(own: np.ndarray, threshold: int) -> None:
    mask = own >= threshold
    wrong = both = 0.0
    for level, inside in zip(own.ravel().tolist(), mask.ravel().tolist(), strict=True):
        p = min((level + 0.5) / LEVELS, 1.0) if inside or level >= LOWEST * LEVELS else 0.0
        wrong += 1 - p if inside else p
        both += p + inside
    if mask.any():
        assert 1 - expectation.dice(own, mask) == pytest.approx(wrong / both, abs=1e-9)
    assert 0 <= expectation.dice(own, mask) <= 1


@given(VOLUMES, st.integers(1, LEVELS), st.randoms(use_true_random=False))
def test_neither_places_nor_size_matter(own: np.ndarray, threshold: int, random: random.Random) -> None:
    """A tumour twice as large with twice the errors is worth the same."""
    expected = expectation.dice(own, own >= threshold)
    shuffled = own.ravel().tolist()
    random.shuffle(shuffled)
    mixed = np.array(shuffled, np.uint8).reshape(own.shape)
    assert expectation.dice(mixed, mixed >= threshold) == expected
    if (own >= threshold).any():
        twice = np.concatenate([own, own])
        assert expectation.dice(twice, twice >= threshold) == pytest.approx(expected, abs=1e-12)


def test_of_equal_masks_the_less_sure_one_is_worth_more() -> None:
    scores = [expectation.dice(own, own >= 100) for own in map(blob, [1] * 4, [0.3, 1, 2, 4])]
    assert scores == sorted(scores, reverse=True)


def test_the_ends() -> None:
    own = np.zeros((2, 6, 6), np.uint8)
    empty = np.zeros(own.shape, bool)
    assert expectation.dice(own, empty) == 1
    assert expectation.dice(np.full_like(own, 9), empty) == 1  # below LOWEST it is no tumour
    own[0, :3] = LEVELS
    assert expectation.dice(own, own > 0) == 1
    assert expectation.dice(own, empty) == 0  # what is certain, and was left out as too small
    assert expectation.dice(own, own == 0) < 0.01
