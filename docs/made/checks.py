"""Reference: every check of `validate`, with its threshold and the reason for it."""

from docs.made import markdown
from stages.checks.catalogue import CATALOGUE

HEAD = """# Checks of the data

What stage `validate` looks for, in the order of `findings.csv`. What is `critical` stops the run or is left
out, as `validate.on_error` says: [See what is wrong with the data](../how-to/findings.md)."""


def page() -> str:
    """The page, in Markdown."""
    rows = [
        (
            f"`{check.name}`",
            check.title,
            check.severity,
            "–" if check.threshold is None else f"{check.threshold:g}",
            check.reason,
        )
        for check in CATALOGUE
    ]
    return markdown.joined([HEAD, markdown.table(("check", "finds", "severity", "threshold", "why"), rows)])
