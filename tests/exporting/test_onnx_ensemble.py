"""Several graphs as one: the mean of their answers, for any batch."""

import numpy as np
import onnx
import pytest

from stages.exporting import onnx_ensemble, onnx_export
from stages.inference import onnx_predictor
from stages.inference.onnx_predictor import OnnxPredictor
from tests.fixtures import trainings
from tests.fixtures.trainings import SIZE, Setup


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    return Setup(trainings.blobs(tmp_path_factory.mktemp("store"), cases=2))


@pytest.fixture(scope="module")
def paths(setup, tmp_path_factory):
    folder = tmp_path_factory.mktemp("graphs")
    for seed in range(3):
        onnx_export.write(setup.with_(seed=seed).segmenter().network, 1, SIZE, 18, folder / f"{seed}.onnx")
    return sorted(folder.iterdir())


def answer(path, slices):
    return OnnxPredictor(onnx_predictor.session(path), 1).answer(slices[:, None])


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("batch", [1, 5])
def test_it_answers_with_the_mean(paths, count, batch, tmp_path):
    slices = np.random.default_rng(0).integers(0, 256, (batch, SIZE, SIZE, 3), dtype=np.uint8)
    onnx.save(onnx_ensemble.mean([onnx.load(path) for path in paths[:count]]), tmp_path / "joint.onnx")
    apart = [answer(path, slices) for path in paths[:count]]
    joint = answer(tmp_path / "joint.onnx", slices)
    np.testing.assert_allclose(joint, np.mean(apart, axis=0), atol=1e-6)
    assert count == 1 or np.abs(apart[0] - apart[1]).max() > 0.01


def test_the_same_members_give_the_same_bytes(paths):
    one, again = (onnx_ensemble.mean([onnx.load(path) for path in paths]) for _ in range(2))
    assert one.SerializeToString(deterministic=True) == again.SerializeToString(deterministic=True)


def test_graphs_that_do_not_fit_are_refused(setup, paths, tmp_path):
    wider = setup.with_(context=1).segmenter().network
    onnx_export.write(wider, 3, SIZE, 18, tmp_path / "wider.onnx")
    with pytest.raises(ValueError, match="differ in input or output"):
        onnx_ensemble.mean([onnx.load(paths[0]), onnx.load(tmp_path / "wider.onnx")])
    onnx_export.write(setup.segmenter().network, 1, SIZE, 20, tmp_path / "newer.onnx")
    with pytest.raises(ValueError, match="differ in their ONNX version"):
        onnx_ensemble.mean([onnx.load(paths[0]), onnx.load(tmp_path / "newer.onnx")])
