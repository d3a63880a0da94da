"""The slice store: uint8 slices of all cases in a few large .npy shards, opened as memory maps.

Few files for DVC to hash, no decoding while training, and memory that does not grow with the data set.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from stages.core import atomic, manifest
from stages.core.errors import UserError

SHARD_BYTES = 512 * 2**20
SCHEMA = 1
ASSUMED_SPACING_MM = (1.0, 1.0, 1.0)
"""Where a source does not tell its spacing; `spacing_known` is false there and every number in mm says so."""


class CaseMeta(BaseModel):
    """Geometry and intensity scaling of one case: what maps its scan to the store and a prediction back."""

    model_config = ConfigDict(frozen=True)

    mean: list[float]
    std: list[float]
    floor: float
    box: tuple[int, int, int]
    height: int
    width: int
    spacing_mm: tuple[float, float, float]  # of the store: slice, row, column
    spacing_known: bool
    label_pixels_outside_crop: int


class Meta(BaseModel):
    """`meta.json` of a store."""

    model_config = ConfigDict(frozen=True)

    schema_version: int = SCHEMA
    size: int
    crop: str
    channels: list[str]
    classes: dict[int, str]
    regions: dict[str, list[int]]
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


class Writer:
    """Fills the shards of a new store. Use inside `atomic.directory`.

    It may be sent to other processes, which `put` slices into their places in any order.
    """

    def __init__(self, folder: Path, slices: int, size: int, channels: int) -> None:
        self.folder = folder
        self.slices = slices
        self.shape = {"images": (size, size, channels), "masks": (size, size)}
        self.per_shard = max(1, SHARD_BYTES // (size * size * channels))
        self.filled = 0
        self.begin: dict[str, int] = {}  # of the slices in a shard, behind the header
        for first in range(0, slices, self.per_shard):
            for kind, shape in self.shape.items():
                self._create(kind, first, (min(self.per_shard, slices - first), *shape))

    def _create(self, kind: str, first: int, shape: tuple[int, ...]) -> None:
        with self._path(kind, first).open("wb") as file:
            about = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, about)
            self.begin[f"{kind}{first}"] = file.tell()
            file.truncate(file.tell() + math.prod(shape))

    def _path(self, kind: str, first: int) -> Path:
        return self.folder / f"{kind}-{first // self.per_shard:03d}.npy"

    def add(self, images: np.ndarray, masks: np.ndarray) -> None:
        """Append slices (S, size, size, C) and label maps (S, size, size), both uint8."""
        self.put(self.filled, images, masks)
        self.arrived(len(images))

    def put(self, row: int, images: np.ndarray, masks: np.ndarray) -> None:
        """Write slices and label maps, as `add` takes them, from `row` on."""
        if (
            images.shape[1:] != self.shape["images"]
            or masks.shape != (len(images), *self.shape["masks"])
            or row + len(images) > self.slices
        ):
            raise ValueError(f"slices {images.shape} with labels {masks.shape} do not fit the store")
        done = 0
        while done < len(images):
            place = (row + done) % self.per_shard
            first = row + done - place
            count = min(len(images) - done, self.per_shard - place)
            for kind, arrays in (("images", images), ("masks", masks)):
                part = np.ascontiguousarray(arrays[done : done + count], dtype=np.uint8)
                # Written, not through a memory map, whose pages would add up in memory.
                with self._path(kind, first).open("r+b") as file:
                    file.seek(self.begin[f"{kind}{first}"] + place * math.prod(self.shape[kind]))
                    file.write(part.data)
            done += count

    def arrived(self, slices: int) -> None:
        """Count slices that were put; `close` wants all of them."""
        self.filled += slices

    def close(self, meta: Meta, index: pd.DataFrame) -> None:
        """Write `meta.json` and `index.csv`."""
        if not self.filled == self.slices == len(index):
            raise ValueError(f"{self.filled} slices were added for an index of {len(index)} rows")
        manifest.write(index, self.folder / "index.csv")
        atomic.json_file(meta.model_dump(mode="json"), self.folder / "meta.json")


def open_store(folder: Path) -> Store:
    """Open a store read-only. Raises `UserError` where it is missing, damaged or of another schema."""
    meta = read_meta(folder)
    index = manifest.read(folder / "index.csv")
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
    if sum(lengths) != len(index) or lengths != [len(shard) for shard in shards["masks"]]:
        raise UserError(f"{folder} is incomplete; run `dvc repro --force preprocess`")
    return Store(meta, index, shards["images"], shards["masks"])


def read_meta(folder: Path) -> Meta:
    """Read `meta.json`; raises `UserError` where it is missing or of another schema."""
    path = folder / "meta.json"
    try:
        meta = Meta.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; `dvc repro preprocess` makes it") from None
    except ValidationError:
        raise UserError(f"{path} is damaged; run `dvc repro --force preprocess`") from None
    if meta.schema_version != SCHEMA:
        raise UserError(f"{path} has schema {meta.schema_version}, not {SCHEMA}; run `dvc repro preprocess`")
    return meta
