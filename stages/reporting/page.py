"""The HTML report: everything that the stages measured on one page."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from markupsafe import Markup

from stages.checks.catalogue import CHECKS
from stages.core import tables
from stages.reporting import document, headline, inline, markdown, results
from stages.scoring.sites import Sites

SECTIONS = {
    "data": ("Data", "data.html.j2"),
    "split": ("Split", "split.html.j2"),
    "training": ("Training", "training.html.j2"),
    "result": ("Result", "result.html.j2"),
    "failures": ("Where it fails", "failures.html.j2"),
    "patients": ("Patients, worst first", "patients.html.j2"),
    "exports": ("Exports and lineage", "exports.html.j2"),
    "card": ("Model card", "card.html.j2"),
}
EACH = 5
"""Findings of one check that the page lists; all of them are in findings.csv."""
_SEVERITIES = ("critical", "warning", "info")


class Reports(results.Reports, Protocol):
    """Where the reports of the stages lie; `project.paths.Paths` says it."""

    findings: Path
    examples: Path
    split_figure: Path
    augment_preview: Path
    history: Path

    def metrics(self) -> dict[str, Path]:
        """The metrics file of each stage, by the stage's name."""


@dataclass(frozen=True)
class Lineage:
    """hashes: what was hashed, in words, to its hash; params: of the training."""

    hashes: dict[str, str]
    params: dict[str, Any]


def render(reports: Reports, card: str, lineage: Lineage, noun: str, sites: Sites | None = None) -> str:
    """The page from every stage's reports and the model card's Markdown.

    noun: what a labelled pixel shows. sites: scored by networks that have not seen them, if that was done.
    """
    metrics = {
        stage: json.loads(path.read_text(encoding="utf-8")) for stage, path in reports.metrics().items()
    }
    findings = tables.read(tables.FINDINGS, reports.findings)
    context = results.of(reports, metrics["evaluate"]) | {
        "headline": headline.sentence(metrics["evaluate"]),
        "metrics": metrics,
        "checks": [_check(name, some, reports.examples) for name, some in _by_severity(findings)],
        "history": tables.read(tables.HISTORY, reports.history).to_dict("records"),
        "lineage": lineage,
        "card": Markup(markdown.html(card, down=2)),
        "noun": noun,
        "sites": sites,
    }
    return document.of("brainseg report", SECTIONS, context)


def _by_severity(findings: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The findings of each check, what makes a slice unusable first."""
    checks = [(str(name), some) for name, some in findings.groupby("check", sort=False)]
    order = {severity: place for place, severity in enumerate(_SEVERITIES)}
    return sorted(checks, key=lambda check: order.get(check[1]["severity"].iloc[0], len(order)))


def _check(name: str, some: pd.DataFrame, examples: Path) -> dict[str, Any]:
    """What the page tells of one check: in words, with the first findings and pictures of them."""
    pictures = [
        {"sample_id": sample_id, "source": inline.photo(path)}
        for number, sample_id in enumerate(some["sample_id"].head(EACH))
        if (path := examples / f"{name}-{number}.png").is_file()
    ]
    return {
        "about": CHECKS.get(name, {"title": name, "threshold": None, "reason": ""}),
        "severity": some["severity"].iloc[0],
        "count": len(some),
        "findings": some.head(EACH).to_dict("records"),
        "pictures": pictures,
    }
