"""Lesions found, missed and invented: connected components instead of voxels."""

import numpy as np

from stages.masks import components


def detection_f1(predicted: np.ndarray, truth: np.ndarray) -> float:
    """2 TP / (2 TP + FP + FN) of lesions, the 26-connected components of two boolean masks (S, H, W).

    As the ISLES 2022 challenge scores it (Hernandez Petzsche et al. 2022, Scientific Data 9:762): a true
    lesion that shares a voxel with the prediction is found (TP), else missed (FN); a predicted one that
    shares none with the truth is a false alarm (FP). Both empty is 1.
    """
    either = components.box(predicted | truth)
    predicted, truth = predicted[either], truth[either]
    true_lesions, true_count = components.labelled(truth)
    found_lesions, found_count = components.labelled(predicted)
    tp = len(np.unique(true_lesions[predicted & truth]))
    false_alarms = found_count - len(np.unique(found_lesions[predicted & truth]))
    whole = tp + true_count + false_alarms  # 2 TP + FN + FP
    return 2 * tp / whole if whole else 1.0
