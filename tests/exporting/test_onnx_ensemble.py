"""Several graphs as one: the mean of their answers, for any batch."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from stages.exporting import onnx_ensemble, onnx_export
from stages.inference import onnx_predictor
from stages.inference.onnx_predictor import OnnxPredictor
from stages.networks.network import Network
from tests.fixtures import trainings
from tests.fixtures.trainings import SIZE, Setup


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three networks that differ in their weights: an export takes seconds, so the others are made of one."""
    folder = tmp_path_factory.mktemp("graphs")
    setup = Setup(trainings.blobs(tmp_path_factory.mktemp("store"), cases=2))
    net = setup.segmenter().network
    assert isinstance(net, Network)
    onnx_export.write(net, 1, SIZE, 18, folder / "0.onnx")
    model = onnx.load(folder / "0.onnx")
    rng = np.random.default_rng(0)
    for number in (1, 2):
        for weights in model.graph.initializer:
            values = numpy_helper.to_array(weights)
            if values.ndim == 4:  # of a convolution
                other = values * rng.lognormal(0, 0.3, values.shape)
                weights.CopyFrom(numpy_helper.from_array(other.astype(values.dtype), weights.name))
        onnx.save(model, folder / f"{number}.onnx")
    return sorted(folder.iterdir())


def answer(path: Path, slices: np.ndarray) -> np.ndarray:
    return OnnxPredictor(onnx_predictor.session(path), 1).answer(slices[:, None])


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("batch", [1, 5])
def test_it_answers_with_the_mean(paths: list[Path], count: int, batch: int, tmp_path: Path) -> None:
    slices = np.random.default_rng(0).integers(0, 256, (batch, SIZE, SIZE, 3), dtype=np.uint8)
    onnx.save(onnx_ensemble.mean([onnx.load(path) for path in paths[:count]]), tmp_path / "joint.onnx")
    apart = [answer(path, slices) for path in paths[:count]]
    joint = answer(tmp_path / "joint.onnx", slices)
    np.testing.assert_allclose(joint, np.mean(apart, axis=0), atol=1e-6)
    assert count == 1 or np.abs(apart[0] - apart[1]).max() > 0.01


def test_the_same_members_give_the_same_bytes(paths: list[Path]) -> None:
    one, again = (onnx_ensemble.mean([onnx.load(path) for path in paths]) for _ in range(2))
    assert one.SerializeToString(deterministic=True) == again.SerializeToString(deterministic=True)


def test_graphs_that_do_not_fit_are_refused(paths: list[Path]) -> None:
    first, wider, newer = (onnx.load(paths[0]) for _ in range(3))
    wider.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 9  # as with neighbours
    with pytest.raises(ValueError, match="differ in input or output"):
        onnx_ensemble.mean([first, wider])
    newer.opset_import[0].version = 20
    with pytest.raises(ValueError, match="differ in their ONNX version"):
        onnx_ensemble.mean([first, newer])
