"""Expected errors by region and rule, and what a scan looks like in numbers."""

import numpy as np
import pytest

from stages.inference import onnx_predictor
from stages.masks import expectation
from stages.masks.expectation import LOWEST
from stages.masks.rule import Rule
from stages.predicting import priority, segmenting
from tests.fixtures import graphs, scans
from tests.fixtures.probabilities import blob

NONE = "0" * 64


def test_small_components_that_the_rule_drops_count_as_missed() -> None:
    own = np.zeros((1, 12, 12), np.uint8)
    own[0, 1:5, 1:5] = 196
    sure = priority.expected_error(own[:, None], {"tumour": [1]}, rule(0.5), 0.001)
    own[0, 8:10, 8:10] = 196
    assert priority.expected_error(own[:, None], {"tumour": [1]}, rule(0.5), 0.001) == pytest.approx(sure)
    assert priority.expected_error(own[:, None], {"tumour": [1]}, rule(0.5, 0.01), 0.001) > sure + 0.05


def test_of_several_regions_it_is_the_mean() -> None:
    parts = [blob(seed, softness) for seed, softness in ((1, 0.5), (2, 4.0))]
    regions = {"whole": [1, 2], "core": [2]}
    halves = Rule(dict.fromkeys(regions, 0.5), "none", dict.fromkeys(regions, 0.0))
    each = [1 - expectation.dice(own, own >= 100) for own in parts]
    both = priority.expected_error(np.stack(parts, axis=1), regions, halves, 0.001)
    assert both == pytest.approx(np.mean(each))


def rule(threshold: float, smallest_ml: float = 0.0) -> Rule:
    return Rule({"tumour": threshold}, "none", {"tumour": smallest_ml})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> onnx_predictor.Exported:
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    return onnx_predictor.open_model(graphs.write(path, graphs.describe()))


def of(voxels: np.ndarray, model: onnx_predictor.Exported) -> priority.Priority:
    return priority.of(segmenting.answer(voxels, None, model), model.spec, NONE)


def test_of_a_scan_through_a_model(model: onnx_predictor.Exported) -> None:
    images, masks = scans.volume(5, seed=2)
    own = of(images, model)
    labels = segmenting.segment(images, None, model).labels
    assert own.volume_ml == pytest.approx(np.count_nonzero(labels) / 1000)
    assert own.volume_ml == pytest.approx(np.count_nonzero(masks) / 1000, rel=0.3)
    assert 0 < own.expected_error < 0.3
    assert not own.blank


def test_a_blank_scan_and_one_without_foreground(model: onnx_predictor.Exported) -> None:
    blank = of(np.zeros((3, 64, 64, 3), np.uint8), model)
    assert (blank.blank, blank.volume_ml, blank.expected_error) == (True, 0, 0)
    healthy = of(np.stack([scans.healthy(3)] * 3, axis=3), model)
    assert (healthy.blank, healthy.volume_ml) == (False, 0)
    assert healthy.expected_error < 0.01
    for own in (blank, healthy):
        assert own.looks.shape == of(scans.volume(5, seed=2)[0], model).looks.shape
        assert np.isfinite(own.looks).all()


def test_looks_tell_where_the_foreground_lies_and_how_bright_it_is() -> None:
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


def test_below_the_lowest_probability_there_is_no_foreground() -> None:
    slices = scans.volume(3, seed=4)[0]
    nothing = priority.looks(slices, np.zeros((3, 64, 64), np.float32))
    faint = priority.looks(slices, np.full((3, 64, 64), LOWEST - 0.001, np.float32))
    np.testing.assert_array_equal(nothing, faint)
