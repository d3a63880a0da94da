"""A grid turns a file's voxels to slices and a mask of these back, whatever the order of its axes."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.formats import orientation
from stages.scan.header import Unreadable
from stages.scan.volume import Grid, Volume, together

FLIPS = st.tuples(st.booleans(), st.booleans(), st.booleans())


CODES = [
    "".join(pair) for axes in itertools.permutations(("LR", "PA", "SI")) for pair in itertools.product(*axes)
]
MM = st.floats(-50, 50)


@given(st.sampled_from(CODES), st.sampled_from(CODES), st.tuples(MM, MM, MM))
def test_files_with_other_axes_lie_together_unless_one_is_moved(
    first: str, second: str, shift: tuple[float, float, float]
) -> None:
    """However their own axes run: what counts is where slices, rows and columns are."""
    here, there = (placed(codes) for codes in (first, second))
    assert here.away(there) == pytest.approx(0, abs=1e-9)
    together({"a": here, "b": there})
    moved = replace(there, affine=there.affine + np.pad(np.array(shift)[:, None], ((0, 1), (3, 0))))
    assert here.away(moved) == pytest.approx(max(map(abs, shift)), abs=1e-9)


def placed(codes: str) -> Grid:
    """A grid of 3 slices, 4 rows and 5 columns of 6, 0.5 and 2 mm whose file's axes run towards `codes`."""
    axis = {"R": 0, "L": 0, "A": 1, "P": 1, "S": 2, "I": 2}
    size, mm = (5, 4, 3), (2.0, 0.5, 6.0)
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for position, code in enumerate(codes):
        way = 1 if code in "RAS" else -1
        affine[axis[code], position] = way * mm[axis[code]]
        affine[axis[code], 3] = 0 if way == 1 else mm[axis[code]] * (size[axis[code]] - 1)
    x, y, z = (size[axis[code]] for code in codes)
    return orientation.grid((x, y, z), affine)


def test_rounding_in_a_header_is_no_other_place() -> None:
    grid = placed("LPS")
    near, far = (replace(grid, affine=grid.affine.copy()) for _ in range(2))
    near.affine[0, 3] += 0.12
    far.affine[0, 3] += 0.13
    together({"a.nii": grid, "b.nii": near})
    with pytest.raises(Unreadable) as error:
        together({"x/a.nii": grid, "x/b.nii": far})
    assert str(error.value) == (
        "b.nii lies 0.13 mm away from a.nii by their headers; resample it onto the grid of a.nii, or save it "
        "with that header if the voxels belong together as they are"
    )


def test_grids_of_other_sizes_are_not_compared() -> None:
    """Size is said in other words, and before."""
    grid = placed("LPS")
    assert grid.away(replace(grid, shape=(4, 4, 3))) == 0
    together({})


@given(shape=st.tuples(*[st.integers(1, 5)] * 3), axes=st.permutations(range(3)), flipped=FLIPS)
def test_a_mask_goes_back_to_where_its_voxels_were(
    shape: Any, axes: Any, flipped: tuple[bool, bool, bool]
) -> None:
    grid = Grid(shape, np.eye(4), tuple(axes), flipped)
    voxels = np.arange(np.prod(shape)).reshape(shape)
    slices = grid.to_slices(voxels)
    assert slices.shape == (*(shape[axis] for axis in axes), 1)
    assert np.shares_memory(slices, voxels)
    back = grid.from_slices(slices[..., 0])
    np.testing.assert_array_equal(back, voxels)
    assert back.flags.c_contiguous


def test_the_first_slice_is_the_lowest() -> None:
    """Along z from the head down, along y from back to front, along x from left to right."""
    voxels = np.arange(24).reshape(4, 3, 2)
    slices = Grid(voxels.shape, np.eye(4), (2, 1, 0), (False, True, True)).to_slices(voxels)[..., 0]
    np.testing.assert_array_equal(slices, voxels[:, ::-1, ::-1].transpose(2, 1, 0))


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
def test_spacing_follows_the_axes(axes: tuple[int, int, int]) -> None:
    affine = np.diag([2.0, -3.0, 5.0, 1.0])
    spacing = Grid((4, 4, 4), affine, axes, (False, False, False)).spacing
    assert spacing == tuple((2.0, 3.0, 5.0)[axis] for axis in axes)
    assert spacing.down == (2.0, 3.0, 5.0)[axes[1]]


def test_a_flat_picture_has_no_grid() -> None:
    picture = Volume(np.zeros((1, 3, 4, 1), np.uint8))
    assert (picture.spacing, picture.grid, picture.header) == (None, None, None)
