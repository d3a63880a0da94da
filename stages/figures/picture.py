"""A slice as a picture that a screen can show."""

from pathlib import Path

import cv2
import numpy as np


def rgb(image: np.ndarray) -> np.ndarray:
    """A slice (H, W, C) uint8 as RGB: three channels as they are, else the one in the middle as grey."""
    if image.shape[-1] == 3:
        return image
    return np.repeat(image[..., image.shape[-1] // 2, None], 3, axis=-1)


def levels(image: np.ndarray) -> np.ndarray:
    """A slice (H, W, C) of any dtype as uint8: as it is, or from its lowest to its 99.5th percentile."""
    if image.dtype == np.uint8:
        return image
    finite = np.nan_to_num(image.astype(np.float32), posinf=0.0, neginf=0.0)
    low, high = finite.min(axis=(0, 1)), np.percentile(finite, 99.5, axis=(0, 1))
    return np.clip(255 * (finite - low) / np.maximum(high - low, 1e-6), 0, 255).astype(np.uint8)


def write_png(pixels: np.ndarray, path: Path) -> None:
    """Write RGB (H, W, 3) uint8; equal bytes for equal pixels."""
    ok, png = cv2.imencode(".png", cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2BGR))
    assert ok
    path.write_bytes(png.tobytes())
