"""The page of a score: a model on a set that it was not made from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from stages.core import tables
from stages.reporting import document, headline, results

SECTIONS = {
    "compared": ("What was compared", "compared.html.j2"),
    "result": ("Result", "result.html.j2"),
    "failures": ("Where it fails", "failures.html.j2"),
    "patients": ("Patients, worst first", "patients.html.j2"),
}


class Reports(results.Reports, Protocol):
    """Where the results of a score lie; `project.paths.ScorePaths` says it."""

    findings: Path


@dataclass(frozen=True)
class About:
    """model: how the user called it; data: source and place of the scans; sentences: how channels and labels
    were matched, what was left out. noun: what a labelled pixel shows.
    """

    model: str
    data: str
    sentences: tuple[str, ...]
    noun: str


def render(reports: Reports, metrics: dict[str, Any], about: About) -> str:
    """The page, self-contained, from what a score wrote; metrics: of its metrics.json."""
    context = results.of(reports, metrics) | {
        "headline": headline.sentence(metrics),
        "metrics": {"evaluate": metrics},
        "about": about,
        "findings": _counts(tables.read(tables.FINDINGS, reports.findings)),
        "noun": about.noun,
        "sites": None,
        "folder": "",
    }
    return document.of("brainseg score", SECTIONS, context)


def _counts(findings: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows severity, check, count and the first explanation of each check."""
    return [
        {
            "severity": some["severity"].iloc[0],
            "check": str(check).replace("_", " "),
            "count": len(some),
            "first": f"{some['file'].iloc[0]}: {some['explanation'].iloc[0]}",
        }
        for check, some in findings.groupby("check", sort=False)
    ]
