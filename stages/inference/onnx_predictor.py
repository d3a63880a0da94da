"""An exported model that answers with ONNX Runtime, on a GPU where onnxruntime-gpu finds one, else the CPU.

Torch is not needed.
"""

import contextlib
import hashlib
import json
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from stages.core.errors import UserError
from stages.inference import sliding, spec
from stages.inference.spec import Spec
from stages.scan.windows import depth_of, flat

GRAPH, SPEC = "model.onnx", "spec.json"
"""What an export folder holds."""
CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
EXACT = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}
"""On a GPU: products of float32 as on the CPU, and kernels chosen by shape, not by how fast they were."""
VOLUMES = 1
"""Windows of a volume at a time."""
BATCH = 8
"""Slices at a time: more are not faster on a CPU, and memory grows with them."""


@dataclass(frozen=True)
class OnnxPredictor:
    """See `predictor.Predictor`. depth: a graph with an input of four axes takes windows as channels, the
    lowest slice first.
    """

    session: onnxruntime.InferenceSession
    depth: int
    batch_size: int = BATCH
    window: sliding.Size | None = None
    through_mm: float | None = None

    @property
    def remark(self) -> str:
        """What its user should know of where it runs; "" where there is nothing to say."""
        if _gpu_is_meant() and CUDA not in self.session.get_providers():
            return "onnxruntime-gpu is installed and finds no GPU that it can use; the CPU answers"
        return ""

    def answer(self, windows: np.ndarray) -> np.ndarray:
        name = self.session.get_inputs()[0].name
        if self.window is not None:
            (own,) = self.session.run(None, {name: np.ascontiguousarray(windows)})
            return np.moveaxis(own, 4, 1)
        answers: np.ndarray = self.session.run(None, {name: np.ascontiguousarray(flat(windows))})[0]
        return answers.transpose(0, 3, 1, 2)


@dataclass(frozen=True)
class Exported:
    """A model and what it says of itself. networks: of how many it is the mean; others: what answers beside
    it, in an ensemble of graphs with different inputs.
    """

    spec: Spec
    predictor: OnnxPredictor
    networks: int = 1
    others: tuple["Exported", ...] = ()


def open_model(path: Path, threads: int = 0) -> Exported:
    """Open an .onnx file, the folder of an export, or its spec.json; of an ensemble all graphs. threads: of
    the CPU, 0 takes all cores.

    Raises `UserError` where there is no model, it is damaged, or this version cannot read it.
    """
    file, digest = _located(path)
    model = _opened(file, digest, threads)
    members = [
        replace(_member(file, name, model, threads), networks=networks)
        for name, networks in model.spec.members.items()
    ]
    return replace(members[0], others=tuple(members[1:])) if members else model


def _member(file: Path, name: str, model: Exported, threads: int) -> Exported:
    """A graph of the ensemble that a file is a part of."""
    if name == file.name:
        return model
    beside = file.parent / Path(name).name
    if not beside.is_file():
        raise UserError(
            f"{file} is a part of an ensemble, and {beside.name} is not beside it; copy all of it"
        )
    member = _opened(*_located(beside), threads)
    if member.spec.model_hash != model.spec.model_hash:
        raise UserError(f"{beside} is of another ensemble than {file}; copy all of one")
    return member


def _opened(file: Path, digest: str | None, threads: int) -> Exported:
    """digest: SHA-256 of the file, None where nothing tells it."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror})") from None
    if digest is not None and hashlib.sha256(content).hexdigest() != digest:
        raise UserError(f"{file} is not the file that the {SPEC} beside it describes; export the model again")
    try:
        opened = session(content, threads)
    except Exception as error:  # each kind of damage has a class of its own
        raise UserError(f"{file} is not a readable ONNX model ({_first_line(error)})") from None
    text = opened.get_modelmeta().custom_metadata_map.get(spec.KEY)
    if text is None:
        raise UserError(
            f"{file} does not say how scans are prepared for it; export it with `dvc repro export`"
        )
    parsed = spec.parse(text, str(file))
    for ends, end in ((opened.get_inputs(), parsed.input), (opened.get_outputs(), parsed.output)):
        if len(ends) != 1 or tuple(ends[0].shape[1:]) != end.shape[1:]:
            raise UserError(f"{file} holds a damaged description; export the model again")
    window = parsed.input.window
    if window is not None:
        return Exported(parsed, OnnxPredictor(opened, window[0], VOLUMES, window, parsed.input.through_mm))
    return Exported(parsed, OnnxPredictor(opened, depth_of(parsed.input.context)))


def _located(path: Path) -> tuple[Path, str | None]:
    """The ONNX file, and its SHA-256 where a spec.json beside it has it."""
    if path.name == SPEC and not path.is_dir():
        path = path.parent
    file = path / GRAPH if path.is_dir() else path
    if not file.is_file():
        what = "does not exist" if not path.exists() else f"holds no {GRAPH}"
        raise UserError(f"{path} {what}; name an .onnx file or the folder of an export with --model")
    try:
        digest = json.loads((file.parent / SPEC).read_bytes())["files"][file.name]
    except (OSError, ValueError, KeyError, TypeError):
        return file, None  # copied away from its folder, or described by somebody else
    return file, str(digest)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rpartition(" : ")[2][:80] if str(error).strip() else "empty"


def session(model: Path | bytes, threads: int = 0) -> onnxruntime.InferenceSession:
    """Open a graph, on a GPU where onnxruntime-gpu finds one. threads: of the CPU, 0 takes all cores."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised
    options.intra_op_num_threads = threads
    source = str(model) if isinstance(model, Path) else model
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a GPU that cannot be had, which `remark` tells
        return onnxruntime.InferenceSession(source, options, providers=_providers())


def _providers() -> list[Any]:
    if not _gpu_is_meant():
        return [CPU]
    with contextlib.redirect_stdout(None):  # it prints what it does not find
        onnxruntime.preload_dlls()  # CUDA's libraries lie in packages of their own
    return [(CUDA, EXACT), CPU]


def _gpu_is_meant() -> bool:
    return CUDA in onnxruntime.get_available_providers()
