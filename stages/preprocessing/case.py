"""One case on its way from files to the slice store."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.core import tables
from stages.core.errors import UserError
from stages.formats.reader import Reader
from stages.framing import sections, transform
from stages.scan import spacing
from stages.scan.box import Box
from stages.scan.task import Task, harmonise
from stages.sources import sources
from stages.store.shards import CaseMeta, Meta


@dataclass(frozen=True)
class Preparation:
    """What all cases of a store share. `channels`: taken from each scan by name; `mean`: one, called gray, is
    made of all that a scan has.
    """

    size: int
    crop: str
    channels: list[str]
    mean: bool
    task: Task

    def positions(self, modalities: str) -> list[int] | None:
        """Of the channels among those of a scan, a row's `modalities`; None for their mean."""
        names = modalities.split(";")
        return None if self.mean else [names.index(name) for name in self.channels]

    @property
    def slice_bytes(self) -> int:
        """Of an image in the store."""
        return self.size * self.size * len(self.channels)


@dataclass(frozen=True)
class Summary:
    """What remains of a case once its slices are stored. `label_pixels` counts labelled pixels a slice, in
    the store.
    """

    case_id: str
    meta: CaseMeta
    label_pixels: list[int]


@dataclass(frozen=True)
class Prepared:
    """A case's slices (S, size, size, C) and label maps (S, size, size), both uint8."""

    images: np.ndarray
    masks: np.ndarray
    summary: Summary


def preparation(table: pd.DataFrame, channels: str | list[str], size: int, crop: str) -> Preparation:
    """Turn `preprocess.channels` into names of channels, and the table's label sets into classes and regions.

    Raises `UserError` for an unknown name, and where the scans have no channels or no labels in common.
    """
    kept = _channels(table, channels)
    tasks = [sources.task(name) for name in table["label_set"].unique()]
    if not all(task.alike(tasks[0]) for task in tasks):
        names = " and ".join(task.name for task in tasks)
        raise UserError(
            f"the scans differ in their labels ({names}); ingest them separately, or set ingest.labels where "
            "one meaning holds for all"
        )
    return Preparation(size, crop, kept, channels == "gray", tasks[0])


def _channels(table: pd.DataFrame, channels: str | list[str]) -> list[str]:
    if channels == "gray":
        return ["gray"]
    joined = tables.joined(table)
    offered = table.loc[~joined, "modalities"].unique()
    if len(offered) > 1:
        raise UserError(
            f"the scans differ in their modalities ({offered[0]} and {offered[1]}); "
            "ingest them separately or set preprocess.channels: gray"
        )
    names = offered[0].split(";")
    kept = names if channels == "all" else list(channels)
    unknown = [name for name in kept if name not in names]
    if unknown or not kept:
        what = f"names {unknown[0]}, which these scans do not have" if unknown else "is empty"
        raise UserError(f"preprocess.channels {what}; choose from {', '.join(names)}")
    for row in table[joined].drop_duplicates("case_id").itertuples():
        if lacking := [name for name in kept if name not in str(row.modalities).split(";")]:
            raise UserError(
                f"{row.case_id} of ingest.also lacks the channel {lacking[0]}; set preprocess.channels to "
                f"some of its own ({str(row.modalities).replace(';', ', ')}), or remove it from that folder"
            )
    return kept


Row = dict[str, Any]


def rows(table: pd.DataFrame) -> list[list[Row]]:
    """The rows of each case, cases in the order of their first row."""
    cases: dict[str, list[Row]] = {}
    for row in table.to_dict("records"):  # a data frame per case costs more than decoding a flat image
        cases.setdefault(row["case_id"], []).append({str(name): value for name, value in row.items()})
    return list(cases.values())


def prepare(raw: Path, preparation: Preparation, rows: list[Row]) -> Prepared:
    """Read, scale, crop and resize the slices of one case (rows of the validated table)."""
    volume, masks = read(Reader(raw), rows, preparation.positions(rows[0]["modalities"]))
    known = spacing.parse(rows[0]["spacing_mm"])
    mm = known or spacing.ASSUMED
    crop = preparation.crop == "brain"
    fitted, stored_images = transform.fit_images(volume, preparation.size, crop, mm.aspect)
    stored = transform.labels(masks, fitted)
    meta = CaseMeta(
        mean=list(fitted.mean),
        std=list(fitted.std),
        floor=fitted.floor,
        box=fitted.box,
        height=fitted.height,
        width=fitted.width,
        frame_spacing_mm=mm.scaled(*fitted.scale),
        spacing_known=known is not None,
        label_pixels_outside_crop=_outside(masks, fitted.box),
    )
    label_pixels = [int(count) for count in (stored > 0).sum(axis=(1, 2))]
    summary = Summary(rows[0]["case_id"], meta, label_pixels)
    return Prepared(stored_images, stored, summary)


def read(reader: Reader, rows: list[Row], positions: list[int] | None) -> tuple[np.ndarray, np.ndarray]:
    """The slices of one case (S, H, W, C) in their own dtype and their classes (S, H, W) uint8."""
    volume = masks = np.empty(0)
    for number, row in enumerate(rows):
        image = reader.image(row["image"], row["slice"], row["modalities"])
        image = transform.to_channels(image[None], positions)[0]
        mask = harmonise(reader.mask(row["mask"], row["slice"]), sources.task(row["label_set"]))
        if number == 0:
            # Filled in place: a list of slices, stacked, would hold a volume twice.
            volume = np.empty((len(rows), *image.shape), image.dtype)
            masks = np.empty((len(rows), *mask.shape), np.uint8)
        elif image.dtype != volume.dtype:
            volume = volume.astype(np.result_type(volume, image))
        volume[number], masks[number] = image, mask
    return volume, masks


def meta(preparation: Preparation, cases: list[Summary]) -> Meta:
    """The store's `meta.json`."""
    telling = [case for case in cases if case.meta.spacing_known]
    spacings = [case.meta.frame_spacing_mm for case in telling]
    lengths = [len(case.label_pixels) for case in telling]
    return Meta(
        size=preparation.size,
        crop=preparation.crop,
        channels=preparation.channels,
        classes=preparation.task.classes,
        regions=preparation.task.regions,
        exclusive=preparation.task.exclusive,
        noun=preparation.task.noun,
        through_mm=sections.planned(spacings, lengths, preparation.size),
        cases={case.case_id: case.meta for case in cases},
    )


def order(table: pd.DataFrame, cases: list[Summary]) -> np.ndarray:
    """Positions (N,) of the validated rows in the order of the shards."""
    numbers = {case.case_id: number for number, case in enumerate(cases)}
    # numpy: pandas takes 20 ms to set up a sort by a key.
    return np.argsort([numbers[case_id] for case_id in table["case_id"]], kind="stable")


def index(rows: pd.DataFrame, cases: list[Summary]) -> pd.DataFrame:
    """The store's `index.csv`: validated rows in the order of the shards, with their labelled pixels."""
    rows = rows.reset_index(drop=True)
    rows["label_pixels"] = [count for case in cases for count in case.label_pixels]
    return rows


def _outside(masks: np.ndarray, box: Box) -> int:
    """Labelled pixels that the crop cuts off: the crop may not look at labels, so it can miss some."""
    inside = masks[:, max(box.top, 0) : box.top + box.height, max(box.left, 0) : box.left + box.width]
    return int((masks > 0).sum() - (inside > 0).sum())
