"""Sets of any size for `scale.py`: tables as stages write them, and small scans in LGG's layout.

All follows from the number of a slice or patient. One slice in `COPIED` is another turned and changed
in as many bits as are allowed, of another patient; one in `TWICE` has the same pixels.
"""

import dataclasses
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pandas as pd
import tifffile

from stages.checks.audit import MOVES
from stages.core import record, workers
from stages.fingerprints import fingerprint
from stages.project.paths import Paths
from stages.scan.spacing import Spacing
from stages.scoring.decision import Scored, T, Task
from stages.store.shards import Store

EACH = 36
"""Slices of a patient: the LGG set has 3,929 of 110."""
SITES = ("CS", "DU", "EZ", "FG", "HT")
SIDE = 128
BITS = 60
COPIED = 200
TWICE = 1000
LABELLED = 0.35
"""Share of slices with tumour, as in the LGG set."""


def patients(slices: int) -> np.ndarray:
    """Of each slice its patient_id."""
    names = [f"TCGA_{SITES[n % len(SITES)]}_{n:05d}" for n in range(-(-slices // EACH))]
    return np.repeat(np.array(names, object), EACH)[:slices]


def manifest(slices: int) -> pd.DataFrame:
    """A row a slice, as ingest writes it."""
    owners, number = patients(slices), np.arange(slices) % EACH + 1
    cases = owners + "_19960909"
    ids = cases + "_" + number.astype(str).astype(object)
    stems = "kaggle_3m/" + cases + "/" + ids
    columns: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(record.Record)}
    columns |= {"sample_id": ids, "case_id": cases, "patient_id": owners, "slice": number}
    columns |= {"image": stems + ".tif", "mask": stems + "_mask.tif", "width": 256, "height": 256}
    columns |= {"channels": 3, "spacing_mm": "", "modalities": "pre;flair;post", "source": "lgg"}
    return pd.DataFrame(columns | {"site": [owner[5:7] for owner in owners]})


def pixels(slices: int) -> np.ndarray:
    """Labelled pixels of each slice."""
    random = np.random.default_rng(1)
    sizes = random.gamma(2, 600, slices).astype(np.int64) + 10
    return sizes * (random.random(slices) < LABELLED)


def pictures(slices: int) -> list[str]:
    """Hashes of pictures: neighbouring slices of a patient differ in a tenth of the bits."""
    random = np.random.default_rng(2)
    width = fingerprint.SIDE**2 // 8
    hashes = []
    for _ in range(0, slices, EACH):
        changed = np.packbits(random.random((EACH, 8 * width), dtype=np.float32) < 0.1, axis=1)
        changed[0] = np.frombuffer(random.bytes(width), np.uint8)
        hashes.append(np.bitwise_xor.accumulate(changed))
    grids = np.concatenate(hashes)[:slices]
    for left, right in _pairs(slices, COPIED):
        grid = np.unpackbits(grids[left]).reshape(fingerprint.SIDE, -1).T.ravel()
        grid[random.choice(len(grid), BITS, replace=False)] ^= 1
        grids[right] = np.packbits(grid)
    return [grid.tobytes().hex() for grid in grids]


def _pairs(slices: int, every: int) -> list[tuple[int, int]]:
    """One slice in so many with another before it, of another patient."""
    return [(right // 2 - right // 2 % every + 1, right) for right in range(every - 1, slices, every)]


def copies(slices: int) -> list[tuple[str, str]]:
    """What the search finds: sample_ids."""
    ids = manifest(slices)["sample_id"].to_numpy()
    return [(ids[left], ids[right]) for left, right in _pairs(slices, COPIED)]


def measurements(slices: int) -> pd.DataFrame:
    """A row a slice, as `statistics.measure` gives it, of a set in order."""
    random = np.random.default_rng(3)
    labelled = pixels(slices)
    some = labelled > 0
    content = [random.bytes(32).hex() for _ in range(slices)]
    for left, right in _pairs(slices, TWICE):
        content[right] = content[left]
    edge = np.arange(slices) % EACH
    head = np.where((edge == 0) & (random.random(slices) < 0.02), 0.002, random.uniform(0.3, 0.6, slices))
    fits = random.standard_normal((slices, 1 + len(MOVES), 3), np.float32)
    fits *= 0.1
    fits[:, 0] += 1
    planes = [";".join(random.bytes(32).hex() for _ in range(3)) for _ in range(slices)]
    texts = dict.fromkeys(("image_problem", "mask_problem", "label_problem", "remarks"), "")
    sizes = {"height": 256, "width": 256, "channels": 3, "lowest": 0.0, "highest": 255.0}
    flags = {"finite": True, "mask_matches": True, "mask_lies": False, "copied_channels": False}
    shape = {"components": some.astype(int), "smallest_component": labelled, "rectangle": False}
    shape |= {"border": 0.0, "outside": 0.0, "covers": some * 0.1, "level": random.normal(0.3, 0.02, slices)}
    return pd.DataFrame(
        {"sample_id": manifest(slices)["sample_id"], **texts, **sizes, **flags, "mask_pixels": labelled}
        | {"head": head, "content": content, "planes": planes, "picture": pictures(slices), **shape}
        | {"contrast": random.normal(0.15, 0.01, slices), "placement": list(fits)}
    ).assign(placement=lambda table: table["placement"].where(some, None))


def files(rows: pd.DataFrame) -> pd.DataFrame:
    """As `statistics.scans` lists them."""
    return pd.DataFrame({"file": pd.concat([rows["image"], rows["mask"]], ignore_index=True), "used": True})


class Cases:
    """So many scored cases of few pixels, one in memory at a time."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __iter__(self) -> Iterator[Scored]:
        for number in range(self.number):
            random = np.random.default_rng(number)
            truth = np.zeros((EACH, 1, 8, 8), bool)
            truth[8:20, :, 2:6, 2:6] = True
            levels = (truth * 120 + random.integers(0, 80, truth.shape)).astype(np.uint8)
            name = f"TCGA_{SITES[number % len(SITES)]}_{number:05d}"
            rows = np.arange(number * EACH, (number + 1) * EACH)
            yield Scored(f"{name}_19960909", name, levels, truth, Spacing(6.0, 1.0, 1.0), rows)

    def map(self, task: Task[T]) -> Iterator[T]:
        """What a task that asks nothing of the store makes of each."""
        return (task(case, cast(Store, None)) for case in self)


def reports(slices: int, folder: Path) -> Paths:
    """Every stage's reports of a set as the tests make them, with findings and cases in proportion."""
    from tests.fixtures import reports as makers

    slice_ids = manifest(slices)["sample_id"].to_numpy()
    found = {
        "severity": "warning",
        "check": "near_duplicate",
        "file": "x.tif",
        "explanation": "it looks like another",
    }
    findings = [{**found, "sample_id": slice_ids[right]} for _, right in _pairs(slices, COPIED)]
    number = slices // EACH // 5
    return makers.folder(
        folder, makers.evaluated(), makers.exported(), findings=findings, cases=number, side=SIDE, seed=0
    )


def write_scans(folder: Path, slices: int) -> None:
    """So many slices below `folder`, `EACH` a patient: three channels and a mask, TIFFs uncompressed."""
    with workers.pool() as pool:
        list(pool.map(partial(write_patient, folder / "kaggle_3m"), range(slices // EACH), chunksize=8))


def write_patient(folder: Path, number: int) -> None:
    """A head of smooth noise, whose bumps no other patient has, with a brighter ball in it."""
    random = np.random.default_rng(number)
    down, across, back = np.ogrid[-1 : 1 : EACH * 1j, -1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    radii = random.uniform(0.7, 0.95, 3)
    head = (down / (1.1 * radii[0])) ** 2 + (across / radii[1]) ** 2 + (back / radii[2]) ** 2 < 1
    where, size = random.uniform(-0.3, 0.3, 3), random.uniform(0.12, 0.4)
    ball = (down - where[0]) ** 2 + (across - where[1]) ** 2 + (back - where[2]) ** 2 < size**2
    name = f"TCGA_{SITES[number % len(SITES)]}_{number:05d}_19960909"
    (folder / name).mkdir(parents=True)
    bumps = random.normal(size=(2, 16, 16, 3)).astype(np.float32)
    for k in range(EACH):
        share = k / (EACH - 1)
        smooth = cv2.resize(
            bumps[0] * (1 - share) + bumps[1] * share, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC
        )
        grain = random.normal(0, 6, (SIDE, SIDE, 3))
        image = (110 + 22 * smooth + grain + 70 * ball[k][..., None]) * head[k][..., None]
        stem = folder / name / f"{name}_{k + 1}"
        tifffile.imwrite(f"{stem}.tif", image.clip(0, 255).astype(np.uint8), photometric="rgb")
        tifffile.imwrite(f"{stem}_mask.tif", (ball[k] & head[k]).astype(np.uint8) * np.uint8(255))
