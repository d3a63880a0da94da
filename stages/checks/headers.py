"""Files whose headers leave something open."""

from collections.abc import Iterator

import pandas as pd

from stages.checks.check import Finding


def doubtful(case: pd.DataFrame) -> Iterator[Finding]:
    """A finding for each file and remark, on the first slice of a case that has it."""
    first: dict[str, Finding] = {}
    for sample_id, file, remarks in zip(case["sample_id"], case["image"], case["remarks"], strict=True):
        for remark in remarks.splitlines():
            first.setdefault(remark, Finding(sample_id, file, remark))
    yield from first.values()
