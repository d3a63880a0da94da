"""The HTML report: one self-contained page, opened from disk."""

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from stages.checks.catalogue import CHECKS
from stages.core import tables
from stages.reporting import headline, inline, markdown
from stages.reporting.published import PUBLISHED
from stages.scoring import absence, agreement
from stages.scoring.metrics import METRICS

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
CASES = 1000
"""Rows of test cases that the page lists, the worst first; all of them are in per_case.csv."""
LISTED = 20
"""Suspicious labels that the page lists; more are in suspects.csv."""
_SEVERITIES = ("critical", "warning", "info")


class Reports(Protocol):
    """Where the reports of the stages lie; `project.paths.Paths` says it."""

    findings: Path
    examples: Path
    split_figure: Path
    augment_preview: Path
    history: Path
    per_case: Path
    suspects: Path
    curves: Path
    frames: Path
    overlays: Path

    def metrics(self) -> dict[str, Path]:
        """The metrics file of each stage, by the stage's name."""


@dataclass(frozen=True)
class Lineage:
    """hashes: what was hashed, in words, to its hash; params: of the training."""

    hashes: dict[str, str]
    params: dict[str, Any]


def render(reports: Reports, card: str, lineage: Lineage, noun: str) -> str:
    """The page from every stage's reports and the model card's Markdown.

    noun: what a labelled pixel shows.
    """
    metrics = {
        stage: json.loads(path.read_text(encoding="utf-8")) for stage, path in reports.metrics().items()
    }
    findings = tables.read(tables.FINDINGS, reports.findings)
    cases = tables.read(tables.PER_CASE, reports.per_case)
    suspects = tables.read(tables.SUSPECTS, reports.suspects)
    jinja = Environment(
        loader=PackageLoader("stages.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = _source(jinja, "report.js")
    # Films and the figure of failures show the first region; a model of one has no list of them.
    region = next(iter(metrics["evaluate"]["test"].get("regions", {})), "")
    return jinja.get_template("report.html.j2").render(
        headline=headline.sentence(metrics["evaluate"]),
        nobody=absence.everybody(metrics["evaluate"]["test"]),
        sections={name: title for name, (title, _) in SECTIONS.items()},
        templates={name: template for name, (_, template) in SECTIONS.items()},
        metrics=metrics,
        table=METRICS,
        ttas=[name[4:] for name in metrics["evaluate"]["conventions"] if name.startswith("tta_")],
        agreement=agreement.of_volumes(cases),
        published=PUBLISHED,
        checks=[_check(name, some, reports.examples) for name, some in _by_severity(findings)],
        cases=cases.head(CASES).to_dict("records"),
        more_cases=max(0, len(cases) - CASES),
        sites=_sites(cases),
        suspects=suspects.head(LISTED).to_dict("records"),
        more_suspects=max(0, len(suspects) - LISTED),
        history=tables.read(tables.HISTORY, reports.history).to_dict("records"),
        films=_films(reports, cases, region),
        region=region,
        reports=reports,
        png=inline.png,
        photo=inline.photo,
        lineage=lineage,
        card=Markup(markdown.html(card, down=2)),
        noun=noun,
        style=_source(jinja, "report.css"),
        script=script,
        # The policy names the one script that may run: no name from the data can be another.
        script_hash=_hash("\n" + script),
    )


def _source(jinja: Environment, name: str) -> Markup:
    """A file beside the templates, as it is."""
    assert jinja.loader is not None
    return Markup(jinja.loader.get_source(jinja, name)[0])


def _hash(script: str) -> str:
    """As a Content Security Policy names the script that may run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


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


def _sites(cases: pd.DataFrame) -> list[dict[str, Any]]:
    """Patients, mean Dice over them and worst case of each site, the worst site first."""
    sites = []
    for site, rows in cases.groupby("site"):
        by_patient = rows.groupby("patient_id")["dice"].mean()
        about = {"patients": len(by_patient), "mean": by_patient.mean(), "worst": rows["dice"].min()}
        sites.append({"site": site, **about})
    return sorted(sites, key=lambda site: (site["mean"], site["site"]))


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
