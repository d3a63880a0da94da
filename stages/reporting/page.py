"""The HTML report: one self-contained page, opened from disk."""

import base64
import json
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from stages.reporting import headline
from stages.slices.catalogue import CHECKS, Check

STAGES = ("validate", "split", "augment", "train", "evaluate", "export")
EACH = 5
"""Findings of one check that the page lists; all of them are in findings.csv."""
_SEVERITIES = ("critical", "warning", "info")


def render(reports: Path, card: str) -> str:
    """The page from the folder that holds every stage's reports, and the model card's Markdown."""
    metrics = {
        stage: json.loads((reports / stage / "metrics.json").read_text(encoding="utf-8")) for stage in STAGES
    }
    findings = pd.read_csv(reports / "validate" / "findings.csv", dtype=str, keep_default_na=False)
    jinja = Environment(
        loader=PackageLoader("stages.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return jinja.get_template("report.html.j2").render(
        headline=headline.sentence(metrics["evaluate"]),
        metrics=metrics,
        checks=[_check(name, some, reports) for name, some in _by_severity(findings)],
        cases=pd.read_csv(reports / "evaluate" / "per_case.csv").to_dict("records"),
        history=pd.read_csv(reports / "train" / "history.csv").to_dict("records"),
        overlays=[inline(path) for path in sorted((reports / "evaluate" / "overlays").glob("*.png"))],
        picture=lambda name: inline(reports / name),
        # The card quotes names from the data; raw HTML, links and pictures in them must stay text.
        card=Markup(
            MarkdownIt("commonmark", {"html": False})
            .enable("table")
            .disable(["link", "image", "autolink", "reference"])
            .render(card)
        ),
        words=_words,
    )


def _by_severity(findings: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The findings of each check, what makes a slice unusable first."""
    checks = [(str(name), some) for name, some in findings.groupby("check", sort=False)]
    order = {severity: place for place, severity in enumerate(_SEVERITIES)}
    return sorted(checks, key=lambda check: order.get(check[1]["severity"].iloc[0], len(order)))


def _check(name: str, some: pd.DataFrame, reports: Path) -> dict[str, Any]:
    """What the page tells of one check: in words, with the first findings and pictures of them."""
    pictures = [
        {"sample_id": sample_id, "source": inline(path)}
        for number, sample_id in enumerate(some["sample_id"].head(EACH))
        if (path := reports / "validate" / "examples" / f"{name}-{number}.png").is_file()
    ]
    return {
        "about": CHECKS.get(name, Check(name, None, "")),
        "severity": some["severity"].iloc[0],
        "count": len(some),
        "findings": some.head(EACH).to_dict("records"),
        "pictures": pictures,
    }


def inline(path: Path) -> str:
    """A PNG as a data URL."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def _words(name: str) -> str:
    spelt = {"hd95_mm": "95 % Hausdorff distance (mm)", "nsd": "normalised surface Dice"}
    plain = name.replace("_ml", " (ml)").replace("_", " ").replace("dice", "Dice").replace("iou", "IoU")
    return spelt.get(name, plain)
