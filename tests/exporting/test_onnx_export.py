"""The exported graph against torch, and its bytes."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from stages.exporting import onnx_export
from stages.inference import cases, onnx_predictor
from stages.inference.onnx_predictor import OnnxPredictor
from stages.inference.torch_predictor import TorchPredictor
from stages.networks import network, volumetric
from stages.networks.architecture import Architecture
from stages.networks.volumetric import VolumeNetwork
from stages.store.shards import Store
from tests.fixtures import trainings


def predictor(path: Path) -> OnnxPredictor:
    return OnnxPredictor(onnx_predictor.session(path), 1, batch_size=2)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return trainings.blobs(tmp_path_factory.mktemp("store"), cases=3, slices=5)


@pytest.fixture(scope="module")
def net(store: Store) -> Any:
    """Random weights with batch statistics of the store, so that activations have the range of a real net."""
    torch.manual_seed(0)
    net = network.build(
        Architecture(arch="unet", encoder=trainings.ENCODER, dropout=0.1), None, 2, [60.0] * 3, [40.0] * 3
    )
    with torch.no_grad():
        for _ in range(20):
            net.train()(torch.from_numpy(store.images(np.arange(15))[:, None]))
    return net.eval()


@pytest.fixture(scope="module")
def exported(net: network.Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    onnx_export.write(net, 1, 32, 18, path)
    return path


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_answers_as_torch_does(batch: int, net: network.Network, store: Store, exported: Path) -> None:
    images = store.images(np.arange(batch))
    (found,) = onnx_predictor.session(exported).run([onnx_export.OUTPUT], {onnx_export.INPUT: images})
    with torch.inference_mode():
        expected = net(torch.from_numpy(images[:, None])).sigmoid().permute(0, 2, 3, 1).numpy()
    assert found.dtype == np.float32
    assert expected.std() > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_same_weights_give_the_same_bytes(net: network.Network, exported: Path, tmp_path: Path) -> None:
    def deeper() -> None:  # another stack, another folder
        onnx_export.write(net, 1, 32, 18, tmp_path / "other.onnx")

    deeper()
    assert (tmp_path / "other.onnx").read_bytes() == exported.read_bytes()


def test_no_trace_of_this_machine(exported: Path) -> None:
    content = exported.read_bytes()
    for trace in (b".py", b"/home", b"/work", b"/tmp", b"site-packages", b"stages.", b"Traceback"):
        assert trace not in content
    model = onnx.load(exported)
    assert [opset.version for opset in model.opset_import if not opset.domain] == [18]
    assert [value.name for value in model.graph.input] == [onnx_export.INPUT]
    shape = model.graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_value or dim.dim_param for dim in shape] == ["batch", 32, 32, 3]


@pytest.mark.parametrize("tta", ["none", "flip"])
def test_cases_as_inference_gives_them(tta: Any, net: network.Network, store: Store, exported: Path) -> None:
    everything = np.arange(15)
    with_torch = cases.of(TorchPredictor(net, 1, 4), store, everything, tta)
    with_onnx = cases.of(predictor(exported), store, everything, tta)
    unflipped = cases.of(predictor(exported), store, everything, "none")
    for expected, case, plain in zip(with_torch, with_onnx, unflipped, strict=True):
        assert case.case_id == expected.case_id
        np.testing.assert_array_equal(case.rows, expected.rows)
        np.testing.assert_allclose(case.probabilities, expected.probabilities, atol=1e-5)
        if tta == "flip":
            assert np.abs(case.probabilities - plain.probabilities).max() > 1e-3


def test_int8_is_smaller_close_and_runs(
    net: network.Network, store: Store, exported: Path, tmp_path: Path
) -> None:
    path = tmp_path / "model.int8.onnx"
    batches = (store.images(np.arange(start, start + 5)) for start in (0, 5, 10))
    onnx_export.write_int8(exported, batches, path)
    assert list(tmp_path.iterdir()) == [path]
    model = onnx.load(path)
    kinds = {node.op_type for node in model.graph.node}
    assert {"QuantizeLinear", "DequantizeLinear", "Conv"} <= kinds
    assert path.stat().st_size < 0.6 * exported.stat().st_size
    images = store.images(np.arange(15))
    full, small = (predictor(model).answer(images[:, None]) for model in (exported, path))
    assert full.shape == small.shape == (15, 2, 32, 32)
    assert 0 < np.abs(full - small).mean() < 0.02


def test_a_description_changes_nothing_but_the_metadata(exported: Path, tmp_path: Path, store: Store) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(exported.read_bytes())
    for text in ("first", "sizes, names, thresholds"):
        onnx_export.describe(path, "brainseg", text)
    told = onnx_predictor.session(path).get_modelmeta().custom_metadata_map
    assert told == {"brainseg": "sizes, names, thresholds"}
    images = store.images(np.arange(3))
    before, after = (predictor(model).answer(images[:, None]) for model in (exported, path))
    np.testing.assert_array_equal(before, after)
    described = path.read_bytes()
    onnx_export.describe(path, "brainseg", "sizes, names, thresholds")
    assert path.read_bytes() == described


@pytest.mark.parametrize(
    "arch",
    [pytest.param(name, marks=[] if name == "dynunet" else pytest.mark.slow) for name in volumetric.NETWORKS],
)
def test_a_graph_of_volumes_answers_as_torch_does(arch: str, tmp_path: Path) -> None:
    window = (16, 32, 32)
    torch.manual_seed(0)
    architecture = Architecture(dims=3, arch=arch, encoder="", window=window, spacing_mm=(2.0, 1.0, 1.0))
    net = network.build(architecture, None, 2, [60.0] * 3, [40.0] * 3)
    assert isinstance(net, VolumeNetwork)
    onnx_export.write_volumes(net, window, 18, tmp_path / "model.onnx")
    predictor = OnnxPredictor(onnx_predictor.session(tmp_path / "model.onnx"), window[0], window=window)
    volumes = np.random.default_rng(0).integers(0, 256, (2, *window, 3), np.uint8)
    answered = predictor.answer(volumes)
    assert answered.shape == (2, 2, *window)
    np.testing.assert_allclose(answered, TorchPredictor(net, window[0], 2, window).answer(volumes), atol=1e-4)
