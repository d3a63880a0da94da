"""What is known of two revisions, side by side: the verdict, and what must be known to read it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.comparison import verdict
from stages.comparison.verdict import Outcome, Verdict
from stages.experiments import results
from stages.experiments.results import Results
from stages.project.paths import HERE
from stages.scoring import absence

MARKS = {
    "leaky": "a leaky split: patients of the test set were trained on",
    "box_labels": "boxes for labels: the Dice is agreement with boxes and not with outlines",
    "patients_known": "a set that does not tell its patients: pictures that look alike count as one",
    "spacing_known": "an unknown spacing: 1 mm is assumed in every number in mm or ml",
}
"""Marks of evaluate's metrics.json; the first two say what the Dice is of, and have to be alike."""


@dataclass(frozen=True)
class Side:
    """A revision: its name, its commit, `test.dice` as committed and the patients it tested."""

    name: str
    commit: str
    dice: float
    patients: int


@dataclass(frozen=True)
class Change:
    """Something by name, before and after; None where it was not there."""

    name: str
    base: Any
    head: Any


@dataclass(frozen=True)
class Comparison:
    """Two revisions, what the test says, whether that is a regression beyond `tolerance` (in Dice), and what
    changed between them: params, hashes of data, files of code, and metrics beyond those of `outcome`.
    """

    base: Side
    head: Side
    outcome: Outcome
    tolerance: float
    regression: bool
    warnings: tuple[str, ...]
    params: tuple[Change, ...]
    data: tuple[Change, ...]
    code: tuple[str, ...]
    others: tuple[Change, ...]


def of(base: Results, head: Results, tolerance: float = 0.0) -> Comparison:
    """HEAD against BASE; `tolerance` in Dice."""
    scored = set(base.cases.select_dtypes("number")) & set(head.cases.select_dtypes("number"))
    metrics = [name for name in head.test if name in scored]
    outcome = verdict.outcome(base.cases, head.cases, metrics, _unlike(base, head))
    dice = outcome.metrics.get("dice")
    return Comparison(
        _side(base),
        _side(head),
        outcome,
        tolerance,
        bool(outcome.verdict is Verdict.WORSE and dice and -dice.difference > tolerance),
        tuple(_warnings(base, head)),
        _changes(base.params, head.params),
        _changes(base.data, head.data),
        tuple(change.name for change in _changes(base.code, head.code)),
        _others(base, head, metrics),
    )


def _side(of: Results) -> Side:
    return Side(
        of.revision.name, of.revision.commit, float(of.test["dice"]), of.cases["patient_id"].nunique()
    )


def _unlike(base: Results, head: Results) -> str | None:
    for mark in ("leaky", "box_labels"):
        if bool(base.evaluated.get(mark)) != bool(head.evaluated.get(mark)):
            return f"only {'HEAD' if head.evaluated.get(mark) else 'BASE'} has {MARKS[mark]}"
    return None


def _warnings(base: Results, head: Results) -> list[str]:
    """What a reader of the difference must know, a sentence each."""
    sentences = []
    both = {"BASE": base, "HEAD": head}
    for mark, what in MARKS.items():
        bad = not mark.endswith("_known")
        marked = [name for name, of in both.items() if of.evaluated.get(mark, not bad) == bad]
        if marked:
            sentences.append(f"{' and '.join(marked)}: {what}.")
    empty = {
        name: absence.sentence(absence.counts(of.cases)) if "truth_ml" in of.cases else ""
        for name, of in both.items()
    }
    for text in dict.fromkeys(filter(None, empty.values())):
        sentences.append(f"{' and '.join(name for name in both if empty[name] == text)}: {text}.")
    for name, of in both.items():
        if of.stale:
            more = f" and {len(of.stale) - 1} more" if of.stale[1:] else ""
            sentences.append(
                f"{name}: the results are not of what is committed with them: {of.stale[0]}{more} changed "
                "since; run dvc repro and commit what that writes."
            )
        elif not of.data:
            sentences.append(f"{name}: no {HERE.lock} says which data and code the results are of.")
        by_patient = of.cases.groupby("patient_id")["dice"].mean()
        if abs(by_patient.mean() - of.test["dice"]) > 1e-4:
            sentences.append(
                f"{name}: {HERE.evaluate_metrics.name} and {HERE.per_case.name} tell of different runs."
            )
    changed = [path for path in (HERE.raw, HERE.splits) if _differs(base, head, path)]
    if changed:
        sentences.append(
            f"The data changed ({', '.join(map(str, changed))}): a difference is theirs as well."
        )
    return sentences


def _differs(base: Results, head: Results, path: Path) -> bool:
    ours, theirs = (of.data.get(path.as_posix()) for of in (base, head))
    return None not in (ours, theirs) and ours != theirs


def _others(base: Results, head: Results, compared: list[str]) -> tuple[Change, ...]:
    """Metrics of every stage that changed, but those compared by patient, their intervals and regions."""
    known = tuple(f"evaluate.test.{name}" for name in compared)
    return tuple(
        change
        for change in _changes(*(results.flat(of.metrics) for of in (base, head)))
        if not change.name.startswith("evaluate.test.regions.")
        and not any(change.name in (name, f"{name}_ci_low", f"{name}_ci_high") for name in known)
    )


def _changes(base: dict[str, Any], head: dict[str, Any]) -> tuple[Change, ...]:
    return tuple(
        Change(name, _plain(base.get(name)), _plain(head.get(name)))
        for name in dict.fromkeys([*base, *head])
        if base.get(name) != head.get(name)
    )


def _plain(value: Any) -> Any:
    """A value of YAML as JSON can have it: dates and infinities as text."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return str(value)
    return value
