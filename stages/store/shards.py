"""The slice store: uint8 slices of all cases in .npy shards of whole cases, opened as memory maps.

Few files for DVC to hash, no decoding while training, and memory that does not grow with the data set.
"""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from stages.core import atomic, tables
from stages.core.errors import UserError
from stages.scan.box import Box
from stages.scan.spacing import Spacing

SHARD_BYTES = 512 * 2**20
"""Of the images of a shard, at most."""
LEAST_BYTES = 4 * 2**20
"""Less is not worth a file, nor the message to a worker."""
SHARES = 16
"""Shards of a large store at the least: for 16 workers, or for two that end together."""
SCHEMA = 3


class CaseMeta(BaseModel):
    """Geometry and intensity scaling of one case: what maps its scan to the store and a prediction back."""

    model_config = ConfigDict(frozen=True)

    mean: list[float]
    std: list[float]
    floor: float
    box: Box
    height: int
    width: int
    frame_spacing_mm: Spacing  # of the slices in the store, not of the scan
    spacing_known: bool
    label_pixels_outside_crop: int

    @property
    def through_mm(self) -> float | None:
        """Distance of the case's slices, None where its scan does not tell."""
        return self.frame_spacing_mm.through if self.spacing_known else None


class _Version(BaseModel):
    """What every `meta.json` has, whatever the other fields of its schema are."""

    schema_version: int


class Meta(BaseModel):
    """`meta.json` of a store."""

    model_config = ConfigDict(frozen=True)

    schema_version: int = SCHEMA
    size: int
    crop: str
    channels: list[str]
    classes: dict[int, str]
    regions: dict[str, list[int]]
    exclusive: bool = False  # as in scan.task.Task
    noun: str = "tumour"
    # Between sections, as `framing.sections` plans it; None where no case tells.
    through_mm: float | None = None
    cases: dict[str, CaseMeta]


