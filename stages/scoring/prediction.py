"""Turn predicted probabilities and the store's labels into cases that can be scored."""

from collections.abc import Iterable

import numpy as np

from stages.scoring import overlap
from stages.scoring.decision import Decision, Scored, quantise
from stages.slices.store import Store


def scored(store: Store, predicted: Iterable[tuple[str, np.ndarray, np.ndarray]]) -> list[Scored]:
    """Cases from (case_id, rows of the store, probabilities (S, R, H, W)); truth is taken from the store's
    label maps.
    """
    cases = []
    for case_id, rows, probabilities in predicted:
        labels = store.masks(rows)
        truth = np.stack([np.isin(labels, values) for values in store.meta.regions.values()], axis=1)
        cases.append(
            Scored(
                case_id=case_id,
                patient_id=str(store.index["patient_id"].iloc[rows[0]]),
                levels=quantise(probabilities),
                truth=truth,
                spacing_mm=store.meta.cases[case_id].spacing_mm,
            )
        )
    return cases


def dice(case: Scored, number: int, region: str, chosen: Decision) -> float:
    """Volume Dice of a region (channel `number`) of a case."""
    mask = chosen.mask(case.levels[:, number], region, case.voxel_ml)
    return overlap.dice(overlap.count(mask, case.truth[:, number]))
