"""A volume through windows: every voxel is answered, the middle of a window counts most."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.inferers import sliding_window_inference

from stages.inference import sliding

sides = st.integers(1, 12)


def blurred(windows: np.ndarray) -> np.ndarray:
    """Two regions: the level itself, and a mean with the neighbours in the window."""
    levels = windows[..., 0].astype(np.float32) / 255
    near = (levels + np.roll(levels, 1, 1) + np.roll(levels, 1, 2) + np.roll(levels, 1, 3)) / 4
    return np.stack([levels, near], axis=1)


def volume(shape: tuple[int, int, int], channels: int = 1) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 256, (*shape, channels), np.uint8)


@given(st.integers(1, 60), st.integers(1, 30))
def test_windows_reach_from_end_to_end_and_overlap_by_half(length: int, side: int) -> None:
    begin = sliding.starts(length, side)
    assert begin[0] == 0
    assert len(begin) == 1 if length <= side else begin[-1] == length - side
    assert all(0 < step <= max(1, (side + 1) // 2) for step in np.diff(begin))


@settings(max_examples=60)
@given(shape=st.tuples(sides, sides, sides), window=st.tuples(sides, sides, sides), batch=st.integers(1, 5))
def test_what_depends_on_a_voxel_alone_comes_back_whatever_the_windows(
    shape: tuple[int, int, int], window: tuple[int, int, int], batch: int
) -> None:
    levels = volume(shape)
    answered = sliding.probabilities(blurred, levels, window, batch)
    assert answered.shape == (shape[0], 2, *shape[1:])
    assert answered.dtype == np.float32
    np.testing.assert_allclose(answered[:, 0], levels[..., 0] / 255, atol=1e-6)


@settings(max_examples=40)
@given(shape=st.tuples(sides, sides, sides), window=st.tuples(sides, sides, sides))
def test_slabs_are_the_sums_over_all_windows_at_once(
    shape: tuple[int, int, int], window: tuple[int, int, int]
) -> None:
    """Added up over the whole volume, in the plainest way."""
    levels = volume(shape)
    padded = np.pad(levels, [(0, max(0, w - s)) for s, w in zip(shape, window, strict=True)] + [(0, 0)])
    summed, total = np.zeros((2, *padded.shape[:3])), np.zeros(padded.shape[:3])
    for z in sliding.starts(shape[0], window[0]):
        for y in sliding.starts(shape[1], window[1]):
            for x in sliding.starts(shape[2], window[2]):
                at = (slice(z, z + window[0]), slice(y, y + window[1]), slice(x, x + window[2]))
                summed[:, *at] += blurred(padded[at][None])[0] * sliding.weights(window)
                total[at] += sliding.weights(window)
    plain = (summed / total)[:, : shape[0], : shape[1], : shape[2]]
    answered = sliding.probabilities(blurred, levels, window, 3)
    np.testing.assert_allclose(answered.transpose(1, 0, 2, 3), plain, atol=1e-5)


def test_a_window_as_large_as_the_volume_changes_nothing() -> None:
    levels = volume((5, 8, 8))
    whole = blurred(levels[None])[0].transpose(1, 0, 2, 3)
    np.testing.assert_array_equal(sliding.probabilities(blurred, levels, (5, 8, 8), 1), whole)
    np.testing.assert_array_equal(sliding.probabilities(blurred, levels, (6, 9, 12), 1)[:, 0], whole[:, 0])


def test_weights_fall_towards_the_border_and_are_never_zero() -> None:
    weight = sliding.weights((5, 9, 16))
    assert weight[2, 4, 7] == weight[2, 4, 8] == 1
    assert weight.min() > 0
    for axis in range(3):
        middle = weight.shape[axis] // 2
        falling = np.diff(np.take(weight, range(middle, weight.shape[axis]), axis))
        assert (np.diff(np.take(weight, range(middle, weight.shape[axis]), axis), axis=axis) <= 0).all()
        assert falling.size
    np.testing.assert_allclose(weight, weight[::-1, ::-1, ::-1], rtol=1e-6)


@pytest.mark.parametrize("shape", [(9, 20, 14), (4, 8, 8)])
def test_as_monai_does_it(shape: Any) -> None:
    """With the same network, overlap and weights; its steps are not even, so the sides are made to fit."""
    window = (4, 8, 8)
    shape = tuple(side + (-(side - w)) % (w // 2) for side, w in zip(shape, window, strict=True))
    levels = volume(shape)

    def network(images: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(blurred(images[:, 0].numpy()[..., None].astype(np.uint8)))

    theirs = sliding_window_inference(
        torch.from_numpy(levels[None, None, ..., 0].astype(np.float32)),
        window,
        2,
        network,
        overlap=0.5,
        mode="gaussian",
        roi_weight_map=torch.from_numpy(sliding.weights(window)),
    )[0].numpy()
    answered = sliding.probabilities(blurred, levels, window, 2).transpose(1, 0, 2, 3)
    np.testing.assert_allclose(answered, theirs, atol=1e-5)


def test_memory_is_a_window_and_the_volume() -> None:
    """Slices come as soon as nothing more is added to them."""
    sizes = [len(slab) for slab in sliding.slabs(blurred, volume((20, 8, 8)), (4, 8, 8), 1)]
    assert sizes == [2] * 8 + [4]
