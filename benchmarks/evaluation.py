"""Time and memory of evaluate beyond inference, on generated cases and probabilities.

    python benchmarks/evaluation.py                 # 780 slices of 22 patients in LGG's shape, 128 px
    python benchmarks/evaluation.py --volumes 20    # and 20 cases of BraTS's: 155 slices, three regions

As many cases to choose on as to score, each with and without flips: what `evaluate` does with its params as
shipped. Probabilities are generated case by case, which is not counted. Peak memory is of the whole process,
imports included.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from stages.core.record import Record
from stages.figures import curves, films
from stages.inference.cases import Prediction
from stages.masks.rule import Tta
from stages.scan.box import Box
from stages.scan.spacing import Spacing
from stages.scoring import conventions, decision, scores
from stages.scoring.prediction import Predictions
from stages.scoring.summary import headline
from stages.store import shards
from stages.store.shards import CaseMeta, Meta, Store, open_store

SIZE = 128
LGG = {"tumour": [1]}
BRATS = {"whole_tumour": [1, 2, 3], "tumour_core": [1, 3], "enhancing_tumour": [3]}
TOLERANCE_MM, RESAMPLES = 2.0, 2000  # as params.yaml has them
TTAS: tuple[Tta, ...] = ("none", "flip")


def write_store(folder: Path, lengths: list[int], regions: dict[str, list[int]]) -> Store:
    """Cases of so many slices: an ellipsoid of noise with a ragged tumour of nested labels."""
    random = np.random.default_rng(0)
    folder.mkdir()
    parts = []
    records, metas, pixels = [], {}, []
    for number, length in enumerate(lengths):
        grid = np.ogrid[tuple(slice(-1, 1, n * 1j) for n in (length, SIZE, SIZE))]
        ragged = ndimage.gaussian_filter(random.normal(size=(length, SIZE, SIZE)), (1, 4, 4))
        centre = random.uniform(-0.3, 0.3, 3)
        away = sum(((axis - c) / 0.3) ** 2 for axis, c in zip(grid, centre, strict=True)) + 4 * ragged
        labels = np.select([away < 0.3, away < 0.6, away < 1], [3, 1, 2], 0).astype(np.uint8)
        if len(regions) == 1:
            labels = (labels > 0).astype(np.uint8)
        head = np.asarray(sum((axis / 0.9) ** 2 for axis in grid)) < 1
        images = random.normal(100, 20, (*labels.shape, 1)) * head[..., None] + 40 * (labels > 0)[..., None]
        parts.append((np.repeat(images.clip(0, 255).astype(np.uint8), 3, axis=3), labels))
        case_id = f"case{number:03d}"
        spacing = (5.0, 1.5, 1.5) if len(regions) == 1 else (1.0, 1.4, 1.4)
        metas[case_id] = CaseMeta(
            mean=[0.0] * 3,
            std=[1.0] * 3,
            floor=0.0,
            box=Box(0, 0, SIZE, SIZE),
            height=SIZE,
            width=SIZE,
            frame_spacing_mm=Spacing(*spacing),
            spacing_known=True,
            label_pixels_outside_crop=0,
        )
        records += [
            Record(f"{case_id}-{n}", case_id, case_id, n, "", "", SIZE, SIZE, 3, "", site="ABC"[number % 3])
            for n in range(length)
        ]
        pixels += list((labels > 0).sum(axis=(1, 2)))
    classes = {label: str(label) for labels in regions.values() for label in labels}
    channels = ["pre", "flair", "post"]
    meta = Meta(size=SIZE, crop="brain", channels=channels, classes=classes, regions=regions, cases=metas)
    shards.write(folder, lengths, SIZE * SIZE * 3, parts)
    shards.close(folder, meta, pd.DataFrame(records).assign(label_pixels=pixels))
    return open_store(folder)


def predicted(store: Store, cases: list[str], seed: int) -> Iterator[Prediction]:
    """The truth blurred and shaken, as a network that is mostly right would tell it."""
    for number, case_id in enumerate(cases):
        random = np.random.default_rng([seed, number])
        rows = np.flatnonzero(store.index["case_id"] == case_id)
        labels = store.masks(rows)
        truth = np.stack([np.isin(labels, values) for values in store.meta.regions.values()], axis=1)
        noise = ndimage.gaussian_filter(random.normal(size=truth.shape).astype(np.float32), (0, 0, 5, 5))
        sharp = ndimage.gaussian_filter(truth.astype(np.float32), (0.5, 0, 2, 2)) + 2 * noise
        yield Prediction(case_id, rows, 1 / (1 + np.exp(-12 * (sharp - 0.5))))


def measure(store: Store, folder: Path) -> tuple[float, float]:
    """Seconds of everything evaluate does with its predictions, and the Dice it finds."""
    names = list(store.meta.cases)
    half = len(names) // 2
    arms: dict[str, dict[Tta, Predictions]] = {
        split: {tta: Predictions(store, predicted(store, cases, seed)) for seed, tta in enumerate(TTAS)}
        for split, cases in (("val", names[:half]), ("test", names[half:]))
    }
    regions = list(store.meta.regions)
    began = time.perf_counter()
    chosen = decision.choose(arms["val"], regions, "auto", "auto")
    test = arms["test"][chosen.tta]
    found = scores.of(
        test.map(partial(scores.of_case, chosen, TOLERANCE_MM, dict.fromkeys(regions, 0.0))), regions
    )
    scores.suspected({"val": arms["val"][chosen.tta], "test": test})
    for predictions in arms["test"].values():
        conventions.brief(scores.per_slice(predictions, chosen))
    curves.write(found, regions, folder)
    films.write(store, test, chosen, regions[0], found.per_case, folder)
    metrics = headline(found.per_case, regions, RESAMPLES)
    return time.perf_counter() - began, metrics["dice"]


def main() -> None:
    """Measure one set, or both."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--volumes", type=int, default=0, help="cases of BraTS's shape to score")
    volumes = parser.parse_args().volumes
    sets = [("LGG", [36] * 10 + [35] * 12, LGG)]
    if volumes:
        sets.append(("BraTS", [155] * volumes, BRATS))
    for name, lengths, regions in sets:
        with tempfile.TemporaryDirectory() as temporary:
            store = write_store(Path(temporary) / "slices", lengths * 2, regions)
            folder = Path(temporary) / "outs"
            folder.mkdir()
            seconds, dice = measure(store, folder)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{name}: {sum(lengths)} slices of {len(lengths)} cases scored in {seconds:.1f} s, "
            f"{seconds / len(lengths):.2f} s a case, peak {peak:.0f} MiB, Dice {dice:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
