"""Volumes of any orientation become the slices that training saw, and masks go back onto their grid."""

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from stages.formats import orientation
from tests.fixtures import volumes
from tests.fixtures.decoded import nifti_voxels

ORIENTATIONS = [
    "".join(codes)
    for order in itertools.permutations(("RL", "AP", "SI"))
    for codes in itertools.product(*order)
]


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_as_the_source_turns_them_and_back(tmp_path: Path, codes: str) -> None:
    path = volumes.save(tmp_path / "x.nii", volumes.numbered(), codes, spacing_mm=(4.0, 2.0, 1.0))
    image = nib.load(path)
    stored = np.asanyarray(image.dataobj)
    grid = orientation.grid(stored.shape, image.affine)
    slices = grid.to_slices(stored)
    np.testing.assert_array_equal(slices, nifti_voxels(path))
    np.testing.assert_array_equal(slices[..., 0], volumes.numbered())
    np.testing.assert_array_equal(grid.from_slices(slices[..., 0]), stored)
    assert grid.spacing == pytest.approx((4.0, 2.0, 1.0))


def test_oblique_axes_go_to_the_nearest(tmp_path: Path) -> None:
    tilted = np.array([[0.9, 0.1, 0, 3], [-0.1, 1.8, 0.3, 4], [0, -0.3, 3.9, 5], [0, 0, 0, 1.0]])
    voxels = np.arange(24).reshape(4, 3, 2)
    grid = orientation.grid(voxels.shape, tilted)
    slices = grid.to_slices(voxels)
    assert slices.shape == (2, 3, 4, 1)
    np.testing.assert_array_equal(grid.from_slices(slices[..., 0]), voxels)
