"""Pictures of findings of validation: the slice, and the slice with its label outlined."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from stages.core.errors import UserError
from stages.figures import picture
from stages.formats.reader import Reader
from stages.scan.task import harmonise
from stages.sources import sources

EACH = 3
"""Pictures of a check."""
SIDE = 240
"""Pixels of the longer side."""
OUTLINE = (230, 159, 0)  # orange of Okabe and Ito's palette


def write(findings: pd.DataFrame, rows: pd.DataFrame, raw: Path, folder: Path) -> None:
    """Write `<check>-<n>.png` for the first findings of each check whose slice can be read.

    findings: as of `checks.findings.of`; n counts those of a check from 0. rows: the manifest; raw: the
    scans' folder.
    """
    by_id = rows.set_index("sample_id", drop=False)
    reader = Reader(raw)
    for check, some in findings.groupby("check", sort=True):
        for number, sample_id in enumerate(some["sample_id"].head(EACH)):
            drawing = _drawing(reader, by_id.loc[sample_id])
            if drawing is not None:
                picture.write_png(drawing, folder / f"{check}-{number}.png")


def _drawing(reader: Reader, row: pd.Series) -> np.ndarray | None:
    try:
        image = reader.image(str(row["image"]), int(row["slice"]), str(row["modalities"]))
    except UserError:
        return None  # the finding says why
    plain = _scaled(picture.rgb(picture.levels(image)), cv2.INTER_AREA)
    outlined = plain.copy()
    try:
        numbers = reader.mask(str(row["mask"]), int(row["slice"]))
        mask = harmonise(numbers, sources.task(str(row["label_set"])))
        edges, _ = cv2.findContours(
            _scaled((mask > 0).astype(np.uint8), cv2.INTER_NEAREST), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE
        )
        cv2.drawContours(outlined, edges, -1, OUTLINE, 1)
    except (UserError, IndexError):
        pass  # a label that cannot be read: the picture alone
    return np.concatenate([plain, outlined], axis=1)


def _scaled(array: np.ndarray, interpolation: int) -> np.ndarray:
    scale = SIDE / max(array.shape[:2])
    size = (max(1, round(array.shape[1] * scale)), max(1, round(array.shape[0] * scale)))
    return cv2.resize(np.ascontiguousarray(array), size, interpolation=interpolation)
