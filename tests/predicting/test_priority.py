"""Expected errors against labels drawn by the probabilities, and what a scan looks like in numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from stages.inference import onnx_predictor
from stages.masks import levels
from stages.masks.levels import LEVELS
from stages.masks.rule import Rule
from stages.predicting import priority, segmenting
from stages.predicting.priority import LOWEST
from tests.fixtures import graphs, scans

NONE = "0" * 64
VOLUMES = npst.arrays(
    np.uint8, npst.array_shapes(min_dims=3, max_dims=3, max_side=5), elements=st.integers(0, LEVELS)
)


def blob(seed: int, softness: float, top: float = 0.97) -> np.ndarray:
    """Levels (4, 24, 24) of a round tumour whose rim is so soft, with noise."""
    rng = np.random.default_rng(seed)
    z, y, x = np.mgrid[:4, :24, :24]
    distance = np.hypot(np.hypot(y - 12, x - 11), 2.0 * (z - 1.5)) - 7
    logit = -distance / softness + rng.normal(0, 0.3, distance.shape)
    return levels.quantise((top / (1 + np.exp(-logit))).astype(np.float32))


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
def test_expected_dice_is_that_of_drawn_labels(softness, threshold):
    own = blob(1, softness)
    mask = own >= levels.at(threshold)
    scores = drawn_dice(own, mask, 400)
    assert priority.expected_dice(own, mask) == pytest.approx(scores.mean(), abs=0.004)


@pytest.mark.parametrize("voxels", [0, 1, 3, 20])
def test_of_an_empty_mask_it_is_the_chance_that_nothing_is_there(voxels):
    own = np.zeros((2, 5, 5), np.uint8)
    own.flat[:voxels] = np.linspace(20, 80, voxels).astype(np.uint8)
    mask = np.zeros(own.shape, bool)
    scores = drawn_dice(own, mask, 4000)
    assert priority.expected_dice(own, mask) == pytest.approx(scores.mean(), abs=0.03)


@given(VOLUMES, st.integers(1, LEVELS))
def test_it_counts_wrong_voxels_voxel_by_voxel(own, threshold):
    mask = own >= threshold
    wrong = both = 0.0
    for level, inside in zip(own.ravel().tolist(), mask.ravel().tolist(), strict=True):
        p = min((level + 0.5) / LEVELS, 1.0) if inside or level >= LOWEST * LEVELS else 0.0
        wrong += 1 - p if inside else p
        both += p + inside
    if mask.any():
        assert 1 - priority.expected_dice(own, mask) == pytest.approx(wrong / both, abs=1e-9)
    assert 0 <= priority.expected_dice(own, mask) <= 1


@given(VOLUMES, st.integers(1, LEVELS), st.randoms(use_true_random=False))
def test_neither_places_nor_size_matter(own, threshold, random):
    """A tumour twice as large with twice the errors is worth the same."""
    expected = priority.expected_dice(own, own >= threshold)
    shuffled = own.ravel().tolist()
    random.shuffle(shuffled)
    mixed = np.array(shuffled, np.uint8).reshape(own.shape)
    assert priority.expected_dice(mixed, mixed >= threshold) == expected
    if (own >= threshold).any():
        twice = np.concatenate([own, own])
        assert priority.expected_dice(twice, twice >= threshold) == pytest.approx(expected, abs=1e-12)


def test_of_equal_masks_the_less_sure_one_is_worth_more():
    scores = [priority.expected_dice(own, own >= 100) for own in map(blob, [1] * 4, [0.3, 1, 2, 4])]
    assert scores == sorted(scores, reverse=True)


def test_the_ends():
    own = np.zeros((2, 6, 6), np.uint8)
    empty = np.zeros(own.shape, bool)
    assert priority.expected_dice(own, empty) == 1
    assert priority.expected_dice(np.full_like(own, 9), empty) == 1  # below LOWEST it is no tumour
    own[0, :3] = LEVELS
    assert priority.expected_dice(own, own > 0) == 1
    assert priority.expected_dice(own, empty) == 0  # what is certain, and was left out as too small
    assert priority.expected_dice(own, own == 0) < 0.01


def test_small_components_that_the_rule_drops_count_as_missed():
    own = np.zeros((1, 12, 12), np.uint8)
    own[0, 1:5, 1:5] = 196
    sure = priority.expected_error(own[:, None], {"tumour": [1]}, rule(0.5), 0.001)
    own[0, 8:10, 8:10] = 196
    assert priority.expected_error(own[:, None], {"tumour": [1]}, rule(0.5), 0.001) == pytest.approx(sure)
    assert priority.expected_error(own[:, None], {"tumour": [1]}, rule(0.5, 0.01), 0.001) > sure + 0.05


def test_of_several_regions_it_is_the_mean():
    parts = [blob(seed, softness) for seed, softness in ((1, 0.5), (2, 4.0))]
    regions = {"whole": [1, 2], "core": [2]}
    halves = Rule(dict.fromkeys(regions, 0.5), "none", dict.fromkeys(regions, 0.0))
    each = [1 - priority.expected_dice(own, own >= 100) for own in parts]
    both = priority.expected_error(np.stack(parts, axis=1), regions, halves, 0.001)
    assert both == pytest.approx(np.mean(each))


def rule(threshold: float, smallest_ml: float = 0.0) -> Rule:
    return Rule({"tumour": threshold}, "none", {"tumour": smallest_ml})


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    return onnx_predictor.open_model(graphs.write(path, graphs.describe()))


def of(voxels: np.ndarray, model) -> priority.Priority:
    return priority.of(segmenting.answer(voxels, None, model), model.spec, NONE)


def test_of_a_scan_through_a_model(model):
    images, masks = scans.volume(5, seed=2)
    own = of(images, model)
    labels = segmenting.segment(images, None, model).labels
    assert own.volume_ml == pytest.approx(np.count_nonzero(labels) / 1000)
    assert own.volume_ml == pytest.approx(np.count_nonzero(masks) / 1000, rel=0.3)
    assert 0 < own.expected_error < 0.3
    assert not own.blank


def test_a_blank_scan_and_one_without_foreground(model):
    blank = of(np.zeros((3, 64, 64, 3), np.uint8), model)
    assert (blank.blank, blank.volume_ml, blank.expected_error) == (True, 0, 0)
    healthy = of(np.stack([scans.healthy(3)] * 3, axis=3), model)
    assert (healthy.blank, healthy.volume_ml) == (False, 0)
    assert healthy.expected_error < 0.01
    for own in (blank, healthy):
        assert own.looks.shape == of(scans.volume(5, seed=2)[0], model).looks.shape
        assert np.isfinite(own.looks).all()


def test_looks_tell_where_the_foreground_lies_and_how_bright_it_is():
    slices = np.full((4, 20, 20, 2), 100, np.uint8)
    slices[:, :, :10] = 60
    probabilities = np.zeros((4, 20, 20), np.float32)
    probabilities[1, 4:6, 12:14] = 0.8
    slices[1, 4:6, 12:14] = (140, 90)  # the upper quartile is 100
    own = priority.looks(slices, probabilities)
    median = np.median(slices.reshape(-1, 2), axis=0)
    np.testing.assert_allclose(own[6:8], np.array([140, 90]) - median)
    np.testing.assert_allclose(own[8:10], 0, atol=1e-9)
    np.testing.assert_allclose(own[10:12], [1, 0])
    np.testing.assert_allclose(own[12:15], [1.5 / 4, 5 / 20, 13 / 20])
    assert own[15] == pytest.approx(np.cbrt(4 * 0.8 / slices[..., 0].size))
    mirrored = priority.looks(slices[:, :, ::-1], probabilities[:, :, ::-1])
    assert np.flatnonzero(~np.isclose(own, mirrored)).tolist() == [14]


def test_below_the_lowest_probability_there_is_no_foreground():
    slices = scans.volume(3, seed=4)[0]
    nothing = priority.looks(slices, np.zeros((3, 64, 64), np.float32))
    faint = priority.looks(slices, np.full((3, 64, 64), LOWEST - 0.001, np.float32))
    np.testing.assert_array_equal(nothing, faint)
