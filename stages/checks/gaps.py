"""Cases from whose middle slices are missing."""

from collections.abc import Iterator

import pandas as pd

from stages.checks.check import Finding
from stages.formats import formats
from stages.scan import gaps


def missing_slices(case: pd.DataFrame) -> Iterator[Finding]:
    """Of cases with a file for each slice; in a volume file none can be missing."""
    rows = case.sort_values("slice", kind="stable")
    numbers = [int(number) for number in rows["slice"]]
    runs = gaps.missing(numbers)
    if not runs or any(map(formats.is_volume, rows["image"])):
        return
    before = rows[rows["slice"] < runs[0][0]].iloc[-1]
    text = f"case {before['case_id']} has {gaps.sentence(numbers)}"
    yield Finding(str(before["sample_id"]), str(before["image"] or before["mask"]), text)
