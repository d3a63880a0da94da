"""A picture of the mask: slices of the scan with the mask in colour."""

from pathlib import Path

import cv2
import numpy as np

from stages.inference.spec import Input

# RGB of Okabe and Ito's palette: these differ for every kind of colour vision.
COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (204, 121, 167))
SHOWN, ACROSS = 12, 4
"""Slices of a volume, and how many of them beside each other."""
WHITE = 99.5
"""Percentile of a scan's values that is drawn white: a few bright voxels would leave the rest dark."""
_SIDE = 256
"""Pixels a side at least: a slice of 128 would be too small to judge."""


def write(voxels: np.ndarray, labels: np.ndarray, model_input: Input, path: Path) -> None:
    """Write a PNG of a scan (S, H, W, C) with labels (S, H, W): slices evenly spread over those with tumour,
    each without and with the mask. Of several sequences FLAIR is drawn, or the one in the middle.
    """
    places = spread(labels)
    channel = model_input.channels.index("flair") if "flair" in model_input.channels else voxels.shape[3] // 2
    grey = levels(voxels[places, ..., channel])
    tiles = [_tile(plain, mask) for plain, mask in zip(grey, labels[places], strict=True)]
    across = min(ACROSS, len(tiles))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % across)
    rows = [np.concatenate(tiles[start : start + across], axis=1) for start in range(0, len(tiles), across)]
    ok, png = cv2.imencode(".png", cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR))
    assert ok
    path.write_bytes(png.tobytes())


def spread(labels: np.ndarray) -> np.ndarray:
    """Positions of at most `SHOWN` slices: evenly over those with tumour, else the one in the middle."""
    positive = np.flatnonzero(labels.any(axis=(1, 2)))
    if not len(positive):
        return np.array([len(labels) // 2])
    return positive[np.unique(np.linspace(0, len(positive) - 1, SHOWN).round().astype(int))]


def levels(planes: np.ndarray) -> np.ndarray:
    """Planes (N, H, W) of any dtype as uint8, all from their lowest to their percentile `WHITE`."""
    low, high = float(planes.min()), float(np.percentile(planes, WHITE))
    scaled = (planes.astype(np.float32) - low) * (255 / max(high - low, 1e-6))
    return np.clip(scaled, 0, 255).astype(np.uint8)


def _tile(plain: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A slice (H, W) uint8 beside itself with its classes (H, W) in colour, RGB."""
    larger = max(1, -(-_SIDE // max(plain.shape)))
    size = plain.shape[1] * larger, plain.shape[0] * larger
    grey = cv2.resize(plain, size, interpolation=cv2.INTER_LINEAR)[..., None].repeat(3, axis=2)
    classes = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
    painted = grey.copy()
    for label in np.unique(classes[classes > 0]):
        colour = COLOURS[(int(label) - 1) % len(COLOURS)]
        own = classes == label
        painted[own] = (0.65 * grey[own] + 0.35 * np.array(colour)).astype(np.uint8)
        lines, _ = cv2.findContours(own.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(painted, lines, -1, colour, 1)
    return np.concatenate([grey, painted], axis=1)
