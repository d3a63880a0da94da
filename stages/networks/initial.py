"""A network that begins with the weights of a trained one, whose channels and regions may be others."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from stages.core.errors import UserError
from stages.networks import modelfile, network
from stages.networks.modelfile import Model
from stages.networks.network import Network
from stages.networks.volumetric import VolumeNetwork
from stages.scan.windows import depth_of

Layers = Literal["all", "encoder"]
MODEL, WEIGHTS = "model.json", "model.safetensors"
_ENCODER = "body.encoder."
_NORMALISING = ("mean", "std")
"""Buffers of the new network's own channels, which stay as its training slices give them."""


@dataclass(frozen=True)
class Initial:
    """A trained model to begin with. name: as the user has it."""

    name: str
    model: Model
    weights: dict[str, torch.Tensor]

    def weights_for(self, net: nn.Module, own: "Shape", layers: Layers) -> dict[str, torch.Tensor]:
        """A whole state dict of a new network, from its first weights and these. Raises `UserError` where a
        layer is of another shape for another reason than channels and regions.
        """
        state, old = net.state_dict(), Shape.of(self.model)
        meant = {name for name in (*state, *self.weights) if _meant(name, layers)}
        takes, answers = _ends(self.model)
        for name in sorted(meant):
            if name not in state or name not in self.weights:
                raise UserError(self._unlike(name))
            fitted = self.weights[name]
            if name in takes and (old.channels, old.depth) != (own.channels, own.depth):
                if fitted.ndim < 2 or fitted.shape[1] != old.inputs:  # no filters, as in a transformer
                    raise UserError(self._unlike(name))
                fitted = _by_channel(fitted, old, own)
            if name in answers and old.regions != own.regions:
                fitted = _by_region(fitted, state[name], old.regions, own.regions)
            if fitted.shape != state[name].shape:
                raise UserError(self._unlike(name))
            state[name] = fitted
        return state

    def _unlike(self, name: str) -> str:
        return (
            f"train.initial {self.name} is another network than train makes (they differ in {name}): set "
            "train.arch, encoder, depth, decoder_width and dims as it has them, or train.initial_layers: "
            "encoder where the encoder is the same"
        )


@dataclass(frozen=True)
class Shape:
    """What goes into a network and comes out: names of the channels of a slice, slices of a window that are
    channels to it, names of the regions.
    """

    channels: list[str]
    depth: int
    regions: list[str]

    @classmethod
    def of(cls, model: Model) -> "Shape":
        """Of a trained model; a 3D network takes slices one after the other."""
        depth = 1 if model.dims == 3 else depth_of(model.context)
        return cls(model.channels, depth, list(model.regions))

    @property
    def inputs(self) -> int:
        """Channels that the network takes."""
        return len(self.channels) * self.depth


def read(folder: Path, name: str) -> Initial:
    """The model in a folder as `models/` is laid out. Raises `UserError` where it is missing or damaged."""
    for file in (MODEL, WEIGHTS):
        if not (folder / file).is_file():
            raise UserError(
                f"train.initial {name} holds no {file}; name a version, <repository>@v1.0.0, or the folder "
                "models of a project"
            )
    model, net = modelfile.load(folder / MODEL, folder / WEIGHTS)
    return Initial(name, model, net.state_dict())


def give(net: Network | VolumeNetwork, initial: Initial, shape: Shape, layers: Layers) -> None:
    """Let a new network begin with the weights of another: all layers, or those of the encoder.

    The first layer takes the filters of the channels of the same name; the last one those of the regions of
    the same name, or of the only region, and a region that is new begins at random. Raises `UserError` where
    the networks differ in more.
    """
    if initial.model.dims == 3 and layers == "encoder":
        raise UserError("train.initial_layers encoder is for train.dims 2; set it to all")
    if initial.model.dims != (3 if isinstance(net, VolumeNetwork) else 2):
        raise UserError(
            f"train.initial {initial.name} has train.dims {initial.model.dims}, and weights of a network of "
            "slices fit none of volumes; set train.dims to that, or train.initial to null"
        )
    net.load_state_dict(initial.weights_for(net, shape, layers))


def _meant(name: str, layers: Layers) -> bool:
    return name not in _NORMALISING and (layers == "all" or name.startswith(_ENCODER))


def _ends(model: Model) -> tuple[set[str], set[str]]:
    """Names of the layers whose shape follows the channels that a network takes, and of those that answer for
    regions: what differs where it is built for one more.
    """
    inputs, regions = Shape.of(model).inputs, len(model.regions)

    def shapes(inputs: int, regions: int) -> dict[str, torch.Size]:
        net = network.build(model, None, regions, [0.0] * inputs, [1.0] * inputs)
        return {name: tensor.shape for name, tensor in net.state_dict().items()}

    with torch.random.fork_rng(devices=[]):
        usual, wider, more = shapes(inputs, regions), shapes(inputs + 1, regions), shapes(inputs, regions + 1)
    return (
        {name for name, shape in usual.items() if wider[name] != shape},
        {name for name, shape in usual.items() if more[name] != shape},
    )


def _by_region(
    tensor: torch.Tensor, own: torch.Tensor, old: Sequence[str], new: Sequence[str]
) -> torch.Tensor:
    """Rows of the last layer by region; of one that is new as they are in `own`."""
    if tensor.shape[1:] != own.shape[1:] or (len(tensor), len(own)) != (len(old), len(new)):
        return tensor  # another network
    fitted = own.clone()
    for place, region in enumerate(new):
        if region in old:
            fitted[place] = tensor[old.index(region)]
        elif len(old) == 1:  # all it knows of is more than nothing
            fitted[place] = tensor[0]
    return fitted


def _by_channel(tensor: torch.Tensor, old: Shape, new: Shape) -> torch.Tensor:
    """Filters of the first layer by channel and place of the slice in the window; 0 for what is new, so that
    the network begins by answering as it did. Where no channel has a name that it knows each gets the mean,
    at the same sum.
    """
    if not set(old.channels) & set(new.channels):
        return tensor.mean(dim=1, keepdim=True).expand(-1, new.inputs, *tensor.shape[2:]) * (
            old.inputs / new.inputs
        )
    fitted = tensor.new_zeros(tensor.shape[0], new.inputs, *tensor.shape[2:])
    later = old.depth // 2 - new.depth // 2
    for place in range(new.depth):
        for number, channel in enumerate(new.channels):
            if channel in old.channels and 0 <= place + later < old.depth:
                source = (place + later) * len(old.channels) + old.channels.index(channel)
                fitted[:, place * len(new.channels) + number] = tensor[:, source]
    return fitted
