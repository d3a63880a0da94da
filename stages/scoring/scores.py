"""Passes over predicted cases, and the tables that every number and figure of a report comes from."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stages.masks import levels
from stages.scoring import cases, conventions, histograms, suspects
from stages.scoring.decision import Decision, Scored
from stages.store.shards import Store


@dataclass(frozen=True)
class Scores:
    """per_case: a row a case and region (`cases.score`, with contrast and site), the worst first; per_slice:
    a row a slice and region (`conventions.slices`); histograms: by region, of all voxels.
    """

    per_case: pd.DataFrame
    per_slice: pd.DataFrame
    histograms: dict[str, np.ndarray]


def of(store: Store, predicted: Iterable[Scored], chosen: Decision, tolerance_mm: float) -> Scores:
    """Score every case in one pass, one case in memory at a time."""
    rows, parts = [], []
    shape = (2, levels.LEVELS + 1)
    counts = {region: np.zeros(shape, np.int64) for region in store.meta.regions}
    for case in predicted:
        images = store.images(case.rows)
        site = str(store.index["site"].iloc[case.rows[0]])
        for number, region, mask in _masks(case, store, chosen):
            truth = case.truth[:, number]
            row = cases.score(case, number, region, mask, tolerance_mm)
            rows.append({**row, "contrast": cases.contrast(images, truth), "site": site})
            parts.append(conventions.slices(case, number, region, mask))
            counts[region] += histograms.count(case.levels[:, number], truth)
    per_case = pd.DataFrame(rows).sort_values(["dice", "case_id"], kind="stable", ignore_index=True)
    return Scores(per_case, pd.concat(parts, ignore_index=True), counts)


def per_slice(store: Store, predicted: Iterable[Scored], chosen: Decision) -> pd.DataFrame:
    """Only the voxel counts of every slice (`conventions.slices`)."""
    parts = [
        conventions.slices(case, number, region, mask)
        for case in predicted
        for number, region, mask in _masks(case, store, chosen)
    ]
    return pd.concat(parts, ignore_index=True)


def suspected(store: Store, by_split: dict[str, Iterable[Scored]]) -> pd.DataFrame:
    """The labels of each split's cases that a sure model contradicts the most (`suspects.ranked`)."""
    ids = store.index["sample_id"]
    return suspects.ranked(
        [
            suspects.of_case(case, number, region, split, list(ids.iloc[case.rows]))
            for split, predicted in by_split.items()
            for case in predicted
            for number, region in enumerate(store.meta.regions)
        ]
    )


def _masks(case: Scored, store: Store, chosen: Decision) -> Iterator[tuple[int, str, np.ndarray]]:
    for number, region in enumerate(store.meta.regions):
        yield number, region, chosen.mask(case.levels[:, number], region, case.voxel_ml)
