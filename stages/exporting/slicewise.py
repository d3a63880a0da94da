"""3D convolutions as 2D ones over neighbouring slices, for ONNX Runtime.

Its 3D convolutions write every neighbourhood out before they multiply, 27 times the input; its 2D ones do
not, and are faster for it. The sum is the same one: over the slices of a kernel as channels.
"""

import copy
from typing import TypeVar

import torch
from torch import nn
from torch.nn import functional

Network = TypeVar("Network", bound=nn.Module)


class SlicewiseConvolution(nn.Module):
    """What an `nn.Conv3d` without groups and dilation gives: (N, C, D, H, W) -> (N, O, D', H', W')."""

    def __init__(self, convolution: nn.Conv3d) -> None:
        super().__init__()
        if convolution.groups != 1 or set(convolution.dilation) != {1} or convolution.padding_mode != "zeros":
            raise ValueError(f"{convolution} has no slicewise form here")
        assert not isinstance(convolution.padding, str)
        (self.slices, *_), (self.step, *stride) = convolution.kernel_size, convolution.stride
        self.margin, *padding = convolution.padding
        self.stride, self.padding = tuple(stride), tuple(padding)
        # (O, C, K, kh, kw) -> (O, K x C, kh, kw): the lowest slice's channels first.
        self.weight = nn.Parameter(convolution.weight.detach().transpose(1, 2).flatten(1, 2))
        self.bias = convolution.bias

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        slices = volumes.transpose(1, 2)
        if self.margin:
            slices = functional.pad(slices, (0, 0, 0, 0, 0, 0, self.margin, self.margin))
        last = slices.shape[1] - self.slices
        around = [slices[:, first : first + last + 1 : self.step] for first in range(self.slices)]
        stacked = (torch.cat(around, dim=2) if self.slices > 1 else around[0]).flatten(0, 1)
        out = functional.conv2d(stacked, self.weight, self.bias, self.stride, self.padding)
        return out.unflatten(0, (volumes.shape[0], -1)).transpose(1, 2)


def of(network: Network) -> Network:
    """A copy of a network whose 3D convolutions are slicewise."""
    changed = copy.deepcopy(network)
    for parent in list(changed.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.Conv3d):
                setattr(parent, name, SlicewiseConvolution(child))
    return changed
