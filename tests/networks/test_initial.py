"""A network that begins with another: it answers as that one did, where channels and regions say how."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from stages.core.errors import UserError
from stages.networks import initial, modelfile, network
from stages.networks.initial import Initial, Layers, Shape
from stages.networks.modelfile import Model
from stages.networks.network import Network
from stages.training import checkpoint
from tests.fixtures import reports, trainings

SIZE = 32
LGG = ["pre", "flair", "post"]


def model(
    channels: Sequence[str] = ("flair",),
    context: int = 0,
    regions: Sequence[str] = ("tumour",),
    **changes: Any,
) -> Model:
    inputs = len(channels) * (2 * context + 1)
    values = {
        "encoder": trainings.ENCODER,
        "depth": 3,
        "channels": list(channels),
        "context": context,
        "size": SIZE,
        "regions": {name: [number] for number, name in enumerate(regions, 1)},
        "mean": [90.0] * inputs,
        "std": [50.0] * inputs,
    }
    return reports.model().model_copy(update=values | changes)


def built(about: Model, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    net = network.build(about, None, len(about.regions), about.mean, about.std)
    with torch.no_grad():  # batch statistics of its own
        net.train()(pictures(about, seed))
    return net.eval()


def pictures(about: Model, seed: int = 9) -> torch.Tensor:
    """(4, D, H, W, C) uint8."""
    random = torch.Generator().manual_seed(seed)
    shape = (4, 2 * about.context + 1, SIZE, SIZE, len(about.channels))
    return torch.randint(0, 256, shape, generator=random, dtype=torch.uint8)


def begun(old: Model, new: Model, layers: Layers = "all") -> tuple[nn.Module, nn.Module]:
    """A trained network, and a new one that begins with it."""
    trained, net = built(old, 1), built(new, 2)
    assert isinstance(net, Network)
    initial.give(net, Initial("x", old, trained.state_dict()), Shape.of(new), layers)
    return trained, net.eval()


def answer(net: nn.Module, windows: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return net(windows)


def test_all_layers_answer_as_the_model_did() -> None:
    trained, net = begun(model(), model())
    assert torch.equal(answer(trained, pictures(model())), answer(net, pictures(model())))


def test_the_mean_of_the_new_slices_stays() -> None:
    _, net = begun(model(), model(mean=[10.0], std=[20.0]))
    assert (net.state_dict()["mean"].item(), net.state_dict()["std"].item()) == (10.0, 20.0)


def test_of_the_encoder_alone_the_rest_begins_at_random() -> None:
    trained, net = begun(model(), model(), "encoder")
    random = built(model(), 2).state_dict()
    for name, tensor in net.state_dict().items():
        source = trained.state_dict() if name.startswith("body.encoder.") else random
        assert torch.equal(tensor, source[name]), name


def test_a_channel_that_is_added_changes_nothing_at_first() -> None:
    old, new = model(), model(LGG)
    trained, net = begun(old, new)
    windows = pictures(new)
    assert torch.allclose(answer(net, windows), answer(trained, windows[..., 1:2]), atol=1e-5)


def test_channels_in_another_order_are_the_same_channels() -> None:
    old, new = model(LGG), model(["post", "pre", "flair"])
    trained, net = begun(old, new)
    windows = pictures(old)
    assert torch.allclose(answer(net, windows[..., [2, 0, 1]]), answer(trained, windows), atol=1e-5)


def test_neighbours_that_are_added_change_nothing_at_first() -> None:
    old, new = model(LGG), model(LGG, context=1)
    trained, net = begun(old, new)
    windows = pictures(new)
    assert torch.allclose(answer(net, windows), answer(trained, windows[:, 1:2]), atol=1e-5)


def test_channels_of_unknown_names_share_the_filters() -> None:
    """Three grey pictures that are the same answer as one."""
    old, new = model(["gray"]), model(["red", "green", "blue"])
    trained, net = begun(old, new)
    grey = pictures(old)
    assert torch.allclose(answer(net, grey.expand(-1, -1, -1, -1, 3)), answer(trained, grey), atol=1e-4)


def test_regions_go_by_their_names_and_a_new_one_begins_at_random() -> None:
    old, new = model(regions=("whole", "core")), model(regions=("core", "cyst", "whole"))
    trained, net = begun(old, new)
    ours, theirs = answer(net, pictures(new)), answer(trained, pictures(old))
    assert torch.allclose(ours[:, [2, 0]], theirs, atol=1e-6)


def test_the_only_region_is_the_beginning_of_each() -> None:
    trained, net = begun(model(), model(regions=("whole", "core")))
    ours, theirs = answer(net, pictures(model())), answer(trained, pictures(model()))
    assert torch.allclose(ours, theirs.expand(-1, 2, -1, -1), atol=1e-6)


@pytest.mark.parametrize(
    ("new", "layers"),
    [
        (model(depth=4), "all"),
        (model(encoder="resnet18"), "encoder"),
        (model(decoder_width=1.0), "all"),
        (model(arch="fpn", depth=5), "all"),
    ],
)
def test_another_network_is_refused(new: Model, layers: Any) -> None:
    with pytest.raises(UserError, match=r"train\.initial x is another network than train makes"):
        begun(model(), new, layers)


def test_an_encoder_is_shared_by_networks_with_other_decoders() -> None:
    trained, net = begun(model(), model(decoder_width=1.0), "encoder")
    name = "body.encoder.model.conv1.weight"
    name = name if name in net.state_dict() else next(n for n in net.state_dict() if "encoder" in n)
    assert torch.equal(net.state_dict()[name], trained.state_dict()[name])


def test_slices_are_no_volumes() -> None:
    volumes = model(dims=3, window=(8, SIZE, SIZE), arch="segresnet")
    net = network.build(volumes, None, 1, [0.0], [1.0])
    state = built(model(), 1).state_dict()
    with pytest.raises(UserError, match=r"has train.dims 2, .*set train.dims to that"):
        initial.give(net, Initial("x", model(), state), Shape.of(volumes), "all")
    with pytest.raises(UserError, match=r"train.initial_layers encoder is for train.dims 2"):
        initial.give(net, Initial("x", volumes, net.state_dict()), Shape.of(volumes), "encoder")


def test_volumes_begin_with_volumes() -> None:
    old = model(dims=3, window=(8, SIZE, SIZE), arch="segresnet")
    new = old.model_copy(
        update={"window": (16, SIZE, SIZE), "channels": LGG, "mean": [0.0] * 3, "std": [1.0] * 3}
    )
    trained = network.build(old, None, 1, [0.0], [1.0]).eval()
    net = network.build(new, None, 1, [0.0] * 3, [1.0] * 3)
    initial.give(net, Initial("x", old, trained.state_dict()), Shape.of(new), "all")
    windows = torch.rand(1, 16, SIZE, SIZE, 3)
    assert torch.allclose(answer(net.eval(), windows), answer(trained, windows[..., 1:2]), atol=1e-4)


def test_what_is_no_model_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train\.initial there holds no model\.json"):
        initial.read(tmp_path, "there")
    net = built(model(), 1)
    modelfile.save(model(), checkpoint.weights(net), tmp_path / initial.MODEL, tmp_path / initial.WEIGHTS)
    assert initial.read(tmp_path, "there").model.arch == "unet"
    (tmp_path / initial.WEIGHTS).write_bytes(b"damaged")
    with pytest.raises(UserError, match="cannot be read"):
        initial.read(tmp_path, "there")
