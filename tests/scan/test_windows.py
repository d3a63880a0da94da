"""Each slice with its neighbours: in the middle of its window, repeated at the ends."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.scan import windows

SLICES, DEPTH = st.integers(1, 12), st.sampled_from([1, 3, 5, 11])


@given(SLICES, DEPTH)
def test_windows_are_those_of_a_volume_padded_with_its_ends(slices: int, depth: int) -> None:
    volume = np.random.default_rng(0).integers(0, 256, (slices, 2, 3, 2), np.uint8)
    padded = np.pad(volume, ((depth // 2, depth // 2), (0, 0), (0, 0), (0, 0)), mode="edge")
    expected = [padded[place : place + depth] for place in range(slices)]
    np.testing.assert_array_equal(volume[windows.positions(np.array([slices]), depth)], expected)


@given(st.lists(SLICES, max_size=5), st.integers(0, 5))
def test_a_slice_is_in_the_middle_of_its_window_which_stays_in_its_case(
    lengths: list[int], context: int
) -> None:
    depth = windows.depth_of(context)
    places = windows.positions(np.array(lengths, int), depth)
    assert places.shape == (sum(lengths), 2 * context + 1)
    assert places[:, context].tolist() == list(range(sum(lengths)))
    assert (np.diff(places, axis=1) >= 0).all()
    case = np.repeat(np.arange(len(lengths)), lengths)
    assert (case[places] == case[:, None]).all()


@given(SLICES, DEPTH)
def test_flat_puts_the_channels_of_the_lowest_slice_first(number: int, depth: int) -> None:
    stack = np.random.default_rng(0).integers(0, 256, (number, depth, 2, 3, 4), np.uint8)
    flat = windows.flat(stack)
    assert flat.shape == (number, 2, 3, 4 * depth)
    for place in range(depth):
        np.testing.assert_array_equal(flat[..., 4 * place : 4 * place + 4], stack[:, place])


def test_of_depth_one_nothing_is_copied() -> None:
    stack = np.zeros((3, 1, 2, 2, 1), np.uint8)
    assert np.shares_memory(windows.flat(stack), stack)
