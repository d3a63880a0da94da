"""A comparison as Markdown: what a stranger may put into a branch does no harm there, nor does its size."""

import json
import re
from typing import Any

import pytest
from markdown_it import MarkdownIt

from stages.comparison import markdown
from stages.comparison.comparison import Change, Comparison, Side
from stages.comparison.verdict import Difference, Moved, Outcome, Verdict

DICE = Difference(0.5, 0.45, -0.05, -0.09, -0.01, 0.03, 22, 22)


def made(text: str = "x", number: int = 1, verdict: Verdict = Verdict.WORSE, **options: Any) -> Comparison:
    """A comparison with `text` wherever a name or a value stands, `number` entries in every list."""
    changes = tuple(Change(f"{text}{n}", text, n) for n in range(number))
    data = tuple(Change(f"{text}{n}", text, None) for n in range(number))
    outcome = Outcome(
        verdict,
        "a reason",
        {"dice": DICE},
        {text: {"dice": DICE}, "core": {"dice": DICE}},
        tuple(Moved(text, text, 0.5, 0.1, -0.4) for _ in range(5)),
        (f"note: {text}",),
    )
    side = Side(text, "0123456789", 0.5, 22)
    names = tuple(change.name for change in changes)
    given: dict[str, Any] = {"regression": True, "tolerance": 0.0, "warnings": (f"warning: {text}",)}
    return Comparison(
        base=side,
        head=side,
        outcome=outcome,
        params=changes,
        data=data,
        code=names,
        others=changes,
        **(given | options),
    )


def html(found: Comparison) -> str:
    return MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(markdown.markdown(found))


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "@everyone see #12",
    r"\*bold\*",
    "a | b | c",
    "`code` **bold** _under_ [link](http://x.invalid)",
    "``` \n\n# heading\n\n- item",
    "line\r\nbreak\u2028and\x1b[31m",
    "\\<b>bold</b>\\",
    "<!-- brainseg compare -->",
    "`",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_names_and_values_bring_no_markup(text: str) -> None:
    shown, plain = html(made(text)), html(made("x"))

    def tags(page: str) -> list[str]:
        return [part.split(">")[0] for part in page.split("<")[1:]]

    assert tags(shown) == tags(plain)
    # A mention or reference works anywhere but in a code span, or torn by a space of no width.
    assert not re.search(r"[@#]\w", re.sub(r"<code>.*?</code>", "", shown))
    source = markdown.markdown(made(text))
    assert source.count(markdown.MARK) == source.count("<!--") == 1 or "brainseg compare" in text
    assert source.startswith(markdown.MARK)


def single_spaced(source: str) -> str:
    """Without what lines the columns up."""
    return re.sub(" +", " ", source)


def test_a_change_of_everything_fits_a_comment() -> None:
    """GitHub takes 65,536 characters."""
    source = markdown.markdown(made("x" * 5000, number=300))
    assert len(source) < 20_000
    assert max(map(len, source.splitlines())) < 2000
    assert "and 294 more" in source
    assert len(json.loads(markdown.as_json(made(number=3000)))["params"]) == 3000


def test_regions_have_their_own_rows_and_names() -> None:
    source = single_spaced(markdown.markdown(made("whole")))
    assert "\n| `dice` of `core` | 0.500 | 0.450 | −0.050 | −0.090 to −0.010 | 0.030 |\n" in source
    assert "\n| `whole` | `whole` | 0.500 | 0.100 | −0.400 |\n" in source


def test_what_cannot_be_compared_shows_no_table() -> None:
    source = markdown.markdown(made(verdict=Verdict.INCOMPARABLE, regression=False))
    assert "|" not in source
    assert "### Test Dice: not comparable :warning:\n\n**A reason.**" in source
    assert "Over the 22 patients that both tested: 0.500 → 0.450." in source


@pytest.mark.parametrize(
    ("tolerance", "regression", "told"),
    [
        (0.1, False, "The loss is within the tolerance, 0.1."),
        (0.01, True, "The loss is more than the tolerance"),
    ],
)
def test_a_tolerance_is_told(tolerance: float, regression: bool, told: str) -> None:
    assert told in markdown.markdown(made(tolerance=tolerance, regression=regression))
    assert "tolerance" not in markdown.markdown(made())


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("dice", 0.0, "0.000"), ("dice", -0.0004, "0.000"), ("dice", 0.0006, "+0.001"),
        ("dice", -0.25, "−0.250"), ("hd95_mm", -12.345, "−12.35"), ("volume_error_ml", 0.004, "0.00"),
    ],
)  # fmt: skip
def test_differences_have_a_sign_unless_they_vanish(name: str, value: float, told: str) -> None:
    one = Difference(0, value, value, value, value, 1, 9, 9)
    found = made()
    outcome = Outcome(Verdict.NOISE, "a", {"dice": DICE, name: one}, {}, (), ())
    source = single_spaced(markdown.markdown(Comparison(**(vars(found) | {"outcome": outcome}))))
    assert f"| {told} | {told} to {told} |" in source
