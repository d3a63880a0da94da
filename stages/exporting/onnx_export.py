"""The network as a self-sufficient ONNX graph, and its int8 form."""

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from stages.networks.network import Network
from stages.networks.volumetric import VolumeNetwork

INPUT, OUTPUT = "slices", "probabilities"


class Served(torch.nn.Module):
    """Slices (N, H, W, D x C) uint8, as the store holds them, to probabilities (N, H, W, R) float32.

    The graph has always taken the slices of a window as channels; clients count on it.
    """

    def __init__(self, network: Network, depth: int) -> None:
        super().__init__()
        self.network = network
        self.depth = depth

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        if self.depth == 1:
            windows = slices[:, None]
        else:
            windows = slices.unflatten(3, (self.depth, -1)).permute(0, 3, 1, 2, 4)
        return self.network(windows).sigmoid().permute(0, 2, 3, 1)


class ServedVolumes(torch.nn.Module):
    """Windows (N, D, H, W, C) uint8 to probabilities (N, D, H, W, R) float32."""

    def __init__(self, network: VolumeNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        return self.network(windows).sigmoid().permute(0, 2, 3, 4, 1)


def write(network: Network, depth: int, size: int, opset: int, path: Path) -> None:
    """Export for windows of `depth` slices, with normalisation and sigmoid inside; any batch size. The same
    weights always give the same bytes.
    """
    _write(Served(network.cpu().eval(), depth), (size, size, len(network.mean)), opset, path)


def write_volumes(network: VolumeNetwork, window: tuple[int, int, int], opset: int, path: Path) -> None:
    """The same of a 3D network, for windows of this size alone."""
    _write(ServedVolumes(network.cpu().eval()), (*window, len(network.mean)), opset, path)


def _write(served: torch.nn.Module, shape: tuple[int, ...], opset: int, path: Path) -> None:
    """shape: of an input without the batch."""
    example = torch.zeros(2, *shape, dtype=torch.uint8)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            served,
            (example,),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            input_names=[INPUT],
            output_names=[OUTPUT],
            opset_version=opset,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    graph = program.model_proto
    _forget_origin(graph)
    onnx.checker.check_model(graph)
    path.write_bytes(graph.SerializeToString(deterministic=True))


def _forget_origin(model: onnx.ModelProto) -> None:
    """Drop the exporter's notes on each node: stack traces with this machine's folders, different on every
    machine.
    """
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    model.graph.name = "brainseg"
    for item in [
        *model.graph.node,
        *model.graph.value_info,
        *model.graph.input,
        *model.graph.output,
        *model.graph.initializer,
    ]:
        del item.metadata_props[:]
        item.doc_string = ""
    del model.graph.value_info[:]


def describe(path: Path, key: str, text: str) -> None:
    """Put a text among the metadata of an ONNX file, where any client can read it."""
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {key: text})
    path.write_bytes(model.SerializeToString(deterministic=True))


class _Calibration(CalibrationDataReader):
    def __init__(self, batches: Iterator[np.ndarray]) -> None:
        self.batches = batches

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self.batches, None)
        return None if batch is None else {INPUT: batch}


def write_int8(model: Path, calibration: Iterator[np.ndarray], path: Path) -> None:
    """Quantise weights and activations of the convolutions to int8, static, with ranges from `calibration`
    batches.
    """
    prepared = path.with_name(path.name + ".prepared")
    logging.getLogger().setLevel(logging.ERROR)  # onnxruntime advises on the root logger
    quant_pre_process(model, prepared, skip_symbolic_shape=True)
    quantize_static(
        prepared,
        path,
        _Calibration(calibration),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv"],
        per_channel=True,
        # Seven bits for weights: processors without VNNI add pairs of products in 16 bits, which saturate
        # with eight, and a model may be served on another machine than it was weighed on.
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
    )
    prepared.unlink()
