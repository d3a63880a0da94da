"""The way of a scan through a model is that of preprocess and evaluate: nothing is done in another way."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from stages.core import record
from stages.inference import cases, onnx_predictor, predictor
from stages.inference.onnx_predictor import Exported, OnnxPredictor
from stages.masks import expectation, label_map, levels
from stages.predicting import segmenting
from stages.preprocessing import case
from stages.scan import windows
from stages.scan.header import Unreadable
from stages.scan.spacing import Spacing
from stages.scan.task import TUMOUR
from stages.store import shards
from tests.fixtures import graphs, scans, stores


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> onnx_predictor.Exported:
    return onnx_predictor.open_model(
        graphs.write(tmp_path_factory.mktemp("m") / "model.onnx", graphs.describe())
    )


@pytest.mark.parametrize("context", [0, 1, 2])
def test_a_raw_case_gets_the_probabilities_of_its_stored_slices(tmp_path: Path, context: int) -> None:
    """No train/serve skew: files -> preprocess's own code -> graph, against files -> predict's -> graph."""
    described = graphs.describe(context=context)
    model = onnx_predictor.open_model(graphs.write(tmp_path / "model.onnx", described))
    scans.write_lgg(tmp_path, patients=2, slices=6, seed=3)
    preparation = case.Preparation(64, "brain", ["pre", "flair", "post"], False, TUMOUR)
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
        stored = case.prepare(tmp_path / "kaggle_3m", preparation, rows).images
        images = scans.volume(6, seed=(3, patient))[0]
        fitted, slices = segmenting.prepared(images, 1.0, described)
        np.testing.assert_array_equal(slices, stored)
        np.testing.assert_array_equal(
            segmenting.answered(slices, None, model),
            predictor.by_tta(
                model.predictor,
                [stored[windows.positions(np.array([len(stored)]), 2 * context + 1)]],
                ["none"],
            )["none"],
        )
        assert fitted.height == fitted.width == 64


def test_promises_are_of_the_frame_in_which_evaluate_measures_them(tmp_path: Path) -> None:
    """On a scan's finer grid the same probabilities are softer, and let expect less."""
    promised = graphs.guarantees()
    described = graphs.describe(channels=("flair",)).model_copy(update={"guarantees": promised})
    model = onnx_predictor.open_model(graphs.write(tmp_path / "model.onnx", described))
    images = scans.volume(6, size=128, seed=3)[0][..., scans.FLAIR, None]
    mm = Spacing(3.0, 1.0, 1.0)
    fitted, slices = segmenting.prepared(images, 1.0, described)
    own = levels.quantise(segmenting.answered(slices, None, model))
    mask = own[:, 0] >= 100
    segmented = segmenting.segment(images, mm, model)
    assert segmented.expected_dice == expectation.dice(own[:, 0], mask)
    assert segmented.frame_confidence == label_map.confidence(own, mask, {"tumour": [1]})
    answer = segmenting.answer(images, mm, model)
    assert answer.frame_ml == pytest.approx(answer.voxel_ml * np.prod(fitted.scale))
    softer = expectation.dice(answer.levels[:, 0], answer.levels[:, 0] >= 100)
    assert softer != segmented.expected_dice


@pytest.mark.parametrize("context", [0, 1, 3])
def test_windows_as_in_training(tmp_path: Path, context: int) -> None:
    stores.write(tmp_path / "s", [4, 1, 2])
    opened = shards.open_store(tmp_path / "s")
    depth = 2 * context + 1

    class Seen:
        """Remembers the windows that it is asked about."""

        batch_size, window, through_mm = 3, None, None

        def __init__(self) -> None:
            self.depth = depth
            self.windows: list[np.ndarray] = []

        def answer(self, batch: np.ndarray) -> np.ndarray:
            self.windows.append(batch)
            return np.zeros((len(batch), 1, *batch.shape[2:4]), np.float32)

    for rows in (np.arange(4), np.array([4]), np.array([5, 6])):
        in_training, in_predict = Seen(), Seen()
        list(cases.of(in_training, opened, rows, "none"))
        segmenting.answered(
            opened.images(rows),
            None,
            Exported(graphs.describe(context=context), cast(OnnxPredictor, in_predict)),
        )
        np.testing.assert_array_equal(np.concatenate(in_training.windows), np.concatenate(in_predict.windows))


def test_the_tumour_is_found_where_it_is(model: onnx_predictor.Exported) -> None:
    images, masks = scans.volume(6, seed=5)
    found = segmenting.segment(images, Spacing(2.0, 1.0, 1.0), model)
    assert found.labels.shape == masks.shape
    assert found.labels.dtype == np.uint8
    both = ((found.labels > 0) & (masks > 0)).sum()
    assert 2 * both / ((found.labels > 0).sum() + (masks > 0).sum()) > 0.85
    assert not found.labels[0].any()
    assert found.confidence is not None
    assert 0.5 < found.confidence <= found.peak <= 1
    assert not found.blank


def test_a_blank_scan_has_no_head(model: onnx_predictor.Exported) -> None:
    found = segmenting.segment(np.zeros((2, 40, 30, 3), np.uint8), None, model)
    assert found.blank
    assert not found.labels.any()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number(model: onnx_predictor.Exported, value: float) -> None:
    voxels = np.zeros((1, 8, 8, 3), np.float32)
    voxels[0, 3, 3, 1] = value
    with pytest.raises(Unreadable) as error:
        segmenting.segment(voxels, None, model)
    assert str(error.value) == "its pixels are not all numbers (NaN or infinity)"


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (1, 1, 200, 3), (3, 300, 7, 3), (17, 20, 20, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, bool])
def test_any_size_and_dtype(
    model: onnx_predictor.Exported, shape: tuple[int, int, int, int], dtype: type[Any]
) -> None:
    voxels = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    assert segmenting.segment(voxels, None, model).labels.shape == shape[:3]
