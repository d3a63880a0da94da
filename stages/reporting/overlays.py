"""Pictures of predictions over scans: hits, misses and false alarms of a slice."""

from pathlib import Path

import cv2
import numpy as np

from stages.reporting import picture

# RGB of Okabe and Ito's palette: bluish green, orange and blue differ for every kind of colour vision.
HIT, MISS, FALSE_ALARM = (0, 158, 115), (230, 159, 0), (0, 114, 178)
ENLARGED = 2


def overlay(image: np.ndarray, truth: np.ndarray, predicted: np.ndarray, path: Path) -> None:
    """Write a PNG: the slice (H, W, C) uint8 beside itself with true (white line) and predicted pixels in
    colour.
    """
    plain = _large(picture.rgb(image), cv2.INTER_LINEAR)
    true, found = _large(truth.astype(np.uint8)) > 0, _large(predicted.astype(np.uint8)) > 0
    painted = plain.copy()
    for where, colour in ((true & found, HIT), (true & ~found, MISS), (found & ~true, FALSE_ALARM)):
        painted[where] = (0.45 * plain[where] + 0.55 * np.array(colour)).astype(np.uint8)
    outline, _ = cv2.findContours(true.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(painted, outline, -1, (255, 255, 255), 1)
    picture.write_png(np.concatenate([plain, painted], axis=1), path)


def _large(array: np.ndarray, interpolation: int = cv2.INTER_NEAREST) -> np.ndarray:
    return cv2.resize(array, None, fx=ENLARGED, fy=ENLARGED, interpolation=interpolation)
