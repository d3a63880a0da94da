"""The page of `brainseg drift`: whether scans are unlike those of training, and what to do about it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.population.differing import Comparison
from stages.reporting import document, inline

LISTED = 1000
"""Scans that the page lists, the oddest first; all of them are in per_scan.csv."""


def render(
    comparison: Comparison,
    scans: Sequence[Mapping[str, Any]],
    failed: Sequence[Mapping[str, str]],
    pictures: Mapping[str, Path],
) -> str:
    """One HTML page with all that it shows in it.

    scans: rows of per_scan.csv; failed: scans that could not be read, and why; pictures: of measures that
    differ, by their names.
    """
    jinja = document.templates()
    oddest = sorted(scans, key=lambda row: (row["outlying_p"] is None, row["outlying_p"], row["scan"]))
    return jinja.get_template("drift.html.j2").render(
        comparison=comparison,
        scans=oddest[:LISTED],
        more_scans=max(0, len(scans) - LISTED),
        compared=sum(row["far_out"] is not None for row in scans),
        far_out=sum(bool(row["far_out"]) for row in scans),
        failed=failed,
        pictures=pictures,
        png=inline.png,
        style=document.source(jinja, "report.css"),
    )
