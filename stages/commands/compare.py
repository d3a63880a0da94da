"""Say whether one revision's model is better than another's: the committed test results, patient by patient.

brainseg compare main                            # the last commit against the branch main, as Markdown
brainseg compare main my-experiment              # names of `dvc exp show`, tags, branches, commits
brainseg compare HEAD~1 --format json --out comparison.json
"""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from stages.comparison import markdown, verdict
from stages.comparison.markdown import Change, Comparison, Side
from stages.comparison.verdict import Verdict
from stages.core import atomic, errors
from stages.core.errors import UserError
from stages.experiments import results, revision
from stages.experiments.results import Results
from stages.project.paths import HERE

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

MARKS = {
    "leaky": "a leaky split: patients of the test set were trained on",
    "box_labels": "boxes for labels: the Dice is agreement with boxes and not with outlines",
    "patients_known": "a set that does not tell its patients: pictures that look alike count as one",
    "spacing_known": "an unknown spacing: 1 mm is assumed in every number in mm or ml",
}
"""Marks of evaluate's metrics.json; the first two say what the Dice is of, and have to be alike."""


class Format(StrEnum):
    """What is written."""

    MARKDOWN = "markdown"
    JSON = "json"


@app.command()
def main(
    base: Annotated[str, typer.Argument(help="The revision or experiment to compare with.")],
    head: Annotated[str | None, typer.Argument(help="The one to judge. [default: the last commit]")] = None,
    form: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.MARKDOWN,
    out: Annotated[Path | None, typer.Option(help="A file to write instead of the screen.")] = None,
    tolerance: Annotated[float, typer.Option(min=0, max=1, help="Dice that may be lost.")] = 0.0,
    strict: Annotated[
        bool, typer.Option("--strict", help="Status 1 also where nothing can be said of HEAD's model.")
    ] = False,
) -> None:
    """Compare the test results of two git revisions.

    Status 1 where HEAD is worse: the 95 % interval of the difference in Dice lies below 0, and the mean
    loss is more than --tolerance. With --strict also where the two are not comparable, or where HEAD's
    results are not those of HEAD's code. Else 0; 2 where there is nothing to compare.
    """
    if out and out.is_dir():
        raise UserError(f"--out {out} is a folder; name a file")
    if head is None:
        _refuse_uncommitted()
    ours, theirs = (results.load(revision.resolve(name)) for name in (base, head or "HEAD"))
    comparison = compare(ours, theirs, tolerance)
    text = markdown.as_json(comparison) if form is Format.JSON else markdown.markdown(comparison)
    if out:
        atomic.text(text, out)
        print(markdown.sentence(comparison))
    else:
        print(text, end="")
    unsaid = comparison.outcome.verdict is Verdict.INCOMPARABLE or bool(theirs.stale)
    if comparison.regression or (strict and unsaid):
        raise typer.Exit(1)


def compare(base: Results, head: Results, tolerance: float = 0.0) -> Comparison:
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


def _refuse_uncommitted() -> None:
    changed = revision.uncommitted([*results.METRICS.values(), HERE.per_case])
    if changed:
        raise UserError(
            f"{changed[0]} is not as HEAD has it, and only commits are compared; commit it, or give HEAD as "
            "the second revision to compare what is committed"
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


if __name__ == "__main__":
    errors.run(app)
