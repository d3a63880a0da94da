"""Masks that lie beside their tumours, by how well `audit` saw them fit after each of its moves."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from stages.checks import audit, labels
from stages.checks.check import Finding
from stages.checks.slices import Slices

BETTER = 0.15
"""By how much masks must fit better elsewhere, in standard deviations."""
MIN_SLICES = 4
"""Slices of a case that must show tumour: runs of four or six LGG slices reach 0.14, of two 0.49."""
MIN_PICTURES = 10
"""Pictures of one slice that must be judged together: 2,000 draws of 10 out of figshare stay below -0.06."""
MOST = 0.5
"""Share of the cases from which one finding speaks for all."""


def misregistered(slices: Slices) -> Iterator[Finding]:
    """Masks that fit their pictures better elsewhere: case by case, and small cases together."""
    labelled = slices.labelled
    placed = labelled[~labels.boxes(labelled) & labelled["placement"].notna()]
    cases = [(str(case_id), case) for case_id, case in placed.groupby("case_id")]
    large = {case_id: case for case_id, case in cases if len(case) >= MIN_SLICES}
    yield from _by_case(large)
    yield from _together(placed[~placed["case_id"].isin(list(large))])


def _by_case(cases: dict[str, pd.DataFrame]) -> Iterator[Finding]:
    """A finding each, and a single one where most fit better after the same move."""
    # Mean before amount: what differs in another direction in every slice cancels out.
    fits = {case_id: _amount(_placements(case).mean(axis=0)) for case_id, case in cases.items()}
    moves = {case_id: _best(fit) for case_id, fit in fits.items() if _gain(fit, _best(fit)) > BETTER}
    if len(cases) >= MIN_SLICES and moves:
        usual = max(sorted(set(moves.values())), key=list(moves.values()).count)
        alike = [case_id for case_id, fit in fits.items() if _gain(fit, usual) > BETTER]
        if len(alike) > MOST * len(cases):
            first, move = cases[alike[0]].iloc[0], audit.MOVES[usual - 1]
            text = f"the masks of {len(alike)} of {len(cases)} cases fit their pictures better {move}"
            yield Finding(first["sample_id"], first["mask"], text)
            moves = {case_id: best for case_id, best in moves.items() if case_id not in alike}
    for case_id in moves:
        case = cases[case_id]
        row = case[case["mask_pixels"] == case["mask_pixels"].max()].iloc[0]
        text = f"the {len(case)} masks of case {case_id} fit their pictures better {_words(fits[case_id])}"
        yield Finding(row["sample_id"], row["mask"], text)


def _together(pictures: pd.DataFrame) -> Iterator[Finding]:
    if len(pictures) < MIN_PICTURES:
        return
    # Amount before mean: each picture shows another tumour, brighter or darker than what is around it.
    fit = np.mean([_amount(placement.astype(np.float64)) for placement in pictures["placement"]], axis=0)
    if _gain(fit, _best(fit)) > BETTER:
        first = pictures.iloc[0]
        text = f"the masks of {len(pictures)} pictures fit them better {_words(fit)}"
        yield Finding(first["sample_id"], first["mask"], text)


def _placements(case: pd.DataFrame) -> np.ndarray:
    """(slices, 1 + len(MOVES), C), of the slices that have as many channels as the first."""
    shape = case["placement"].iloc[0].shape
    alike = [placement for placement in case["placement"] if placement.shape == shape]
    return np.stack(alike).astype(np.float64)


def _amount(placement: np.ndarray) -> np.ndarray:
    """Over all channels: (1 + len(MOVES), C) -> (1 + len(MOVES),), a fit of the masks as they are first."""
    return np.sqrt((placement**2).sum(axis=1))


def _best(fit: np.ndarray) -> int:
    """Which of the moves fits best."""
    return int(fit[1:].argmax()) + 1


def _gain(fit: np.ndarray, move: int) -> float:
    return float(fit[move] - fit[0])


def _words(fit: np.ndarray) -> str:
    best = _best(fit)
    return f"{audit.MOVES[best - 1]} (contrast along their edge {fit[best]:.2f}, as they are {fit[0]:.2f})"
