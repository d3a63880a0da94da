"""3D networks: planned by spacing, with the shapes of their windows, built again from what is kept."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.core.errors import UserError
from stages.networks import network, plan, volumetric
from stages.networks.architecture import Architecture
from stages.project import params


def described(
    arch: str = "dynunet",
    window: tuple[int, int, int] = (8, 32, 32),
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0),
    dropout: float = 0.0,
) -> Architecture:
    return Architecture(dims=3, arch=arch, encoder="", window=window, spacing_mm=spacing_mm, dropout=dropout)


def built(**chosen: Any) -> Any:
    torch.manual_seed(0)
    return network.build(described(**chosen), None, 2, [100.0, 90.0], [40.0, 30.0]).eval()


def test_params_may_name_each_of_them() -> None:
    assert tuple(volumetric.NETWORKS) == params.VOLUMETRIC


def test_thick_sections_begin_with_kernels_in_the_plane() -> None:
    """LGG: 6 mm from slice to slice, 1.5 mm from pixel to pixel, as nnU-Net plans it."""
    levels = plan.steps((16, 128, 128), (6.0, 1.5, 1.5))
    assert [level.kernel for level in levels[:4]] == [(1, 3, 3), (1, 3, 3), (3, 3, 3), (3, 3, 3)]
    assert [level.stride for level in levels[:4]] == [(1, 1, 1), (1, 2, 2), (1, 2, 2), (2, 2, 2)]


def test_cubes_are_halved_alike_until_little_is_left() -> None:
    levels = plan.steps((32, 64, 64), (1.0, 1.0, 1.0))
    assert {level.kernel for level in levels} == {(3, 3, 3)}
    assert [level.stride for level in levels] == [(1, 1, 1), *[(2, 2, 2)] * 3, (1, 2, 2)]


sides = st.tuples(*[st.integers(1, 160)] * 3)


@given(sides, st.tuples(*[st.floats(0.2, 20)] * 3))
def test_every_window_fits_its_plan(
    window: tuple[int, int, int], spacing: tuple[float, float, float]
) -> None:
    down = [1, 1, 1]
    kernels = []
    for level in plan.steps(window, spacing):
        down = [before * stride for before, stride in zip(down, level.stride, strict=True)]
        kernels.append(level.kernel)
    for side, by in zip(window, down, strict=True):
        assert side % by == 0
        assert side // by >= plan.SMALLEST or by == 1
    assert all(
        one <= other for before, after in pairwise(kernels) for one, other in zip(before, after, strict=True)
    )


@pytest.mark.parametrize(
    ("arch", "window"),
    [
        ("dynunet", (6, 32, 24)),
        ("dynunet", (3, 16, 16)),
        ("segresnet", (8, 16, 24)),
        ("basicunet", (16, 32, 16)),
        ("unetr", (16, 32, 32)),
    ],
)
def test_a_logit_for_each_voxel_and_region(arch: str, window: tuple[int, int, int]) -> None:
    net = built(arch=arch, window=window)
    windows = torch.randint(0, 256, (2, *window, 2), dtype=torch.uint8)
    with torch.inference_mode():
        answers = net(windows)
    assert answers.shape == (2, 2, *window)
    assert answers.dtype == torch.float32
    with torch.inference_mode():  # what a window says depends on no other in its batch
        torch.testing.assert_close(net(windows[:1]), answers[:1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("arch", volumetric.NETWORKS)
def test_weights_are_kept_once_and_all_are_trained(arch: str) -> None:
    net = built(arch=arch, window=(16, 32, 32))
    weights = net.state_dict()
    assert len({tensor.data_ptr() for tensor in weights.values()}) == len(weights)
    net.train()(torch.randint(0, 256, (1, 16, 32, 32, 2), dtype=torch.uint8)).sum().backward()
    unused = [name for name, parameter in net.named_parameters() if parameter.grad is None]
    assert not unused
    again = network.build(described(arch=arch, window=(16, 32, 32)), None, 2, [0.0] * 2, [1.0] * 2)
    again.load_state_dict(weights)


@pytest.mark.parametrize(
    ("arch", "window", "what"),
    [
        (
            "segresnet",
            (12, 32, 32),
            "does not fit train.arch segresnet: make each side a multiple of 8, or choose",
        ),
        ("unetr", (16, 40, 32), "does not fit train.arch unetr: make each side a multiple of 16"),
        ("dynunet", (4, 8, 6), "is too small to be halved twice"),
    ],
)
def test_a_window_that_does_not_fit(arch: str, window: tuple[int, int, int], what: str) -> None:
    with pytest.raises(UserError) as error:
        built(arch=arch, window=window)
    assert str(error.value).startswith(f"train.window {list(window)} {what}")
