"""Open an exported model and let its graph answer, with ONNX Runtime on the CPU."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from stages.core.errors import UserError
from stages.inference import spec
from stages.inference.spec import Spec

GRAPH, SPEC = "model.onnx", "spec.json"
"""What an export folder holds."""
BATCH = 8
"""Slices at a time: more are not faster on a CPU, and memory grows with them."""


@dataclass(frozen=True)
class Model:
    """A graph and what it says of itself."""

    spec: Spec
    session: onnxruntime.InferenceSession

    def probabilities(self, slices: np.ndarray) -> np.ndarray:
        """Slices with neighbours (N, H, W, C) uint8 -> probabilities (N, H, W, R) float32."""
        return probabilities(self.session, slices, BATCH, self.spec.decision.tta)


def open_model(path: Path) -> Model:
    """Open an .onnx file, the folder of an export, or its spec.json.

    Raises `UserError` where there is no model, it is damaged, or this version cannot read it.
    """
    file, described = _located(path)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror})") from None
    if described is not None and hashlib.sha256(content).hexdigest() != described:
        raise UserError(f"{file} is not the file that the {SPEC} beside it describes; export the model again")
    try:
        opened = session(content)
    except Exception as error:  # each kind of damage has a class of its own
        raise UserError(f"{file} is not a readable ONNX model ({_first_line(error)})") from None
    told = opened.get_modelmeta().custom_metadata_map.get(spec.KEY)
    if told is None:
        raise UserError(
            f"{file} does not say how scans are prepared for it; export it with `dvc repro export`"
        )
    found = spec.parse(told, str(file))
    for graph, wanted in ((opened.get_inputs(), found.input), (opened.get_outputs(), found.output)):
        if len(graph) != 1 or tuple(graph[0].shape[1:]) != wanted.shape[1:]:
            raise UserError(f"{file} holds a damaged description; export the model again")
    return Model(found, opened)


def _located(path: Path) -> tuple[Path, str | None]:
    """The ONNX file, and its SHA-256 where a spec.json beside it tells."""
    if path.name == SPEC and not path.is_dir():
        path = path.parent
    file = path / GRAPH if path.is_dir() else path
    if not file.is_file():
        what = "does not exist" if not path.exists() else f"holds no {GRAPH}"
        raise UserError(f"{path} {what}; name an .onnx file or the folder of an export with --model")
    try:
        told = json.loads((file.parent / SPEC).read_bytes())["files"][file.name]
    except (OSError, ValueError, KeyError, TypeError):
        return file, None  # copied away from its folder, or described by somebody else
    return file, str(told)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rpartition(" : ")[2][:80] if str(error).strip() else "empty"


def session(model: Path | bytes, threads: int = 0) -> onnxruntime.InferenceSession:
    """Open a graph on the CPU. threads: 0 takes all cores."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised
    options.intra_op_num_threads = threads
    given = str(model) if isinstance(model, Path) else model
    return onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])


def probabilities(
    graph: onnxruntime.InferenceSession, slices: np.ndarray, batch_size: int, tta: str
) -> np.ndarray:
    """Slices (N, H, W, C) uint8 -> probabilities (N, H, W, R) float32.

    tta "flip" averages the probabilities of a slice and of its mirror image; left and right of a head look
    alike.
    """
    name = graph.get_inputs()[0].name

    def one(batch: np.ndarray) -> np.ndarray:
        found: np.ndarray = graph.run(None, {name: np.ascontiguousarray(batch)})[0]
        return found

    parts = []
    for start in range(0, len(slices), batch_size):
        batch = slices[start : start + batch_size]
        found = one(batch)
        if tta == "flip":
            found = (found + one(batch[:, :, ::-1])[:, :, ::-1]) / 2
        parts.append(found)
    return np.concatenate(parts)
