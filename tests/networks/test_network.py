"""The network: input, names, and encoder weights from elsewhere."""

import pickle
from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
from huggingface_hub import constants
from safetensors.torch import save_file
from segmentation_models_pytorch.encoders import _utils as smp_utils

from stages.core.errors import UserError
from stages.networks import network
from stages.networks.architecture import Architecture


def build(
    arch: str = "unet",
    encoder: str = "resnet18",
    weights: str | None = None,
    channels: int = 3,
    regions: int = 1,
    dropout: float = 0.0,
    depth: int = 5,
    width: float = 0.5,
) -> Any:
    torch.manual_seed(0)
    levels = [10.0 * (number + 1) for number in range(channels)]
    std = [5.0 + level for level in levels]
    architecture = Architecture(arch=arch, encoder=encoder, depth=depth, decoder_width=width, dropout=dropout)
    return network.build(architecture, weights, regions, levels, std)


def slices(count: int = 2, size: int = 32, channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    shape = (count, 1, size, size, channels)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def refused(**options: Any) -> str:
    with pytest.raises(UserError) as error:
        build(**options)
    return str(error.value)


@pytest.mark.parametrize(
    ("arch", "encoder"),
    [
        ("unet", "resnet18"),
        ("unet", "mit_b0"),
        ("unetplusplus", "resnet18"),
        ("manet", "resnet18"),
        ("fpn", "mobilenet_v2"),
        ("deeplabv3plus", "resnet18"),
        ("segformer", "mit_b0"),
        ("pspnet", "resnet18"),
        ("linknet", "resnet18"),
    ],
)
def test_slices_in_logits_out(arch: str, encoder: str) -> None:
    net = build(arch, encoder, channels=6, regions=3).eval()
    with torch.inference_mode():
        logits = net(slices(2, 64, 6))
    assert logits.shape == (2, 3, 64, 64)
    assert logits.dtype == torch.float32
    assert float(logits.std()) > 0


def test_normalisation_is_inside() -> None:
    net = build().eval()
    given = slices()
    by_hand = torch.stack(
        [(given[:, 0, ..., c].float() - 10 * (c + 1)) / (5 + 10 * (c + 1)) for c in range(3)], 1
    )
    with torch.inference_mode():
        torch.testing.assert_close(net(given), net.body(by_hand))
    assert {"mean", "std"} <= net.state_dict().keys()


def test_a_window_becomes_channels_the_lowest_slice_first() -> None:
    net = build(channels=6).eval()
    windows = torch.cat([slices(), slices(size=32).flip(0)], dim=1)
    flat = torch.cat([windows[:, 0], windows[:, 1]], dim=-1)
    with torch.inference_mode():
        torch.testing.assert_close(net(windows), net(flat[:, None]), rtol=0, atol=0)


def test_the_body_gets_channels_last_memory_without_a_copy() -> None:
    net = build().eval()
    seen = []
    net.body.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    net(slices())
    assert seen[0].shape == (2, 3, 32, 32)
    assert seen[0].is_contiguous(memory_format=torch.channels_last)
    assert seen[0]._base is not None  # a view of the normalised slices
    weight = net.body.encoder.conv1.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_dropout_acts_in_training_only_and_on_whole_channels() -> None:
    net = build(dropout=0.5)
    seen = []
    net.body.segmentation_head[0].register_forward_hook(lambda *given: seen.append(given[2]))
    net.eval()
    torch.testing.assert_close(net(slices()), net(slices()))
    net.train()(slices())
    dropped = (seen[-1] == 0).all(dim=(2, 3))
    assert 0 < dropped.float().mean() < 1


def test_unknown_names() -> None:
    assert refused(arch="nosuch") == "train.arch nosuch is not one that segmentation-models-pytorch knows"
    for encoder in ("nosuch", "tu-nosuch"):
        told = f"train.encoder {encoder} is not one that segmentation-models-pytorch knows"
        assert refused(encoder=encoder) == told
    assert refused(arch="linknet", encoder="mit_b0") == (
        "train.arch linknet does not go with train.encoder mit_b0: "
        "Encoder `mit_b0` is not supported for Linknet"
    )
    assert refused(encoder="dpn68b", weights="imagenet") == (
        "train.encoder dpn68b has no imagenet weights; "
        "set train.encoder_weights to null, packaged or a local file"
    )


@pytest.mark.parametrize("encoder", ["resnet18", "mit_b0", "tu-resnet18"])
def test_imagenet_weights_without_a_network(
    encoder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The real download code with the client's own offline switch: the errors are those of a cut cable."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    told = refused(encoder=encoder, weights="imagenet")
    assert told.startswith(f"the imagenet weights of {encoder} cannot be downloaded (")
    assert told.endswith("); set train.encoder_weights to null, packaged or a local file")
    assert "\n" not in told


@pytest.fixture(scope="module")
def encoder_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Weights of another resnet18 for three channels, with a classifier that is not needed."""
    torch.manual_seed(7)
    encoder = smp.encoders.get_encoder("resnet18", weights=None)
    path = tmp_path_factory.mktemp("weights") / "encoder.safetensors"
    state = {name: tensor.contiguous() for name, tensor in encoder.state_dict().items()}
    save_file({**state, "fc.weight": torch.zeros(2, 2)}, path)
    return path, encoder


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 9])
def test_three_channel_weights_fit_any_number_as_smp_fits_its_own(
    encoder_file: tuple[Path, Any], channels: int
) -> None:
    path, encoder = encoder_file
    state = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    other = smp.encoders.get_encoder("resnet18", weights=None)
    other.load_state_dict(state)
    if channels != 3:
        smp_utils.patch_first_conv(other, channels)
    found = build(weights=str(path), channels=channels).body.encoder.state_dict()
    assert found.keys() == state.keys()
    for name, tensor in other.state_dict().items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=1e-7, msg=name)


def test_weights_as_pth(encoder_file: tuple[Path, Any], tmp_path: Path) -> None:
    path = tmp_path / "encoder.pth"
    torch.save(encoder_file[1].state_dict(), path)
    found = build(weights=str(path)).body.encoder.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in encoder_file[1].state_dict().items())


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Path]]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("with_torch", [True, False])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path, with_torch: bool) -> None:
    path, proof = tmp_path / "encoder.pth", tmp_path / "it-ran"
    if with_torch:
        torch.save({"conv1.weight": Bomb(proof)}, path)
    else:
        path.write_bytes(pickle.dumps(Bomb(proof)))
    told = refused(weights=str(path))
    assert told.startswith(f"train.encoder_weights {path} is not a file of weights (")
    assert not proof.exists()


def test_weights_that_cannot_be_used(encoder_file: tuple[Path, Any], tmp_path: Path) -> None:
    missing = tmp_path / "none.safetensors"
    assert refused(weights=str(missing)) == (
        f"train.encoder_weights {missing} does not exist; set it to null, packaged, imagenet or a local file"
    )
    noise = tmp_path / "noise.safetensors"
    noise.write_bytes(b"not a model")
    assert refused(weights=str(noise)).startswith(f"train.encoder_weights {noise} is not a file of weights (")
    path = encoder_file[0]
    assert refused(encoder="resnet34", weights=str(path)) == (
        f"train.encoder_weights {path} lacks layer1.2.conv1.weight; it belongs to another encoder"
    )
    assert "it belongs to another encoder" in refused(encoder="resnet50", weights=str(path))
    for number, content in enumerate((torch.zeros(3), {"epoch": 3, "state_dict": {}}, [1, 2])):
        odd = tmp_path / f"odd{number}.pth"
        torch.save(content, odd)
        assert refused(weights=str(odd)) == f"train.encoder_weights {odd} is not a state dict of an encoder"


def test_decoder_is_never_wider_than_smp_makes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smp.encoders, "get_encoder", cache(smp.encoders.get_encoder))  # seconds for each
    for encoder in ("resnet18", "resnet50", "mit_b0"):
        for depth in (3, 4, 5):
            usual = (256, 128, 64, 32, 16)[-depth:]
            for share in (0.01, 0.5, 1.0):
                widths = network._decoder_channels(encoder, depth, share)
                assert widths is not None
                assert len(widths) == depth
                assert all(16 <= width <= most for width, most in zip(widths, usual, strict=True))
    assert network._decoder_channels("resnet18", 5, 0.5) == (128, 64, 32, 32, 16)
    assert network._decoder_channels("resnet18", 4, 0.5) == (64, 32, 32, 16)


@pytest.mark.parametrize("arch", ["unet", "unetplusplus", "manet"])
def test_the_full_width_is_smp_s_own_decoder(arch: str) -> None:
    ours = build(arch, width=1.0).body.decoder.state_dict()
    smps = smp.create_model(arch, "resnet18", None, 3, 1).decoder.state_dict()
    assert {name: tensor.shape for name, tensor in ours.items()} == {
        name: tensor.shape for name, tensor in smps.items()
    }


@pytest.mark.parametrize("arch", network.U_SHAPED)
def test_a_shallower_network_is_smp_s_without_the_stages_below(arch: str) -> None:
    ours = build(arch, depth=4).eval()
    options = {} if arch == "linknet" else {"decoder_channels": (64, 32, 32, 16)}
    smps = smp.create_model(arch, "resnet18", None, 3, 1, encoder_depth=4, **options).eval()
    weights = {
        name.replace("head.1.", "head.0."): tensor for name, tensor in ours.body.state_dict().items()
    }  # dropout comes first in ours
    assert not any(".layer4." in name for name in weights)
    lacking, unknown = smps.load_state_dict(weights, strict=False)
    assert {name.split(".")[1] for name in lacking} == {"layer4"}
    assert unknown == []
    given = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(ours.body(given), smps(given), rtol=1e-3, atol=1e-4)


ENCODERS = ("resnet18", "mobilenet_v2", "efficientnet-b0", "mit_b0", "densenet121", "tu-resnet18")


@pytest.mark.parametrize(
    ("encoder", "depth"),
    # smp draws 124 million weights of vgg11's classifier to throw them away: one depth, drawn once, will do.
    [*product(ENCODERS, [3, 4]), ("vgg11", 4)],
)
def test_no_weight_is_kept_that_no_output_depends_on(encoder: str, depth: int) -> None:
    net = build(encoder=encoder, depth=depth)
    net(slices()).sum().backward()
    assert [name for name, weight in net.named_parameters() if weight.grad is None] == []
    with torch.device("meta" if encoder == "vgg11" else "cpu"):  # where nothing is drawn
        again = build(encoder=encoder, depth=depth)
    assert net.state_dict().keys() == again.state_dict().keys()
