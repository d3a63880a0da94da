"""Connected components of a mask, and the removal of small ones."""

import numpy as np
from scipy import ndimage


def without_small(mask: np.ndarray, smallest_voxels: float) -> np.ndarray:
    """The boolean mask (S, H, W) without 26-connected components of fewer than `smallest_voxels` voxels."""
    if smallest_voxels <= 1 or not mask.any():
        return mask
    labels, number = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=number + 1)
    keep = sizes >= smallest_voxels
    keep[0] = False
    return keep[labels]
