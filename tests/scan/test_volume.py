"""A grid turns a file's voxels to slices and a mask of these back, whatever the order of its axes."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.scan.volume import Grid, Volume

FLIPS = st.tuples(st.booleans(), st.booleans(), st.booleans())


@given(shape=st.tuples(*[st.integers(1, 5)] * 3), axes=st.permutations(range(3)), flipped=FLIPS)
def test_a_mask_goes_back_to_where_its_voxels_were(shape, axes, flipped):
    grid = Grid(shape, np.eye(4), tuple(axes), flipped)
    voxels = np.arange(np.prod(shape)).reshape(shape)
    slices = grid.to_slices(voxels)
    assert slices.shape == (*(shape[axis] for axis in axes), 1)
    assert np.shares_memory(slices, voxels)
    back = grid.from_slices(slices[..., 0])
    np.testing.assert_array_equal(back, voxels)
    assert back.flags.c_contiguous


def test_the_first_slice_is_the_lowest():
    """Along z from the head down, along y from back to front, along x from left to right."""
    voxels = np.arange(24).reshape(4, 3, 2)
    slices = Grid(voxels.shape, np.eye(4), (2, 1, 0), (False, True, True)).to_slices(voxels)[..., 0]
    np.testing.assert_array_equal(slices, voxels[:, ::-1, ::-1].transpose(2, 1, 0))


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
def test_spacing_follows_the_axes(axes):
    affine = np.diag([2.0, -3.0, 5.0, 1.0])
    spacing = Grid((4, 4, 4), affine, axes, (False, False, False)).spacing
    assert spacing == tuple((2.0, 3.0, 5.0)[axis] for axis in axes)
    assert spacing.down == (2.0, 3.0, 5.0)[axes[1]]


def test_a_flat_picture_has_no_grid():
    picture = Volume(np.zeros((1, 3, 4, 1), np.uint8))
    assert (picture.spacing, picture.grid, picture.header) == (None, None, None)
