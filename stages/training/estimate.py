"""What a training will take, measured on a copy of the network before the first step."""

import copy
import time
from dataclasses import dataclass
from typing import Any

import torch

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


def measure(
    segmenter: Segmenter, precision: str, shape: tuple[int, ...], batches: int, validated: float
) -> Estimate:
    """Two training steps on noise, the second one timed. The network and torch's generators stay as they are.

    precision: fp32 or bf16. shape: (N, D, H, W, C) of one process's batch. batches: an epoch's;
    validated: validation slices in units of batches.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trial = copy.deepcopy(segmenter).to(device).train()
    weights = {parameter.untyped_storage().data_ptr() for parameter in trial.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        memory = tensor.untyped_storage()  # several layers may keep the same tensor
        if memory.data_ptr() not in weights:
            kept[memory.data_ptr()] = memory.nbytes()
        return tensor

    with torch.random.fork_rng(), torch.autocast(device.type, torch.bfloat16, precision == "bf16"):
        images = torch.randint(0, 256, shape, dtype=torch.uint8, device=device)
        labelled = shape[1:4] if isinstance(trial.network, VolumeNetwork) else shape[2:4]
        labels = torch.randint(0, 2, (shape[0], *labelled), dtype=torch.uint8, device=device)
        for _ in range(2):
            began = time.perf_counter()
            kept.clear()
            with torch.autograd.graph.saved_tensors_hooks(pack, _as_it_is):
                loss = trial.loss(trial.network(images), trial.truth(labels))
            loss.backward()
            float(loss.detach())  # waits for a GPU
            spent = time.perf_counter() - began
    parameters = sum(p.numel() for p in trial.network.parameters())
    fixed = 4 * parameters * (2 + STATES[segmenter.recipe.optimizer] + bool(segmenter.recipe.ema))
    seconds = spent * (batches + VALIDATION * validated)
    return Estimate(machine(precision), parameters, fixed + sum(kept.values()), seconds)


def _as_it_is(tensor: Any) -> Any:
    return tensor
