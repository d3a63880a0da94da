"""Where a model may lie, what is wrong with a file, and the answers of a graph."""

import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from stages.core.errors import UserError
from stages.exporting import onnx_export
from stages.inference import onnx_predictor, predictor
from stages.inference.onnx_predictor import OnnxPredictor
from stages.networks import network
from stages.networks.architecture import Architecture
from tests.fixtures import graphs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return graphs.export(tmp_path / "export", graphs.describe())


def refused(path: Path) -> str:
    with pytest.raises(UserError) as error:
        onnx_predictor.open_model(path)
    return str(error.value)


@pytest.mark.parametrize("named", ["model.onnx", ".", "spec.json"])
def test_a_file_a_folder_or_its_spec(folder: Path, named: str) -> None:
    assert onnx_predictor.open_model(folder / named).spec == graphs.describe()


def test_the_file_alone_is_enough(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "model.onnx", tmp_path / "other.onnx")
    assert onnx_predictor.open_model(tmp_path / "other.onnx").spec == graphs.describe()


def test_a_changed_file_does_not_fit_its_spec(folder: Path) -> None:
    content = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(content.replace(b"brainseg", b"brainsag", 1))
    assert refused(folder) == (
        f"{folder}/model.onnx is not the file that the spec.json beside it describes; export the model again"
    )


def test_nothing_there(tmp_path: Path) -> None:
    way_out = "name an .onnx file or the folder of an export with --model"
    assert refused(tmp_path / "x.onnx") == f"{tmp_path}/x.onnx does not exist; {way_out}"
    assert refused(tmp_path) == f"{tmp_path} holds no model.onnx; {way_out}"


@pytest.mark.parametrize("content", [b"", b"no model at all", None])
def test_no_model(tmp_path: Path, content: bytes | None) -> None:
    path = graphs.write(tmp_path / "model.onnx", graphs.describe())
    path.write_bytes(path.read_bytes()[:200] if content is None else content)
    assert refused(path).startswith(f"{path} is not a readable ONNX model (")
    assert "\n" not in refused(path)


def test_a_model_of_somebody_else(tmp_path: Path) -> None:
    path = graphs.write(tmp_path / "model.onnx", graphs.describe(), told="")
    assert refused(path) == (
        f"{path} does not say how scans are prepared for it; export it with `dvc repro export`"
    )


def test_a_newer_model(tmp_path: Path) -> None:
    newer = graphs.describe().text().replace('"schema_version":2', '"schema_version":3')
    path = graphs.write(tmp_path / "model.onnx", graphs.describe(), told=newer)
    assert refused(path) == f"{path} has schema 3, this version reads 2; update brainseg"


def test_a_description_of_another_graph(tmp_path: Path) -> None:
    other = graphs.describe(channels=("flair",)).text()
    path = graphs.write(tmp_path / "model.onnx", graphs.describe(), told=other)
    assert refused(path) == f"{path} holds a damaged description; export the model again"


def test_batches_and_flips_do_not_change_a_model_without_sides(folder: Path) -> None:
    model = onnx_predictor.open_model(folder).predictor
    windows = np.random.default_rng(0).integers(0, 256, (5, 1, 64, 64, 3), np.uint8)
    expected = 1 / (1 + np.exp(-(windows[..., 1].astype(np.float64) - graphs.BRIGHT[0]) / 4))
    np.testing.assert_allclose(model.answer(windows), expected, atol=1e-6)
    for size in (1, 2, 7):
        for tta in ("none", "flip"):
            answers = predictor.by_tta(model, predictor.batches(windows, size), [tta])[tta]
            np.testing.assert_allclose(answers, expected, atol=1e-6)


def test_a_window_reaches_the_graph_as_channels_the_lowest_slice_first(tmp_path: Path) -> None:
    path = graphs.write(tmp_path / "model.onnx", graphs.describe(context=1))  # it looks at the slice itself
    model = onnx_predictor.open_model(path).predictor
    assert model.depth == 3
    windows = np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64, 3), np.uint8)
    middle = 1 / (1 + np.exp(-(windows[:, 1, :, :, 1].astype(np.float64) - graphs.BRIGHT[0]) / 4))
    np.testing.assert_allclose(model.answer(windows)[:, 0], middle, atol=1e-6)


def test_a_gpu_package_without_a_gpu_answers_on_the_cpu_and_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    plain = onnx_predictor.open_model(folder).predictor
    assert plain.remark == ""
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: [onnx_predictor.CUDA, onnx_predictor.CPU]
    )
    meant = onnx_predictor.open_model(folder).predictor
    assert meant.remark == "onnxruntime-gpu is installed and finds no GPU that it can use; the CPU answers"
    assert not recwarn.list
    windows = np.random.default_rng(0).integers(0, 256, (2, 1, graphs.SIZE, graphs.SIZE, 3), dtype=np.uint8)
    np.testing.assert_array_equal(meant.answer(windows), plain.answer(windows))


@pytest.mark.gpu
@pytest.mark.skipif(
    onnx_predictor.CUDA not in onnxruntime.get_available_providers(), reason="needs onnxruntime-gpu"
)
def test_a_gpu_answers_as_the_cpu_does(tmp_path: Path) -> None:
    torch.manual_seed(0)
    architecture = Architecture(arch="unet", encoder="resnet18")
    net = network.build(architecture, None, 1, [60.0] * 3, [40.0] * 3).eval()
    assert isinstance(net, network.Network)
    onnx_export.write(net, 1, 64, 18, tmp_path / "model.onnx")
    session = onnx_predictor.session(tmp_path / "model.onnx")
    assert onnx_predictor.CUDA in session.get_providers()
    windows = np.random.default_rng(0).integers(0, 256, (4, 1, 64, 64, 3), dtype=np.uint8)
    on_gpu = OnnxPredictor(session, 1).answer(windows)
    with torch.inference_mode():
        on_cpu = net(torch.from_numpy(windows)).sigmoid().numpy()
    np.testing.assert_allclose(on_gpu, on_cpu, atol=1e-4)
    np.testing.assert_array_equal(on_gpu >= 0.5, on_cpu >= 0.5)
