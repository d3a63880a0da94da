"""What a training will take, measured on a copy of the network before the first step."""

import copy
import time
from dataclasses import dataclass
from typing import Any

import torch

from stages.core import memory
from stages.core.errors import UserError
from stages.networks.volumetric import VolumeNetwork
from stages.training.segmenter import Segmenter

VALIDATION = 1 / 3
"""Time of a slice in validation against training: forward without backward."""
STATES = {"adamw": 2, "adam": 2, "sgd": 1}
"""Numbers that an optimiser keeps for each parameter."""


@dataclass(frozen=True)
class Estimate:
    """machine: as `machine` says it; parameters: trained numbers; bytes: weights, gradients, optimiser states
    and what the backward pass keeps of one batch, without the libraries; epoch_seconds: validation included.
    """

    machine: str
    parameters: int
    bytes: int
    epoch_seconds: float

    def sentence(self) -> str:
        """As one line for the terminal."""
        return (
            f"training on {self.machine}: {self.parameters / 1e6:.1f} M parameters, "
            f"about {self.bytes / 2**30:.1f} GiB, {self.epoch_seconds:.0f} s an epoch"
        )


def machine(precision: str) -> str:
    """What is trained on, in words. precision: fp32 or bf16."""
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()}, {precision}"
    return f"cpu ({torch.get_num_threads()} threads), {precision}"


def held_for_backward(segmenter: Segmenter, shape: tuple[int, ...]) -> int:
    """Bytes that a training step in fp32 keeps of one batch for its backward pass, without running one.

    shape: (N, D, H, W, C) of one process's batch. On torch's meta device, where tensors have shapes and no
    memory, so that the answer comes too where there is not enough of it.
    """
    network = copy.deepcopy(segmenter.network).to("meta").train()
    ledger = _Ledger(network)
    with torch.autograd.graph.saved_tensors_hooks(ledger.pack, _as_it_is):
        logits = network(torch.empty(shape, dtype=torch.uint8, device="meta"))
    return ledger.bytes + 3 * logits.untyped_storage().nbytes()  # of the loss: probabilities, truth, product


def refuse_too_large(segmenter: Segmenter, precision: str, shape: tuple[int, ...]) -> None:
    """Raise `UserError` where a training step surely does not fit into memory."""
    # What is kept in bf16 takes half; some of it stays in fp32.
    step = held_for_backward(segmenter, shape) // (2 if precision == "bf16" else 1)
    needed = step + _fixed(segmenter)
    there = torch.cuda.mem_get_info()[1] if torch.cuda.is_available() else memory.granted()
    if needed > there:
        side = "train.window" if isinstance(segmenter.network, VolumeNetwork) else "preprocess.size"
        raise UserError(
            f"a step with batches of {shape[0]} times {' x '.join(map(str, shape[1:4]))} needs about "
            f"{needed / memory.GIB:.1f} GiB, and this machine has {there / memory.GIB:.1f}; make "
            f"train.batch_size or {side} smaller"
        )


class _Ledger:
    """Counts the bytes that autograd keeps, each tensor's memory once, the weights' not."""

    def __init__(self, network: torch.nn.Module) -> None:
        self.weights = {weight.untyped_storage()._cdata for weight in network.parameters()}
        self.kept: dict[int, int] = {}

    def pack(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()  # several layers may keep the same tensor
        if storage._cdata not in self.weights:
            self.kept[storage._cdata] = storage.nbytes()
        return tensor  # which autograd holds, so that no other tensor takes its place

    @property
    def bytes(self) -> int:
        return sum(self.kept.values())


def _fixed(segmenter: Segmenter) -> int:
    """Bytes of weights, gradients and what the optimiser keeps."""
    parameters = sum(p.numel() for p in segmenter.network.parameters())
    return 4 * parameters * (2 + STATES[segmenter.recipe.optimizer] + bool(segmenter.recipe.ema))


def measure(
    segmenter: Segmenter, precision: str, shape: tuple[int, ...], batches: int, validated: float
) -> Estimate:
    """Two training steps on noise, the second one timed. The network and torch's generators stay as they are.

    precision: fp32 or bf16. shape: (N, D, H, W, C) of one process's batch. batches: an epoch's;
    validated: validation slices in units of batches.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trial = copy.deepcopy(segmenter).to(device).train()
    with torch.random.fork_rng(), torch.autocast(device.type, torch.bfloat16, precision == "bf16"):
        images = torch.randint(0, 256, shape, dtype=torch.uint8, device=device)
        labelled = shape[1:4] if isinstance(trial.network, VolumeNetwork) else shape[2:4]
        labels = torch.randint(0, 2, (shape[0], *labelled), dtype=torch.uint8, device=device)
        for _ in range(2):
            began = time.perf_counter()
            ledger = _Ledger(trial)
            with torch.autograd.graph.saved_tensors_hooks(ledger.pack, _as_it_is):
                loss = trial.loss(trial.network(images), trial.truth(labels))
            loss.backward()
            float(loss.detach())  # waits for a GPU
            spent = time.perf_counter() - began
    parameters = sum(p.numel() for p in trial.network.parameters())
    seconds = spent * (batches + VALIDATION * validated)
    return Estimate(machine(precision), parameters, _fixed(segmenter) + ledger.bytes, seconds)


def _as_it_is(tensor: Any) -> Any:
    return tensor
