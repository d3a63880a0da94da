"""What a page says of test cases: the sections Result, Where it fails, and Patients."""

from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from stages.core import tables
from stages.reporting import inline
from stages.reporting.published import PUBLISHED
from stages.scoring import absence, agreement, groups
from stages.scoring.metrics import METRICS

CASES = 1000
"""Rows of test cases that the page lists, the worst first; all of them are in per_case.csv."""
LISTED = 20
"""Suspicious labels that the page lists; more are in suspects.csv."""


class Reports(Protocol):
    """Where the results lie; `project.paths` says it, of evaluate and of score."""

    per_case: Path
    suspects: Path
    curves: Path
    frames: Path
    overlays: Path


def of(reports: Reports, evaluated: dict[str, Any]) -> dict[str, Any]:
    """What the templates of these sections name. evaluated: metrics as evaluate writes them."""
    cases = tables.read(tables.PER_CASE, reports.per_case)
    suspects = tables.read(tables.SUSPECTS, reports.suspects)
    # Films and the figure of failures show the first region; a model of one has no list of them.
    region = next(iter(evaluated["test"].get("regions", {})), "")
    return {
        "nobody": absence.everybody(evaluated["test"]),
        "table": METRICS,
        "ttas": [name[4:] for name in evaluated["conventions"] if name.startswith("tta_")],
        "agreement": agreement.of_volumes(cases),
        "published": PUBLISHED,
        "cases": cases.head(CASES).to_dict("records"),
        "more_cases": max(0, len(cases) - CASES),
        "groups": groups.of(cases),
        "enough": groups.ENOUGH,
        "suspects": suspects.head(LISTED).to_dict("records"),
        "more_suspects": max(0, len(suspects) - LISTED),
        "films": _films(reports, cases, region),
        "region": region,
        "reports": reports,
    }


def _films(reports: Reports, cases: pd.DataFrame, region: str) -> list[dict[str, Any]]:
    """The films with what each of their frames shows, in words; a film begins where it shows most tumour."""
    table = tables.read(tables.FRAMES, reports.frames)
    dice = cases[cases["region"] == region] if region else cases
    by_case = dict(zip(dice["case_id"], dice["dice"], strict=True))
    films = []
    for place, frames in table.groupby("place"):
        painted, plain = inline.film(reports.overlays / f"{place:02d}.png")
        counts = frames[["found", "missed", "false_alarm"]]
        films.append(
            {
                "place": place,
                "case_id": frames["case_id"].iloc[0],
                "dice": by_case[frames["case_id"].iloc[0]],
                "painted": painted,
                "plain": plain,
                "start": int(counts.sum(axis=1).to_numpy().argmax()),
                "frames": [
                    f"slice {frame.slice}: {frame.found} pixels found, {frame.missed} missed, "
                    f"{frame.false_alarm} false alarm"
                    for frame in frames.itertuples()
                ],
            }
        )
    return films
