"""Films of predictions over scans: slices of a case side by side, hits, misses and false alarms in colour."""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from stages.figures import picture
from stages.masks.rule import Rule
from stages.scoring.decision import Scored
from stages.store.shards import Store

# RGB of Okabe and Ito's palette: bluish green, orange and blue differ for every kind of colour vision.
HIT, MISS, FALSE_ALARM = (0, 158, 115), (230, 159, 0), (0, 114, 178)
SHOWN = 12
"""Cases with a film, the worst first: a page of them stays small."""
FRAMES = 12
"""Slices of a film."""
SIDE = 160
"""Pixels of a slice, at most."""


def write(
    store: Store,
    predicted: Iterable[Scored],
    chosen: Rule,
    region: str,
    per_case: pd.DataFrame,
    folder: Path,
) -> pd.DataFrame:
    """Write `01.png` and so on for the first cases of `per_case` that have the region, in their order.

    Returns a row a frame: place (of the case, from 1), case_id, frame (from 0), slice (its position in the
    scan), found, missed, false_alarm (pixels of the store).
    """
    names = list(per_case.loc[per_case["region"] == region, "case_id"].head(SHOWN))
    number = list(store.meta.regions).index(region)
    parts = []
    for case in predicted:
        if case.case_id in names:
            place = names.index(case.case_id) + 1
            truth = case.truth[:, number]
            mask = chosen.mask(case.levels[:, number], region, case.voxel_ml)
            kept = frames(truth | mask)
            film(store.images(case.rows[kept]), truth[kept], mask[kept], folder / f"{place:02d}.png")
            parts.append(_table(case, place, store, kept, truth[kept], mask[kept]))
    return pd.concat(parts, ignore_index=True).sort_values(["place", "frame"], ignore_index=True)


def frames(tumour: np.ndarray) -> np.ndarray:
    """Positions of the slices to show of (S, H, W) bool: all with tumour, true or predicted, with one slice
    around them; of more than `FRAMES` evenly many, that with most among them.
    """
    sizes = np.count_nonzero(tumour, axis=(1, 2))
    some = np.flatnonzero(sizes)
    if not len(some):
        return np.array([len(sizes) // 2])
    places = np.arange(max(some[0] - 1, 0), min(some[-1] + 2, len(sizes)))
    if len(places) > FRAMES:
        even = places[np.linspace(0, len(places) - 1, FRAMES).round().astype(int)]
        even[np.abs(even - sizes.argmax()).argmin()] = sizes.argmax()
        places = np.unique(even)
    return places


def film(images: np.ndarray, truth: np.ndarray, predicted: np.ndarray, path: Path) -> None:
    """Write a PNG with a column a slice: painted above, as it is below.

    images: (N, H, W, C) uint8, truth and predicted: (N, H, W) bool.
    """
    columns = []
    for image, true, mask in zip(images, truth, predicted, strict=True):
        plain = picture.rgb(image)
        # The painted one in grey: three sequences drawn as red, green and blue have colours of their own.
        painted = np.repeat(plain.mean(axis=-1, keepdims=True), 3, axis=-1)
        for where, colour in ((true & mask, HIT), (true & ~mask, MISS), (mask & ~true, FALSE_ALARM)):
            painted[where] = 0.45 * painted[where] + 0.55 * np.array(colour)
        columns.append(np.concatenate([_small(painted.astype(np.uint8)), _small(plain)]))
    picture.write_png(np.concatenate(columns, axis=1), path)


def _small(pixels: np.ndarray) -> np.ndarray:
    scale = min(1.0, SIDE / max(pixels.shape[:2]))
    return cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _table(
    case: Scored, place: int, store: Store, kept: np.ndarray, truth: np.ndarray, mask: np.ndarray
) -> pd.DataFrame:
    counts = {"found": truth & mask, "missed": truth & ~mask, "false_alarm": mask & ~truth}
    return pd.DataFrame(
        {
            "place": place,
            "case_id": case.case_id,
            "frame": range(len(kept)),
            "slice": store.index["slice"].iloc[case.rows[kept]].to_numpy(),
            **{name: np.count_nonzero(where, axis=(1, 2)) for name, where in counts.items()},
        }
    )
