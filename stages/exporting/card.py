"""The model card, filled from the run."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from stages.networks.modelfile import Model
from stages.scoring import absence
from stages.scoring.decision import Decision
from stages.scoring.groups import Group
from stages.scoring.metrics import METRICS, Metric
from stages.sources.sources import SOURCES
from stages.store.shards import Meta

OWN = ("scans of the user's own", "not known to this program")
"""Data and licence of an unknown source."""


@dataclass(frozen=True)
class Run:
    """What the stages say of a run. evaluated, exported, split: metrics of these; findings: rows of
    the function below; groups: of the test patients; tried: rows of `TRIED`; hashes: by what they are of.
    """

    evaluated: dict[str, Any]
    exported: dict[str, Any]
    split: dict[str, Any]
    findings: list[dict[str, Any]]
    groups: list[Group]
    tried: list[dict[Any, Any]]
    source: str
    hashes: dict[str, str]


def render(model: Model, chosen: Decision, meta: Meta, run: Run) -> str:
    """Markdown of the card."""
    jinja = Environment(
        loader=PackageLoader("stages.exporting"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    test = run.evaluated["test"]
    source = SOURCES.get(run.source)
    data, licence = (source.card.data, source.card.licence) if source and source.card else OWN
    return jinja.get_template("model_card.md.j2").render(
        model=model,
        chosen=chosen,
        meta=meta,
        run=run,
        absence=absence.sentence(test),
        data=data,
        licence=licence,
        scores=[_score(test, metric) for metric in METRICS if metric.name in test],
        cropped=sum(case.label_pixels_outside_crop for case in meta.cases.values()),
    )


def _score(test: dict[str, Any], metric: Metric) -> tuple[str, str]:
    """A metric's title and its mean with the interval, where evaluate has one."""
    title = f"{metric.title}, {metric.unit}" if metric.unit else metric.title
    value, low, high = (test.get(metric.name + end) for end in ("", "_ci_low", "_ci_high"))
    if value is None:
        return title, "not defined"
    if low is None or high is None:
        return title, f"{value:.{metric.digits}f}"
    return title, f"{value:.{metric.digits}f} ({low:.{metric.digits}f} to {high:.{metric.digits}f})"


def findings(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows severity, check, count from validate's findings.csv, what makes a slice unusable first."""
    counts = Counter(zip(table["severity"], table["check"], strict=True))
    order = ("critical", "warning", "info")
    rows = [
        {"severity": severity, "check": check.replace("_", " "), "count": count}
        for (severity, check), count in counts.items()
    ]
    return sorted(rows, key=lambda row: (order.index(row["severity"]), row["check"]))
