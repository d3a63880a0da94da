"""Connected components of a mask: the removal of small ones, and their sizes.

scipy.ndimage is imported where it is first needed: it takes a fifth of a second, and most models keep every
component.
"""

import numpy as np


def labelled(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Number of the 26-connected component of each voxel of a boolean mask (S, H, W), 0 outside; how many."""
    from scipy import ndimage

    return ndimage.label(mask, structure=np.ones((3, 3, 3)))


def box(mask: np.ndarray) -> tuple[slice, ...]:
    """The smallest box around the voxels of a boolean mask; empty where there are none.

    What works on components or surfaces takes a tenth of the time within it: most of a scan is background.
    """
    from scipy import ndimage

    boxes = ndimage.find_objects(mask.view(np.uint8))
    return boxes[0] if boxes else (slice(0, 0),) * mask.ndim


def without_small(mask: np.ndarray, smallest_voxels: float) -> np.ndarray:
    """The boolean mask (S, H, W) without 26-connected components of fewer than `smallest_voxels` voxels."""
    if smallest_voxels <= 1 or not mask.any():
        return mask
    inside = box(mask)
    labels, number = labelled(mask[inside])
    keep = np.bincount(labels.ravel(), minlength=number + 1) >= smallest_voxels
    keep[0] = False
    kept = np.zeros_like(mask)
    kept[inside] = keep[labels]
    return kept


def sizes(mask: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Voxels of each component of a mask (S, H, W), and how many of these are in the truth; both (n,) int."""
    inside = box(mask)
    labels, number = labelled(mask[inside])
    every, right = (
        np.bincount(part.ravel(), minlength=number + 1) for part in (labels, labels[truth[inside]])
    )
    return every[1:], right[1:]
