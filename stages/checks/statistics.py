"""Measure what the files of a manifest really hold: one row of numbers a slice, for validation to judge."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.checks import audit
from stages.core import record
from stages.core.errors import UserError
from stages.fingerprints import fingerprint
from stages.formats import formats
from stages.formats.reader import Reader
from stages.scan.task import harmonise
from stages.sources import sources

MIN_HEAD = 0.01
"""A slice with less head than this shows nothing; the ends of many volumes are such slices."""
ROW = ["sample_id", "image", "mask", "slice", "modalities", "label_set"]
"""What `measure` needs of a row of the manifest."""


def measure(raw: Path, rows: list[dict[Any, Any]]) -> pd.DataFrame:
    """Read image and mask of each row (`ROW`), rows of a case one after the other; columns beside
    `sample_id`:

    image_problem, mask_problem, label_problem: why a file, or the numbers in a mask, cannot be used, else
    empty; remarks: what the files do not say, or say in two ways, a line each; finite: no NaN or infinite
    pixel; height, width, channels: as decoded; lowest, highest: values of a pixel; mask_matches: same size as
    the image; mask_lies: the mask is as wide as the image is high, and the other way round; mask_pixels;
    head: share of pixels brighter than a tenth of the range, 0 where all are equal; copied_channels: two
    channels are identical; content: hash of the decoded pixels; planes: the same of each channel,
    ";"-separated; picture: 576-bit hash of the picture (`fingerprint`), empty where it says nothing.
    """
    reader = Reader(raw)
    return pd.DataFrame([_measure(reader, row) for row in rows])


def _measure(reader: Reader, row: dict[Any, Any]) -> dict[str, Any]:
    image, image_problem = _decoded(
        "image", row["image"], lambda: reader.image(row["image"], row["slice"], row["modalities"])
    )
    mask, mask_problem = _decoded("mask", row["mask"], lambda: reader.mask(row["mask"], row["slice"]))
    classes, label_problem = None, ""
    if mask is not None:
        try:
            classes = harmonise(mask, sources.task(row["label_set"]))
        except UserError as error:
            label_problem = str(error)
    sizes = [] if image is None or mask is None else [image.shape[:2], mask.shape]
    seen = _of_image(image)
    return (
        {"sample_id": row["sample_id"], "image_problem": image_problem, "mask_problem": mask_problem}
        | {"label_problem": label_problem, "remarks": "\n".join(reader.remarks()), **seen}
        | {
            "mask_matches": not sizes or sizes[0] == sizes[1],
            "mask_lies": bool(sizes) and sizes[0] == sizes[1][::-1] != sizes[1],
            "mask_pixels": 0 if classes is None else int(np.count_nonzero(classes)),
        }
        | audit.of_slice(image if seen["finite"] else None, classes)
    )


def _decoded(kind: str, reference: str, read: Callable[[], np.ndarray]) -> tuple[np.ndarray | None, str]:
    if not reference:
        return None, f"there is no {kind}"
    try:
        return read(), ""
    except UserError as error:
        return None, str(error)


def _of_image(image: np.ndarray | None) -> dict[str, Any]:
    numbers: dict[str, Any] = {
        "finite": True,
        "height": 0,
        "width": 0,
        "channels": 0,
        "lowest": 0.0,
        "highest": 0.0,
        "head": 0.0,
        "copied_channels": False,
        "content": "",
        "planes": "",
        "picture": "",
    }
    if image is None:
        return numbers
    numbers |= dict(zip(("height", "width", "channels"), image.shape, strict=True))
    numbers["finite"] = bool(np.isfinite(image).all())
    numbers["content"] = hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()
    planes = np.ascontiguousarray(np.moveaxis(image, 2, 0))
    numbers["planes"] = ";".join(hashlib.sha256(plane).hexdigest() for plane in planes)
    if numbers["finite"]:
        numbers |= {"lowest": float(image.min()), "highest": float(image.max())}
        grey = image.mean(axis=2, dtype=np.float32)
        low, high = float(grey.min()), float(grey.max())
        numbers["head"] = float((grey > low + 0.1 * (high - low)).mean()) if high > low else 0.0
        numbers["picture"] = fingerprint.of(grey)
        numbers["copied_channels"] = high > low and any(
            np.array_equal(image[..., a], image[..., b])
            for a in range(image.shape[2])
            for b in range(a + 1, image.shape[2])
        )
    return numbers


def scans(raw: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """The scans below `raw`: columns `file`, and `used`, whether a row names it."""
    used = record.files(rows[["image", "mask"]].itertuples(index=False))
    paths = sorted(path.relative_to(raw).as_posix() for path in raw.rglob("*") if path.is_file())
    files = [path for path in paths if formats.suffix_of(path)]
    return pd.DataFrame({"file": files, "used": [file in used for file in files]})
