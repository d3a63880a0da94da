"""Surface distances against a brute-force implementation on the whole volume."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from stages.scoring import surface


def edge(mask):
    """Voxels with a face towards the outside; beyond the volume is outside."""
    padded = np.pad(mask, 1)
    inner = np.ones_like(padded)
    for axis in range(mask.ndim):
        for step in (-1, 1):
            inner &= np.roll(padded, step, axis)
    return mask & ~inner[tuple(slice(1, -1) for _ in mask.shape)]


def distances(a, b, spacing):
    """From each surface voxel of `a` to the nearest of `b`, all pairs measured."""
    first, second = (np.argwhere(edge(mask)) * np.array(spacing) for mask in (a, b))
    return np.sqrt(((first[:, None] - second[None]) ** 2).sum(-1)).min(1)


def oracle(predicted, truth, spacing, tolerance):
    if len(truth) == 1:  # an outline in the plane
        predicted, truth, spacing = predicted[0], truth[0], spacing[1:]
    there, back = distances(predicted, truth, spacing), distances(truth, predicted, spacing)
    hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
    return hd95, np.mean(np.concatenate([there, back]) <= tolerance)


def masks(seed, shape, level=0.02):
    random = np.random.default_rng(seed)
    return [ndimage.gaussian_filter(random.normal(size=shape), 1.2) > level for _ in range(2)]


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([(1, 12, 14), (2, 9, 8), (5, 11, 12)]),
    st.tuples(st.sampled_from([1.0, 2.5, 5.0]), st.sampled_from([0.5, 1.3]), st.sampled_from([0.7, 1.0])),
)
def test_hd95_and_nsd_are_those_of_brute_force(seed, shape, spacing):
    predicted, truth = masks(seed, shape)
    # Not a distance that occurs: equality with the tolerance is a matter of float rounding.
    hd95, nsd = oracle(predicted, truth, spacing, 1.2345)
    assert surface.hd95_mm(predicted, truth, spacing) == pytest.approx(hd95, rel=1e-5, abs=1e-5)
    assert surface.nsd(predicted, truth, spacing, 1.2345) == pytest.approx(nsd, abs=1e-6)


def test_what_lies_around_the_masks_changes_nothing():
    predicted, truth = masks(3, (4, 10, 10))
    wide = [np.pad(mask, ((3, 2), (7, 5), (6, 9))) for mask in (predicted, truth)]
    narrow = [np.pad(mask, 2) for mask in (predicted, truth)]
    spacing = (3.0, 1.0, 0.8)
    assert surface.hd95_mm(*wide, spacing) == surface.hd95_mm(*narrow, spacing)
    assert surface.nsd(*wide, spacing, 1.0) == surface.nsd(*narrow, spacing, 1.0)


def test_a_shift_is_measured_in_mm_along_its_axis():
    truth = np.zeros((8, 20, 20), bool)
    truth[2:5, 5:12, 5:12] = True
    for axis, step in enumerate((4.0, 0.5, 1.5)):
        moved = np.roll(truth, 2, axis)
        assert surface.hd95_mm(moved, truth, (4.0, 0.5, 1.5)) == pytest.approx(2 * step)
        assert surface.nsd(moved, truth, (4.0, 0.5, 1.5), 2 * step + 0.01) == 1


def test_the_inside_of_a_flat_image_is_no_surface():
    """A filled and a hollow square agree almost everywhere; only their outlines may count."""
    truth = np.zeros((1, 30, 30), bool)
    truth[0, 5:25, 5:25] = True
    hollow = truth.copy()
    hollow[0, 10:20, 10:20] = False
    outer, inner = 76, 40  # pixels of the two outlines; a corner of the hole has no open side
    found = surface.nsd(hollow, truth, (1.0, 1.0, 1.0), 1.0)
    assert found == pytest.approx(2 * outer / (2 * outer + inner))
    assert surface.hd95_mm(hollow, truth, (1.0, 1.0, 1.0)) == 4


def test_empty_masks():
    empty, full = np.zeros((2, 3, 4), bool), np.ones((2, 3, 4), bool)
    spacing = (5.0, 2.0, 1.0)
    diagonal = np.sqrt(10**2 + 6**2 + 4**2)
    assert surface.hd95_mm(empty, empty, spacing) == 0
    assert surface.nsd(empty, empty, spacing, 1) == 1
    for pair in ((empty, full), (full, empty)):
        assert surface.hd95_mm(*pair, spacing) == pytest.approx(diagonal)
        assert surface.nsd(*pair, spacing, 1) == 0
    assert surface.hd95_mm(full, full, spacing) == 0
    assert surface.nsd(full, full, spacing, 1) == 1
