"""Distances between the surfaces of a predicted and a true mask, in mm, by MONAI on cropped boxes."""

import warnings

import numpy as np
import torch
from monai.metrics.hausdorff_distance import compute_hausdorff_distance
from monai.metrics.surface_dice import compute_surface_dice

Spacing = tuple[float, float, float]


def hd95_mm(predicted: np.ndarray, truth: np.ndarray, spacing: Spacing) -> float:
    """95th percentile of the symmetric surface distance (Huttenlocher et al. 1993) of two (S, H, W) boolean
    masks.

    spacing: mm (slice, row, column). Both empty is 0; one empty is the diagonal of the volume in mm, as BraTS
    punishes it.
    """
    if not predicted.any() and not truth.any():
        return 0.0
    if not predicted.any() or not truth.any():
        return float(np.linalg.norm(np.array(truth.shape) * np.array(spacing)))
    a, b, steps = _boxed(predicted, truth, spacing)
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # MONAI's advice to its own code
        found = compute_hausdorff_distance(a, b, include_background=True, percentile=95, spacing=steps)
    return float(found[0, 0])


def nsd(predicted: np.ndarray, truth: np.ndarray, spacing: Spacing, tolerance_mm: float) -> float:
    """Normalised surface Dice at a tolerance (Nikolov et al. 2018, arXiv 1809.04430): 1 where both are empty,
    0 where one is.
    """
    if not predicted.any() and not truth.any():
        return 1.0
    if not predicted.any() or not truth.any():
        return 0.0
    a, b, steps = _boxed(predicted, truth, spacing)
    with warnings.catch_warnings(action="ignore", category=FutureWarning):
        found = compute_surface_dice(a, b, [tolerance_mm], include_background=True, spacing=steps)
    return float(found[0, 0])


def _boxed(
    predicted: np.ndarray, truth: np.ndarray, spacing: Spacing
) -> tuple[torch.Tensor, torch.Tensor, list[float]]:
    """Both masks cut to their common box and a margin of one voxel, as (1, 1, S, H, W), and the spacing.

    Surface distances do not depend on what lies outside; transforming the whole volume takes twenty times as
    long. A case of one slice becomes (1, 1, H, W): in a volume one voxel thick every voxel would be surface.
    """
    either = predicted | truth
    cuts = []
    for axis in range(3):
        found = np.flatnonzero(either.any(axis=tuple(a for a in range(3) if a != axis)))
        cuts.append(slice(max(int(found[0]) - 1, 0), int(found[-1]) + 2))
    box: tuple[int | slice, ...] = tuple(cuts)
    if len(truth) == 1:
        box, spacing_here = (0, *cuts[1:]), list(spacing[1:])
    else:
        spacing_here = list(spacing)
    a, b = (torch.from_numpy(mask[box].copy())[None, None] for mask in (predicted, truth))
    return a, b, spacing_here
