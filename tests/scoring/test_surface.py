"""Surface distances against a brute-force implementation on the whole volume, and MONAI's own metrics."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from monai.metrics import compute_hausdorff_distance, compute_surface_dice
from scipy import ndimage

from stages.scan.spacing import Spacing
from stages.scoring import surface

SPACINGS = st.tuples(
    st.sampled_from([1.0, 2.5, 5.0]), st.sampled_from([0.5, 1.3]), st.sampled_from([0.7, 1.0])
)


def edge(mask: np.ndarray) -> np.ndarray:
    """Voxels with a face towards the outside; beyond the volume is outside."""
    padded = np.pad(mask, 1)
    inner = np.ones_like(padded)
    for axis in range(mask.ndim):
        for step in (-1, 1):
            inner &= np.roll(padded, step, axis)
    return mask & ~inner[tuple(slice(1, -1) for _ in mask.shape)]


def distances(a: np.ndarray, b: np.ndarray, spacing: tuple[Any, ...]) -> np.ndarray:
    """From each surface voxel of `a` to the nearest of `b`, all pairs measured."""
    first, second = (np.argwhere(edge(mask)) * np.array(spacing) for mask in (a, b))
    return np.sqrt(((first[:, None] - second[None]) ** 2).sum(-1)).min(1)


def oracle(predicted: np.ndarray, truth: np.ndarray, spacing: Any, tolerance: float) -> tuple[Any, Any]:
    if len(truth) == 1:  # an outline in the plane
        predicted, truth, spacing = predicted[0], truth[0], spacing[1:]
    there, back = distances(predicted, truth, spacing), distances(truth, predicted, spacing)
    hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
    return hd95, np.mean(np.concatenate([there, back]) <= tolerance)


def masks(seed: int, shape: tuple[int, int, int], level: float = 0.02) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [ndimage.gaussian_filter(random.normal(size=shape), 1.2) > level for _ in range(2)]


@pytest.mark.long
@settings(max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([(1, 12, 14), (2, 9, 8), (5, 11, 12)]), SPACINGS)
def test_both_are_those_of_brute_force_and_of_monai(
    seed: int, shape: tuple[int, int, int], spacing: Any
) -> None:
    predicted, truth = masks(seed, shape)
    assume(predicted.any() and truth.any())
    # Not a distance that occurs: equality with the tolerance is a matter of float rounding.
    found = surface.hd95_and_nsd(predicted, truth, spacing, 1.2345)
    assert found == pytest.approx(oracle(predicted, truth, spacing, 1.2345), rel=1e-5, abs=1e-5)
    assert found == pytest.approx(of_monai(predicted, truth, spacing, 1.2345), rel=1e-5, abs=1e-5)


def of_monai(
    predicted: np.ndarray, truth: np.ndarray, spacing: tuple[float, float, float], tolerance: float
) -> tuple[float, float]:
    inside = 0 if len(truth) == 1 else slice(None)
    a, b = (torch.from_numpy(mask[inside])[None, None] for mask in (predicted, truth))
    steps = list(spacing)[-(a.ndim - 2) :]
    with warnings.catch_warnings(action="ignore", category=FutureWarning):
        hd95 = compute_hausdorff_distance(a, b, include_background=True, percentile=95, spacing=steps)
        nsd = compute_surface_dice(a, b, [tolerance], include_background=True, spacing=steps)
    return float(hd95), float(nsd)


@settings(max_examples=60)
@given(
    st.lists(
        hnp.arrays(bool, (2, 4, 5), elements=st.sampled_from([False] * 5 + [True])), min_size=2, max_size=2
    ),
    SPACINGS,
)
def test_of_few_voxels_also(pair: list[np.ndarray], spacing: Any) -> None:
    predicted, truth = pair
    found = surface.hd95_and_nsd(predicted, truth, spacing, 1.2345)
    if predicted.any() and truth.any():
        assert found == pytest.approx(oracle(predicted, truth, spacing, 1.2345), rel=1e-5, abs=1e-5)
    else:
        diagonal = float(np.sqrt(((np.array(truth.shape) * spacing) ** 2).sum()))
        both = not predicted.any() and not truth.any()
        assert found == pytest.approx((0.0, 1.0) if both else (diagonal, 0.0))


def test_what_lies_around_the_masks_changes_nothing() -> None:
    predicted, truth = masks(3, (4, 10, 10))
    wide, wide_truth = (np.pad(mask, ((3, 2), (7, 5), (6, 9))) for mask in (predicted, truth))
    spacing = Spacing(3.0, 1.0, 0.8)
    found = surface.hd95_and_nsd(wide, wide_truth, spacing, 1.0)
    assert found == surface.hd95_and_nsd(predicted, truth, spacing, 1.0)


def test_a_shift_is_measured_in_mm_along_its_axis() -> None:
    truth = np.zeros((8, 20, 20), bool)
    truth[2:5, 5:12, 5:12] = True
    for axis, step in enumerate((4.0, 0.5, 1.5)):
        moved = np.roll(truth, 2, axis)
        found = surface.hd95_and_nsd(moved, truth, Spacing(4.0, 0.5, 1.5), 2 * step + 0.01)
        assert found == pytest.approx((2 * step, 1))


def test_the_inside_of_a_flat_image_is_no_surface() -> None:
    """A filled and a hollow square agree almost everywhere; only their outlines may count."""
    truth = np.zeros((1, 30, 30), bool)
    truth[0, 5:25, 5:25] = True
    hollow = truth.copy()
    hollow[0, 10:20, 10:20] = False
    outer, inner = 76, 40  # pixels of the two outlines; a corner of the hole has no open side
    found = surface.hd95_and_nsd(hollow, truth, Spacing(1.0, 1.0, 1.0), 1.0)
    assert found == pytest.approx((4, 2 * outer / (2 * outer + inner)))


def test_one_empty_is_the_diagonal_of_the_volume_as_brats_has_it() -> None:
    empty, full = np.zeros((155, 240, 240), bool), np.zeros((155, 240, 240), bool)
    full[70, 100, 100] = True
    for pair in ((empty, full), (full, empty)):
        assert surface.hd95_and_nsd(*pair, Spacing(1.0, 1.0, 1.0), 1) == pytest.approx((373.12866, 0))
    assert surface.hd95_and_nsd(empty, empty, Spacing(1.0, 1.0, 1.0), 1) == (0, 1)
    assert surface.hd95_and_nsd(full, full, Spacing(1.0, 1.0, 1.0), 1) == (0, 1)
