"""Distances between the surfaces of a predicted and a true mask, in mm, by MONAI on their common box."""

import warnings

import numpy as np

from stages.masks import components
from stages.scan.spacing import Spacing


def hd95_and_nsd(
    predicted: np.ndarray, truth: np.ndarray, spacing: Spacing, tolerance_mm: float
) -> tuple[float, float]:
    """95 % Hausdorff distance in mm and normalised surface Dice of two (S, H, W) boolean masks.

    The larger of both directions' 95th percentile of the distance from a surface voxel to the other surface
    (Huttenlocher, Klanderman and Rucklidge 1993, IEEE TPAMI 15; the percentile as BraTS takes it), and the
    share of surface voxels, of both masks, that are within the tolerance of the other surface (Nikolov et al.
    2018, arXiv 1809.04430). spacing: mm (slice, row, column).

    Both empty is 0 mm and 1; one empty is the diagonal of the volume in mm, which is BraTS's 373.13 mm on its
    grid, and 0.
    """
    if not predicted.any() and not truth.any():
        return 0.0, 1.0
    if not predicted.any() or not truth.any():
        return float(np.linalg.norm(np.array(truth.shape) * np.array(spacing))), 0.0
    there, back = _distances(predicted, truth, spacing)
    near = np.count_nonzero(there <= tolerance_mm) + np.count_nonzero(back <= tolerance_mm)
    hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
    return float(hd95), near / (len(there) + len(back))


def _distances(predicted: np.ndarray, truth: np.ndarray, spacing: Spacing) -> tuple[np.ndarray, np.ndarray]:
    """From each surface voxel of one mask to the nearest of the other, both ways; the edges are found once.

    A case of one slice is an image: in a volume one voxel thick every voxel would be surface.
    """
    import torch  # with MONAI it takes seconds: who only asks for the list of metrics need not wait
    from monai.metrics.utils import get_edge_surface_distance

    inside: tuple[int | slice, ...] = components.box(predicted | truth)
    steps = list(spacing)
    if len(truth) == 1:
        inside, steps = (0, *inside[1:]), steps[1:]
    a, b = (torch.from_numpy(mask[inside].copy()) for mask in (predicted, truth))
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # MONAI's advice to its own code
        _, (there, back), _ = get_edge_surface_distance(a, b, spacing=steps, symmetric=True)
    return there.numpy(), back.numpy()
