"""3D networks, of MONAI, fed with windows of the store."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from stages.core.errors import UserError
from stages.networks import plan
from stages.networks.architecture import Architecture

FILTERS = (16, 32, 64, 128)
"""Channels at each level of dynunet; the last number for all below. A quarter of nnU-Net's on a GPU."""


class VolumeNetwork(nn.Module):
    """Normalisation and a network of MONAI.

    Input: uint8 or float windows as the store holds them, (N, D, H, W, C) with levels 0..255. Output: logits
    (N, R, D, H, W) float32, one channel a region. `mean` and `std` (levels, one a channel) are buffers.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, body: nn.Module, mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.body = body
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32))

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        levels = (windows.float() - self.mean) / self.std
        return self.body(levels.permute(0, 4, 1, 2, 3).contiguous()).float()


def build(architecture: Architecture, regions: int, mean: list[float], std: list[float]) -> VolumeNetwork:
    """A new network with random weights (seed torch before). Raises `UserError` where the window does not fit
    it.
    """
    make, multiple = NETWORKS[architecture.arch]
    window = architecture.window
    assert window is not None
    if any(side % multiple for side in window):
        raise UserError(
            f"train.window {list(window)} does not fit train.arch {architecture.arch}: make each side a "
            f"multiple of {multiple}, or choose dynunet"
        )
    return VolumeNetwork(make(architecture, len(mean), regions), mean, std)


def _dynunet(architecture: Architecture, channels: int, regions: int) -> nn.Module:
    from monai.networks.nets import DynUNet

    assert architecture.window is not None
    assert architecture.spacing_mm is not None
    levels = plan.steps(architecture.window, architecture.spacing_mm)
    if len(levels) < 3:  # MONAI's needs a way down and a way up
        raise UserError(
            f"train.window {list(architecture.window)} is too small to be halved twice; make it larger"
        )
    filters = [FILTERS[min(level, len(FILTERS) - 1)] for level in range(len(levels))]
    body: nn.Module = DynUNet(
        spatial_dims=3,
        in_channels=channels,
        out_channels=regions,
        kernel_size=[level.kernel for level in levels],
        strides=[level.stride for level in levels],
        upsample_kernel_size=[level.stride for level in levels[1:]],
        filters=filters,
        dropout=architecture.dropout or None,
    )
    # It holds these once more as parts of `skip_layers`, which is what it calls; weights are saved once.
    for name in ("input_block", "downsamples", "bottleneck", "upsamples"):
        delattr(body, name)
    return body


def _segresnet(architecture: Architecture, channels: int, regions: int) -> nn.Module:
    from monai.networks.nets import SegResNet

    body: nn.Module = SegResNet(
        spatial_dims=3,
        init_filters=8,
        in_channels=channels,
        out_channels=regions,
        dropout_prob=architecture.dropout or None,
    )
    return body


def _basicunet(architecture: Architecture, channels: int, regions: int) -> nn.Module:
    from monai.networks.nets import BasicUNet

    body: nn.Module = BasicUNet(
        spatial_dims=3,
        in_channels=channels,
        out_channels=regions,
        features=(16, 16, 32, 64, 128, 16),
        dropout=architecture.dropout,
    )
    return body


def _unetr(architecture: Architecture, channels: int, regions: int) -> nn.Module:
    from monai.networks.nets import UNETR

    assert architecture.window is not None
    body: Any = UNETR(
        in_channels=channels,
        out_channels=regions,
        img_size=architecture.window,
        feature_size=8,
        hidden_size=192,
        mlp_dim=768,
        num_heads=6,
        dropout_rate=architecture.dropout,
    )
    for block in body.vit.blocks:  # made for attention between two inputs, of which there is one
        block.norm_cross_attn = block.cross_attn = nn.Identity()
    network: nn.Module = body
    return network


Builder = Callable[[Architecture, int, int], Any]
NETWORKS: dict[str, tuple[Builder, int]] = {
    "dynunet": (_dynunet, 1),
    "segresnet": (_segresnet, 8),
    "basicunet": (_basicunet, 16),
    "unetr": (_unetr, 16),
}
"""By the name that `train.arch` gives it: what builds it, and of what each side of a window is a multiple.

dynunet: Isensee et al. 2019, arXiv 1904.08128; segresnet: Myronenko 2018, arXiv 1810.11654; basicunet: Falk
et al. 2019, doi:10.1038/s41592-018-0261-2; unetr: Hatamizadeh et al. 2021, arXiv 2103.10504.
"""