@dataclass(frozen=True)
class Store:
    """An open store. `index` has the manifest's columns and `label_pixels`; row i of it is slice i of the
    arrays.
    """

    meta: Meta
    index: pd.DataFrame
    image_shards: list[np.ndarray]
    mask_shards: list[np.ndarray]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a slice: height, width, channels."""
        return self.meta.size, self.meta.size, len(self.meta.channels)

    def images(self, rows: np.ndarray) -> np.ndarray:
        """Slices at `rows` (any order) as (N, size, size, C) uint8."""
        return self._take(self.image_shards, rows)

    def masks(self, rows: np.ndarray) -> np.ndarray:
        """Label maps at `rows` as (N, size, size) uint8."""
        return self._take(self.mask_shards, rows)

    def _take(self, shards: list[np.ndarray], rows: np.ndarray) -> np.ndarray:
        rows = np.asarray(rows)
        begins = np.cumsum([0, *(len(shard) for shard in shards)])
        shard_of = np.searchsorted(begins, rows, side="right") - 1
        out = np.empty((len(rows), *shards[0].shape[1:]), dtype=np.uint8)
        for number in np.unique(shard_of):
            here = shard_of == number
            out[here] = shards[number][rows[here] - begins[number]]
        return out


def joined(first: Store, second: Store) -> Store:
    """One store with the slices of both, those of `second` after those of `first`. Nothing is copied."""
    return Store(
        first.meta.model_copy(update={"cases": first.meta.cases | second.meta.cases}),
        pd.concat([first.index, second.index], ignore_index=True),
        first.image_shards + second.image_shards,
        first.mask_shards + second.mask_shards,
    )


Slices = tuple[np.ndarray, np.ndarray]
"""Of a case: images (S, size, size, C) and label maps (S, size, size), both uint8."""


def plan(lengths: Sequence[int], slice_bytes: int) -> list[range]:
    """Which cases, by position, lie in which shard: whole ones, in order.

    lengths: slices of each case. slice_bytes: of an image of the frame. Shards hold up to a `SHARES`th of the
    store, so that work can be shared out, or `LEAST_BYTES` of a small one, and `SHARD_BYTES` at most; a
    larger case has one of its own. Nothing but the data decides, least of all the number of workers.
    """
    target = min(max(sum(lengths) * slice_bytes // SHARES, LEAST_BYTES), SHARD_BYTES)
    shards, first, filled = [], 0, 0
    for place, length in enumerate(lengths):
        if filled and (filled + length) * slice_bytes > target:
            shards.append(range(first, place))
            first, filled = place, 0
        filled += length
    return [*shards, range(first, len(lengths))]


def write_shard(folder: Path, number: int, slices: int, cases: Iterable[Slices]) -> None:
    """Write one shard of a store: so many `slices` in all, case by case, with one case in memory at a time.

    Inside `atomic.directory`. Each shard has files of its own, so that several processes may write the shards
    of a store. Raises `ValueError` where the cases do not make so many slices of one shape.
    """
    written, shape = 0, None
    with ExitStack() as files:
        streams = [
            files.enter_context((folder / f"{kind}-{number:03d}.npy").open("wb"))
            for kind in ("images", "masks")
        ]
        for images, masks in cases:
            if shape is None:
                shape = images.shape[1:]
                for stream, own in zip(streams, (shape, shape[:2]), strict=True):
                    about = {"descr": "|u1", "fortran_order": False, "shape": (slices, *own)}
                    np.lib.format.write_array_header_1_0(stream, about)
            if images.shape[1:] != shape or masks.shape != (len(images), *shape[:2]):
                raise ValueError(f"slices {images.shape} with labels {masks.shape} do not fit the store")
            # Written, not through a memory map, whose pages would add up in memory.
            for stream, arrays in zip(streams, (images, masks), strict=True):
                stream.write(np.ascontiguousarray(arrays, dtype=np.uint8).data)
            written += len(images)
    if written != slices:
        raise ValueError(f"{written} slices came for a shard of {slices}")


def write(folder: Path, lengths: Sequence[int], slice_bytes: int, cases: Iterable[Slices]) -> None:
    """All shards of a store in this process, the cases in order; then `close`."""
    stream = iter(cases)
    for number, places in enumerate(plan(lengths, slice_bytes)):
        write_shard(folder, number, sum(lengths[place] for place in places), islice(stream, len(places)))


def close(folder: Path, meta: Meta, index: pd.DataFrame) -> None:
    """Write `meta.json` and `index.csv`, a row a slice in the order of the shards."""
    tables.write(index, folder / "index.csv")
    atomic.json_file(meta.model_dump(mode="json"), folder / "meta.json")


def fingerprints(folder: Path) -> Path:
    """The hashes of its slices' pictures, in their order (`fingerprints.seen`)."""
    return folder / "fingerprints.npy"


def open_store(folder: Path) -> Store:
    """Open a store read-only. Raises `UserError` where it is missing, damaged or of another schema."""
    meta = read_meta(folder)
    index = tables.read(tables.MANIFEST, folder / "index.csv")
    shards: dict[str, Any] = {}
    for kind in ("images", "masks"):
        try:
            shards[kind] = [
                np.load(path, mmap_mode="r", allow_pickle=False)
                for path in sorted(folder.glob(f"{kind}-*.npy"))
            ]
        except (ValueError, EOFError):  # a file cut short
            shards[kind] = []
    lengths = [len(shard) for shard in shards["images"]]
    whole = index["case_id"].ne(index["case_id"].shift()).sum() == index["case_id"].nunique()
    if not whole or sum(lengths) != len(index) or lengths != [len(shard) for shard in shards["masks"]]:
        raise UserError(f"{folder} is incomplete; run `dvc repro --force preprocess`")
    return Store(meta, index, shards["images"], shards["masks"])


def read_meta(folder: Path) -> Meta:
    """Read `meta.json`; raises `UserError` where it is missing or of another schema."""
    path = folder / "meta.json"
    try:
        text = path.read_bytes()
        version = _Version.model_validate_json(text).schema_version
        if version != SCHEMA:
            raise UserError(f"{path} has schema {version}, not {SCHEMA}; run `dvc repro preprocess`")
        return Meta.model_validate_json(text)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; `dvc repro preprocess` makes it") from None
    except ValidationError:
        raise UserError(f"{path} is damaged; run `dvc repro --force preprocess`") from None
