"""A comparison of two revisions as Markdown for a pull request, and as JSON for a machine."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from stages.comparison.comparison import Change, Comparison, Side
from stages.comparison.verdict import Difference, Outcome, Verdict
from stages.core import tables
from stages.scoring.metrics import BY_NAME

MARK = "<!-- brainseg compare -->"
"""First line of the Markdown, by which continuous integration finds its own comment again."""
LISTED = 6
"""Params, files and further metrics in the Markdown; the JSON has all of them."""
LONGEST = 80
"""Characters of a value or name in the Markdown."""
MESSAGE = 500
"""Characters of a warning there, which may name a file."""


def as_json(comparison: Comparison) -> str:
    """All of it; keys are the names of the fields, the verdict is its text."""
    return json.dumps(asdict(comparison), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def sentence(comparison: Comparison) -> str:
    """The verdict and the difference of the test Dice in one line."""
    dice = comparison.outcome.metrics.get("dice")
    judged = f"{comparison.outcome.verdict}: {comparison.outcome.reason}"
    if dice is None:
        return judged
    return f"{judged}. Dice {_from_to(dice)}, {_difference(dice)}"


def markdown(comparison: Comparison) -> str:
    """The verdict first, then why, then the numbers, then what changed: a screen or two."""
    outcome = comparison.outcome
    comparable = outcome.verdict is not Verdict.INCOMPARABLE
    lines = [MARK, f"### Test Dice: {outcome.verdict}{'' if comparable else ' :warning:'}", ""]
    dice = outcome.metrics.get("dice")
    if comparable and dice:
        numbers = f"**{_from_to(dice)}, {_difference(dice)}**, {_patients(dice.pairs)}"
        lines.append(f"{numbers}; {_escaped(outcome.reason)}.")
    else:
        reason = _escaped(outcome.reason[0].upper() + outcome.reason[1:])
        lines.append(f"**{reason}.** Which of the two is better cannot be told.")
        if dice:
            lines.append(f"Over the {_patients(dice.pairs)} that both tested: {_from_to(dice)}.")
    if outcome.verdict is Verdict.WORSE and comparison.tolerance:
        place = "more than" if comparison.regression else "within"
        lines.append(f"The loss is {place} the tolerance, {comparison.tolerance:g}.")
    lines += ["", *(f"- {_escaped(warning)[:MESSAGE]}" for warning in (*outcome.notes, *comparison.warnings))]
    lines += ["", f"BASE: {_side(comparison.base)}  ", f"HEAD: {_side(comparison.head)}", ""]
    if comparable and any(d.differing for d in outcome.metrics.values()):
        lines += [*_metrics(outcome), *_moved(outcome)]
    lines += _changes(comparison)
    return "\n".join(_single_blanks(lines)) + "\n"


def _side(side: Side) -> str:
    names = [] if side.commit.startswith(side.name) else [_code(side.name)]
    if side.commit:  # a score has none
        names.append(_code(side.commit[:7]))
    return f"{', '.join(names)}, Dice {side.dice:.3f}, {_patients(side.patients)}"


def _metrics(outcome: Outcome) -> list[str]:
    parts = {"": outcome.metrics} | {region: {"dice": d["dice"]} for region, d in outcome.regions.items()}
    several = len({d.pairs for d in outcome.metrics.values()}) > 1
    rows = [
        [
            _code(name) + (f" of {_code(region)}" if region else "") + _arrow(name),
            _number(name, d.base),
            _number(name, d.head),
            _signed(name, d.difference),
            "" if d.low is None or d.high is None else f"{_signed(name, d.low)} to {_signed(name, d.high)}",
            f"{d.p:.3f}",
            *([str(d.pairs)] if several else []),
        ]
        for region, metrics in parts.items()
        for name, d in metrics.items()
    ]
    head = ["mean over patients", "BASE", "HEAD", "difference", "95 % interval", "p"]
    footnote = (
        "Paired by patient: BCa bootstrap intervals, Wilcoxon's p. Only Dice decides: of so many rows one "
        "stands out by chance. ↓: lower is better."
    )
    head += ["patients"] if several else []
    return [tables.markdown(head, rows, "right"), "", footnote, ""]


def _moved(outcome: Outcome) -> list[str]:
    regions = len({moved.region for moved in outcome.moved}) > 1 or bool(outcome.regions)
    rows = [
        [
            _code(moved.patient),
            *([_code(moved.region)] if regions else []),
            _number("dice", moved.base),
            _number("dice", moved.head),
            _signed("dice", moved.difference),
        ]
        for moved in outcome.moved
    ]
    head = ["changed most", *(["region"] if regions else []), "BASE", "HEAD", "difference"]
    return [tables.markdown(head, rows, "right"), ""]


def _changes(comparison: Comparison) -> list[str]:
    def some(entries: Iterable[str], nothing: str = "the same") -> str:
        entries = list(entries)
        more = f", and {len(entries) - LISTED} more" if len(entries) > LISTED else ""
        return ", ".join(entries[:LISTED]) + more or nothing

    def pairs(changes: Iterable[Change]) -> str:
        return some(f"{_code(c.name)} {_value(c.base)} → {_value(c.head)}" for c in changes)

    data = (Change(c.name, *(hashed and hashed[:7] for hashed in (c.base, c.head))) for c in comparison.data)
    return [
        f"- Params: {pairs(comparison.params)}",
        f"- Data and model: {pairs(data)}",
        f"- Code: {some(map(_code, comparison.code))}",
        f"- Other metrics: {pairs(comparison.others)}",
    ]


def _from_to(d: Difference) -> str:
    return f"{_number('dice', d.base)} → {_number('dice', d.head)}"


def _difference(d: Difference) -> str:
    difference = f"difference {_signed('dice', d.difference)}"
    if d.low is None or d.high is None:
        return difference
    interval = f"{_signed('dice', d.low)} to {_signed('dice', d.high)}"
    return f"{difference} (95 % interval {interval}, Wilcoxon p = {d.p:.3f})"


def _arrow(name: str) -> str:
    """A mark behind metrics that are better when lower."""
    return " ↓" if name in BY_NAME and not BY_NAME[name].higher_is_better else ""


def _number(name: str, value: float) -> str:
    """As many digits as the list of metrics has; three of what another version measured."""
    return f"{value:.{BY_NAME[name].digits if name in BY_NAME else 3}f}"


def _signed(name: str, value: float) -> str:
    text = _number(name, value)
    return text.lstrip("-") if float(text) == 0 else f"{'+' if value > 0 else '−'}{text.lstrip('-')}"


def _patients(number: int) -> str:
    return f"{number} patient{'' if number == 1 else 's'}"


def _value(value: Any) -> str:
    short = float(f"{value:.4g}") if isinstance(value, float) else value
    return "none" if value is None else _code(json.dumps(short, ensure_ascii=False).strip('"'))


def _code(text: str) -> str:
    """Names and values come from whoever wrote the branch: no markup, mention or line break gets through."""
    plain = _printable(text).replace("`", "'")
    short = plain if len(plain) <= LONGEST else plain[: LONGEST - 1] + "…"
    return f"`{short.replace('|', '¦') or ' '}`"


def _escaped(text: str) -> str:
    """Text without markup. A backslash does not keep GitHub from a mention or a reference, but a space of no
    width does.
    """
    signs = (f"\\{sign}" if sign in "\\`<>[]*_|" else sign for sign in _printable(text))
    return "".join(f"{sign}\u200b" if sign in "@#" else sign for sign in signs)


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _single_blanks(lines: list[str]) -> list[str]:
    return [line for place, line in enumerate(lines) if line or (place and lines[place - 1])]
