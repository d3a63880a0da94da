"""The segmentation network: one of segmentation-models-pytorch, fed with uint8 slices of the store."""

import warnings
from pathlib import Path
from typing import Any, cast

import segmentation_models_pytorch as smp
import torch
from torch import nn

from stages.core import errors
from stages.core.errors import UserError
from stages.networks import pretrained, volumetric
from stages.networks.architecture import Architecture
from stages.networks.volumetric import VolumeNetwork


class Network(nn.Module):
    """Normalisation, an smp model and dropout before its last convolution.

    Input: uint8 or float windows of slices as the store holds them, (N, D, H, W, C) with levels 0..255; the
    slices of a window become channels here, the lowest first. Output: logits (N, R, H, W) float32 of the
    slice in the middle, one channel a region. `mean` and `std` (levels, one a channel) are buffers, so they
    travel with the weights.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, body: nn.Module, dropout: float, mean: list[float], std: list[float]) -> None:
        super().__init__()
        head = cast(nn.Sequential, body.segmentation_head)
        body.segmentation_head = nn.Sequential(nn.Dropout2d(dropout), *head)
        self.body = body.to(memory_format=torch.channels_last)
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32))

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        levels = (_flat(windows).float() - self.mean) / self.std
        # A permuted NHWC tensor is NCHW in channels_last memory: no copy, and the layout oneDNN and cuDNN
        # want.
        return self.body(levels.permute(0, 3, 1, 2)).float()


def _flat(windows: torch.Tensor) -> torch.Tensor:
    """(N, D, H, W, C) -> (N, H, W, D x C), as `scan.windows.flat` does with arrays."""
    return windows[:, 0] if windows.shape[1] == 1 else windows.permute(0, 2, 3, 1, 4).flatten(3)


def build(
    architecture: Architecture, weights: str | None, regions: int, mean: list[float], std: list[float]
) -> Network | VolumeNetwork:
    """A new network for slices of `len(mean)` channels, or for windows of so many.

    weights: None (random; seed torch before), "imagenet" (downloaded by smp), or a local file that
    `pretrained.load` reads. Raises `UserError` for unknown names and weights that cannot be had.
    """
    if architecture.dims == 3:
        return volumetric.build(architecture, regions, mean, std)
    arch, encoder, depth = architecture.arch, architecture.encoder, architecture.depth
    options: dict[str, Any] = {"encoder_depth": depth} if arch in U_SHAPED else {}
    if arch in _STEPPED and (widths := _decoder_channels(encoder, depth, architecture.decoder_width)):
        options["decoder_channels"] = widths
    try:
        body = smp.create_model(
            arch,
            encoder_name=encoder,
            encoder_weights=weights if weights == pretrained.IMAGENET else None,
            in_channels=len(mean),
            classes=regions,
            **options,
        )
    except (KeyError, RuntimeError) as error:
        reason = errors.reason(error)
        if reason.startswith("Wrong pretrained weights"):
            raise UserError(
                f"train.encoder {encoder} has no imagenet weights; "
                "set train.encoder_weights to null, packaged or a local file"
            ) from None
        if reason.startswith("Wrong architecture type"):
            raise UserError(f"train.arch {arch} is not one that segmentation-models-pytorch knows") from None
        if reason.startswith(("Wrong encoder name", "Unknown model")):
            raise UserError(
                f"train.encoder {encoder} is not one that segmentation-models-pytorch knows"
            ) from None
        raise
    except OSError as error:
        raise UserError(
            f"the imagenet weights of {encoder} cannot be downloaded ({errors.reason(error)}); "
            "set train.encoder_weights to null, packaged or a local file"
        ) from None
    except ValueError as error:
        raise UserError(
            f"train.arch {arch} does not go with train.encoder {encoder}: {errors.reason(error)}"
        ) from None
    if weights is not None and weights != pretrained.IMAGENET:
        pretrained.load(body.encoder, Path(weights))
    if arch in U_SHAPED and depth < 5:
        _drop_unused(body, len(mean))
    return Network(body, architecture.dropout, mean, std)


U_SHAPED = ("unet", "unetplusplus", "manet", "linknet")
"""Architectures whose decoder goes back up as many steps as the encoder went down."""

_STEPPED = ("unet", "unetplusplus", "manet")
"""Those of them whose decoder has one width a step."""


def _decoder_channels(encoder: str, depth: int, width: float) -> tuple[int, ...] | None:
    """So many times the width of the encoder's stage at each step, 16 at least and no wider than smp's own
    decoder, which 1.0 gives for the ResNets.

    Half of resnet18's is (128, 64, 32, 32, 16): 1.6 times smp's speed in training, measured, at equal Dice.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            skips = smp.encoders.get_encoder(encoder, weights=None, depth=depth).out_channels
    except Exception:
        return None  # create_model tells what is wrong with the name
    widths = [max(16, int(skip * width)) for skip in reversed(skips[1:-1])] + [16]
    usual = (256, 128, 64, 32, 16)[-depth:]
    return tuple(min(width, most) for width, most in zip(widths, usual, strict=True))


class _Unused(nn.Module):
    """Stands where a module was whose result nothing uses."""

    def forward(self, tensor: torch.Tensor, *_: object) -> torch.Tensor:
        return tensor


def _drop_unused(body: nn.Module, channels: int) -> None:
    """Take out weights that no output depends on: smp's encoders keep what lies below the depth asked for."""
    body.eval()(torch.zeros(1, channels, 64, 64)).sum().backward()
    body.train()
    unused = {parameter for parameter in body.parameters() if parameter.grad is None}
    body.zero_grad()

    def walk(module: nn.Module) -> None:
        for name, child in module.named_children():
            own = set(child.parameters())
            if own and own <= unused:
                setattr(module, name, _Unused())
            else:
                walk(child)

    walk(body)
