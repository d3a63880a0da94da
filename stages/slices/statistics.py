"""Measure what the files of a manifest really hold: one row of numbers a slice, for validation to judge."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.errors import UserError
from stages.slices import fingerprint
from stages.sources import images

MASK_LEVELS = ({0}, {0, 1}, {0, 255}, {1}, {255})
"""Values of a binary mask, however it was saved."""


def measure(raw: Path, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Read image and mask of each row; columns beside `sample_id`:

    image_problem, mask_problem: why a file cannot be used, else empty; finite: no NaN or infinite pixel;
    height, width, channels: as decoded; mask_matches: same size as the image; mask_binary; mask_pixels; head:
    share of pixels brighter than a tenth of the range; copied_channels: two channels are identical; content:
    hash of the decoded pixels; picture: 64-bit hash of the picture (`fingerprint`), empty where it says
    nothing.
    """
    return pd.DataFrame([_measure(raw, row) for row in rows])


def _measure(raw: Path, row: dict[str, Any]) -> dict[str, Any]:
    image, image_problem = _decode(raw, row["image"], "image")
    mask, mask_problem = _decode(raw, row["mask"], "mask")
    found: dict[str, Any] = {
        "sample_id": row["sample_id"],
        "image_problem": image_problem,
        "mask_problem": mask_problem,
        "finite": True,
        "height": 0,
        "width": 0,
        "channels": 0,
        "mask_matches": True,
        "mask_binary": True,
        "mask_pixels": 0,
        "head": 0.0,
        "copied_channels": False,
        "content": "",
        "picture": "",
    }
    if image is not None:
        finite = bool(np.isfinite(image).all())
        found |= {
            "finite": finite,
            "height": image.shape[0],
            "width": image.shape[1],
            "channels": image.shape[2],
        }
        found["content"] = hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()
        if finite:
            grey = image.mean(axis=2, dtype=np.float32)
            low, high = float(grey.min()), float(grey.max())
            found["head"] = float((grey > low + 0.1 * (high - low)).mean()) if high > low else 0.0
            found["picture"] = fingerprint.of(grey)
            found["copied_channels"] = high > low and any(
                np.array_equal(image[..., a], image[..., b])
                for a in range(image.shape[2])
                for b in range(a + 1, image.shape[2])
            )
    if mask is not None:
        found["mask_binary"] = set(np.unique(mask).tolist()) in MASK_LEVELS
        found["mask_pixels"] = int((mask > 0).sum())
        found["mask_matches"] = image is None or mask.shape == image.shape[:2]
    return found


def _decode(raw: Path, reference: str, kind: str) -> tuple[np.ndarray | None, str]:
    if not reference:
        return None, f"there is no {kind}"
    try:
        read = images.read_image if kind == "image" else images.read_mask
        return read(raw, reference), ""
    except UserError as error:
        return None, str(error)
