"""A version of the exported model in MLflow's registry: the ONNX file, its signature, an example, tags."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from importlib import metadata
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import onnx
from mlflow.entities.model_registry import ModelVersion
from mlflow.models import ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import Schema, TensorSpec

from stages.training import tracking

VERSION, MODEL_HASH = "version", "model_hash"
"""Tags that tell versions apart; MLflow numbers them 1, 2, ... of its own accord."""
NEEDED = ("mlflow", "numpy", "onnx", "onnxruntime")
"""Packages that a server of the model needs."""


def find(root: Path, name: str, version: str) -> ModelVersion | None:
    """The registered model's entry for a version, None where it has none. Raises `UserError`."""
    with tracking.usable(root), _quiet():
        versions = MlflowClient().search_model_versions(f"name = '{name}'")
        return next((entry for entry in versions if entry.tags.get(VERSION) == version), None)


def add(root: Path, name: str, file: Path, tags: dict[str, str]) -> ModelVersion:
    """Log an ONNX file and register it under a name. Raises `UserError` where MLflow cannot be used.

    The model takes and gives what the graph does: {name: uint8 (N, H, W, C)} -> {name: float32 (N, H, W, R)}.
    """
    model = onnx.load(file)
    inputs = signature(model).inputs.inputs
    with tracking.usable(root), _quiet():
        mlflow.set_experiment(tracking.EXPERIMENT)
        logged = mlflow.onnx.log_model(
            model,
            name=name,
            signature=signature(model),
            input_example={inputs[0].name: example(inputs[0].shape)},
            pip_requirements=[f"{package}=={metadata.version(package)}" for package in NEEDED],
            onnx_execution_providers=["CPUExecutionProvider"],
            save_as_external_data=False,
        )
        return mlflow.register_model(logged.model_uri, name, tags=tags)


def signature(model: onnx.ModelProto) -> ModelSignature:
    """Names, types and shapes of the graph's tensors; the number of slices is left open."""

    def schema(tensors: Any) -> Schema:
        return Schema(
            [TensorSpec(_dtype(tensor), (-1, *_dims(tensor)[1:]), tensor.name) for tensor in tensors]
        )

    return ModelSignature(inputs=schema(model.graph.input), outputs=schema(model.graph.output))


def _dtype(tensor: onnx.ValueInfoProto) -> np.dtype:
    return onnx.helper.tensor_dtype_to_np_dtype(tensor.type.tensor_type.elem_type)


def _dims(tensor: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(dim.dim_value for dim in tensor.type.tensor_type.shape.dim)


def example(shape: tuple[int, ...]) -> np.ndarray:
    """A made-up slice (1, H, W, C), or window (1, D, H, W, C) of slices alike: an even head with a bright
    spot, as `framing` would scale it.
    """
    _, *depth, height, width, channels = shape
    y, x = np.ogrid[:height, :width]
    head = np.hypot((y - height / 2) / height, (x - width / 2) / width) < 0.4
    spot = np.hypot((y - height / 2) / height, (x - width / 3) / width) < 0.1
    grey = np.where(spot, 220, np.where(head, 120, 0)).astype(np.uint8)
    return np.broadcast_to(grey[..., None], (1, *depth, height, width, channels)).copy()


@contextmanager
def _quiet() -> Iterator[None]:
    """MLflow tells of each step, partly by its log and partly on stderr; what goes wrong is raised."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with redirect_stderr(io.StringIO()):
        yield
