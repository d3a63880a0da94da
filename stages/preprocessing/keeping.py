"""A case prepared, unless that was done before: its files, the preparation and the code decide."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from stages.core import kept
from stages.core.kept import Kept
from stages.formats import content
from stages.preprocessing import case
from stages.preprocessing.case import Preparation, Prepared, Row, Summary
from stages.store.shards import CaseMeta

COLUMNS = ("case_id", "slice", "image", "mask", "modalities", "label_set", "spacing_mm")
"""Of a row of the validated table, those that a case's slices follow from."""


class _About(BaseModel):
    """What is kept of a case before the bytes of its images and label maps."""

    meta: CaseMeta
    label_pixels: list[int]
    shape: tuple[int, int, int, int]


def results(folder: Path, preparation: Preparation, slices: int) -> Kept | None:
    """Cases kept in a folder; None where nothing is to be kept, or so many `slices` take more than may be:
    then each would drive out the next.
    """
    size = slices * preparation.slice_bytes * (1 + len(preparation.channels)) // len(preparation.channels)
    if size > kept.limit_bytes() or not kept.limit_bytes():
        return None
    return Kept.of(folder, asdict(preparation))


def prepare(raw: Path, preparation: Preparation, rows: list[Row], results: Kept | None) -> Prepared:
    """`case.prepare` of the rows of a case, or what it made of them before."""
    rows = [{name: row[name] for name in COLUMNS} for row in rows]
    hashes = content.of(raw, rows) if results else None
    if results is None or hashes is None:
        return case.prepare(raw, preparation, rows)
    key = results.key([rows, hashes])
    if (earlier := results.get(key)) is not None:
        return _prepared(rows[0]["case_id"], earlier)
    done = case.prepare(raw, preparation, rows)
    summary, (slices, height, width, channels) = done.summary, done.images.shape
    about = _About(
        meta=summary.meta, label_pixels=summary.label_pixels, shape=(slices, height, width, channels)
    )
    arrays = (np.ascontiguousarray(array, np.uint8).data.cast("B") for array in (done.images, done.masks))
    results.put(key, about.model_dump_json().encode() + b"\n", *arrays)
    return done


def _prepared(case_id: str, content: bytes) -> Prepared:
    text, _, values = content.partition(b"\n")
    about = _About.model_validate_json(text)
    numbers = np.frombuffer(values, np.uint8)
    images = numbers[: np.prod(about.shape)].reshape(about.shape)
    masks = numbers[images.size :].reshape(about.shape[:3])
    return Prepared(images, masks, Summary(case_id, about.meta, about.label_pixels))
