"""Reference: every metric of a case and region, from the list that evaluate asks."""

from docs.made import markdown
from stages.scoring.metrics import METRICS

HEAD = """# Metrics

Of every patient and region. In `reports/evaluate/metrics.json`, `test.<metric>` is the mean over test
patients, `test.<metric>_ci_low` and `test.<metric>_ci_high` are the bounds of its 95 % interval, and
`test.regions.<region>.<metric>` is the same of one region. How they are counted, and why:
[What is measured](../explanation/numbers.md)."""


def page() -> str:
    """The page, in Markdown."""
    rows = [
        (
            f"`{metric.name}`",
            metric.title,
            metric.unit or "share",
            "higher" if metric.higher_is_better else "lower",
        )
        for metric in METRICS
    ]
    return markdown.joined([HEAD, markdown.table(("metric", "what", "unit", "better is"), rows)])
