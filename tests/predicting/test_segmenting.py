"""The way of a scan through a model is that of preprocess and evaluate: nothing is done in another way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core import record
from stages.inference import onnx_predictor
from stages.masks import levels as scoring_levels
from stages.predicting import segmenting
from stages.preprocessing import case
from stages.scan.header import Unreadable
from stages.scoring.decision import Decision
from stages.store import dataset, shards
from tests.fixtures import graphs, scans, stores

NESTED = graphs.describe(regions=graphs.BRATS)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return onnx_predictor.open_model(
        graphs.write(tmp_path_factory.mktemp("m") / "model.onnx", graphs.describe())
    )


@pytest.mark.parametrize("context", [0, 1, 2])
def test_a_raw_case_gets_the_probabilities_of_its_stored_slices(tmp_path, context):
    """No train/serve skew: files -> preprocess's own code -> graph, against files -> predict's -> graph."""
    described = graphs.describe(context=context)
    model = onnx_predictor.open_model(graphs.write(tmp_path / "model.onnx", described))
    scans.write_lgg(tmp_path, patients=2, slices=6, seed=3)
    recipe = case.Recipe(64, "brain", ["pre", "flair", "post"], [0, 1, 2], {1: "tumour"}, {"tumour": [1]})
    for patient in range(2):
        name = scans.case_name(patient)
        files = [f"{name}/{name}_{number}" for number in range(1, 7)]
        rows = [
            {
                "case_id": name,
                "image": record.reference(f"{file}.tif"),
                "mask": record.reference(f"{file}_mask.tif"),
                "slice": number,
                "modalities": "pre;flair;post",
                "label_set": "tumour",
                "spacing_mm": "",
            }
            for number, file in enumerate(files)
        ]
        stored = case.prepare(tmp_path / "kaggle_3m", recipe, rows).images
        images = scans.volume(6, seed=(3, patient))[0]
        fitted, found = segmenting.prepared(images, described)
        np.testing.assert_array_equal(found[..., 3 * context : 3 * context + 3], stored)
        np.testing.assert_array_equal(
            model.probabilities(found), model.probabilities(segmenting.with_neighbours(stored, context))
        )
        assert fitted.height == fitted.width == 64


@pytest.mark.parametrize("context", [0, 1, 3])
def test_neighbours_as_in_training(tmp_path, context):
    stores.write(tmp_path / "s", [4, 1, 2])
    opened = shards.open_store(tmp_path / "s")
    neighbours = dataset.Neighbours(opened.index, context)
    for rows in (np.arange(4), np.array([4]), np.array([5, 6])):
        found = segmenting.with_neighbours(opened.images(rows), context)
        np.testing.assert_array_equal(found, neighbours.images(opened, rows))


def test_the_tumour_is_found_where_it_is(model):
    images, masks = scans.volume(6, seed=5)
    found = segmenting.segment(images, (2.0, 1.0, 1.0), model)
    assert found.labels.shape == masks.shape
    assert found.labels.dtype == np.uint8
    both = ((found.labels > 0) & (masks > 0)).sum()
    assert 2 * both / ((found.labels > 0).sum() + (masks > 0).sum()) > 0.85
    assert not found.labels[0].any()
    assert found.confidence is not None
    assert 0.5 < found.confidence <= found.peak <= 1
    assert not found.blank


def test_constants_are_those_of_scoring_and_store():
    assert segmenting.LEVELS == scoring_levels.LEVELS
    assert segmenting.ASSUMED_SPACING_MM == shards.ASSUMED_SPACING_MM


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.1, 0.35, 0.6, 0.9]),
    st.sampled_from([0.0, 0.1, 0.3, 1.0]),
    st.sampled_from([0.004, 0.05, 0.6]),
)
def test_a_mask_is_that_of_evaluate(seed, threshold, smallest, voxel_ml):
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 201, (4, 9, 9), np.uint8) * rng.integers(0, 2, (4, 9, 9), np.uint8)
    chosen = Decision(
        threshold={"tumour": threshold}, tta="none", smallest_component_ml={"tumour": smallest}, val_dice=0.5
    )
    rule = graphs.describe(
        threshold={"tumour": threshold}, smallest_component_ml={"tumour": smallest}
    ).decision
    np.testing.assert_array_equal(
        segmenting.mask(levels, "tumour", rule, voxel_ml), chosen.mask(levels, "tumour", voxel_ml)
    )


def test_regions_become_labels():
    """Background, oedema, necrosis, enhancing; a core outside the whole tumour still is core."""
    levels = np.zeros((1, 1, 5, 3), np.uint8)
    for pixel, regions in enumerate([(), (0,), (0, 1), (0, 1, 2), (1,)]):
        levels[0, 0, pixel, list(regions)] = 200
    assert segmenting.label_map(levels, NESTED, 1.0).tolist() == [[[0, 2, 1, 3, 1]]]


@given(st.integers(0, 2**32 - 1))
def test_nested_regions_come_back_from_their_labels(seed):
    truth = np.random.default_rng(seed).integers(0, 4, (2, 5, 5))
    levels = np.stack([np.isin(truth, own) * np.uint8(200) for own in graphs.BRATS.values()], axis=-1)
    labels = segmenting.label_map(levels, NESTED, 1.0)
    np.testing.assert_array_equal(labels, truth)


def test_the_order_of_regions_in_a_model_does_not_matter():
    turned = graphs.describe(regions=dict(reversed(graphs.BRATS.items())))
    levels = np.random.default_rng(0).integers(0, 201, (2, 4, 4, 3), np.uint8)
    np.testing.assert_array_equal(
        segmenting.label_map(levels, NESTED, 1.0), segmenting.label_map(levels[..., ::-1], turned, 1.0)
    )


def test_confidence_is_the_mean_probability_within_the_mask():
    levels = np.array([[[100, 150, 0, 200]]], np.uint8)[..., None]
    labels = np.array([[[1, 1, 0, 0]]], np.uint8)
    assert segmenting.confidence(levels, labels, graphs.describe()) == pytest.approx(125.5 / 200)
    assert segmenting.confidence(levels, np.zeros_like(labels), graphs.describe()) is None


def test_a_blank_scan_has_no_head(model):
    found = segmenting.segment(np.zeros((2, 40, 30, 3), np.uint8), None, model)
    assert found.blank
    assert not found.labels.any()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number(model, value):
    voxels = np.zeros((1, 8, 8, 3), np.float32)
    voxels[0, 3, 3, 1] = value
    with pytest.raises(Unreadable) as error:
        segmenting.segment(voxels, None, model)
    assert str(error.value) == "its pixels are not all numbers (NaN or infinity)"


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (1, 1, 200, 3), (3, 300, 7, 3), (17, 20, 20, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, bool])
def test_any_size_and_dtype(model, shape, dtype):
    voxels = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    assert segmenting.segment(voxels, None, model).labels.shape == shape[:3]
