"""Passes over predicted cases, and the tables that every number and figure of a report comes from."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from stages.masks.rule import Rule
from stages.scoring import cases, conformal, conventions, histograms, suspects
from stages.scoring.decision import Cases, Scored
from stages.store.shards import Store


@dataclass(frozen=True)
class Scores:
    """per_case: a row a case and region (`cases.score`, with contrast, site and the scores of
    `conformal`), the worst first; per_slice:
    a row a slice and region (`conventions.slices`); histograms: by region, of all voxels.
    """

    per_case: pd.DataFrame
    per_slice: pd.DataFrame
    histograms: dict[str, np.ndarray]


@dataclass(frozen=True)
class Part:
    """The same of one case, a list of each: an item a region."""

    rows: list[dict[str, Any]]
    per_slice: list[pd.DataFrame]
    histograms: list[np.ndarray]


def of_case(
    chosen: Rule, tolerance_mm: float, shift: Mapping[str, float], case: Scored, store: Store
) -> Part:
    """Score every region of a case. tolerance_mm: of the surface Dice. shift: of `conformal.shifts`."""
    images = store.images(case.rows)
    source: dict[str, str] = {name: str(store.index[name].iloc[case.rows[0]]) for name in ("site", "traits")}
    part = Part([], [], [])
    masks = list(_masks(chosen, case, store))
    whole = conformal.of_case(case, [mask for _, _, mask in masks], store.meta.regions)
    for number, region, mask in masks:
        truth, own = case.truth[:, number], case.levels[:, number]
        counts = histograms.count(own, truth)
        row = cases.score(case, number, region, mask, tolerance_mm)
        about = {"contrast": cases.contrast(images, truth), **source}
        part.rows.append({**row, **about, **whole, **conformal.of_region(own, mask, counts, shift[region])})
        part.per_slice.append(conventions.slices(case, number, region, mask))
        part.histograms.append(counts)
    return part


def of(parts: Iterable[Part], regions: Iterable[str]) -> Scores:
    """What `of_case` says of each case, of all cases together."""
    parts = list(parts)
    table = pd.DataFrame([row for part in parts for row in part.rows])
    counts = [
        np.sum(of_region, axis=0) for of_region in zip(*(part.histograms for part in parts), strict=True)
    ]
    return Scores(
        table.sort_values(["dice", "case_id"], kind="stable", ignore_index=True),
        pd.concat([table for part in parts for table in part.per_slice], ignore_index=True),
        dict(zip(regions, counts, strict=True)),
    )


def per_slice(predicted: Cases, chosen: Rule) -> pd.DataFrame:
    """Only the voxel counts of every slice (`conventions.slices`)."""
    parts = predicted.map(partial(_slices, chosen))
    return pd.concat([table for part in parts for table in part], ignore_index=True)


def _slices(chosen: Rule, case: Scored, store: Store) -> list[pd.DataFrame]:
    return [
        conventions.slices(case, number, region, mask) for number, region, mask in _masks(chosen, case, store)
    ]


def suspected(by_split: dict[str, Cases]) -> pd.DataFrame:
    """The labels of each split's cases that a sure model contradicts the most (`suspects.ranked`)."""
    parts = (
        part for split, predicted in by_split.items() for part in predicted.map(partial(_suspects, split))
    )
    return suspects.ranked([table for part in parts for table in part])


def _suspects(split: str, case: Scored, store: Store) -> list[pd.DataFrame]:
    ids = list(store.index["sample_id"].iloc[case.rows])
    return [
        suspects.of_case(case, number, region, split, ids) for number, region in enumerate(store.meta.regions)
    ]


def _masks(chosen: Rule, case: Scored, store: Store) -> Iterator[tuple[int, str, np.ndarray]]:
    for number, region in enumerate(store.meta.regions):
        yield number, region, chosen.mask(case.levels[:, number], region, case.voxel_ml)
