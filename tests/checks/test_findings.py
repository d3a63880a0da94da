"""The table of findings, the rows it is made from, and what stops the run."""

from pathlib import Path

import pandas as pd
import pytest

from stages.checks import findings, statistics
from stages.core import tables
from stages.core.errors import UserError
from stages.sources import lgg
from tests.fixtures.flaws import A, judged


def test_good_data_give_no_finding(root: Path) -> None:
    assert judged(root)[2] == []


def test_a_slice_that_is_listed_twice(root: Path) -> None:
    table = tables.from_records(lgg.find(root).records)
    numbers = statistics.measure(root, table.to_dict("records"))
    with pytest.raises(UserError) as error:
        findings.measured(pd.concat([table, table.iloc[2:3]]), numbers)
    assert str(error.value) == f"the manifest lists slice {A}_3 twice; give every slice its own sample_id"


def test_what_was_measured_counts_and_what_was_listed_is_kept(root: Path) -> None:
    table = tables.from_records(lgg.find(root).records)
    numbers = statistics.measure(root, table.to_dict("records"))
    rows = findings.measured(table.assign(width=7), numbers.iloc[::-1])
    assert list(rows["sample_id"]) == list(table["sample_id"])
    assert set(rows["width_told"]) == {7}
    assert set(rows["width"]) == {64}


def bad(count: int) -> pd.DataFrame:
    rows = [("critical", "image", f"s{i}", f"s{i}.tif", "there is no image") for i in range(count)]
    return pd.DataFrame(rows, columns=list(tables.FINDINGS.columns))


def test_refusals() -> None:
    findings.refuse(bad(0), 10, "fail", 0.0)
    findings.refuse(bad(1), 10, "quarantine", 0.1)
    warned = bad(1).assign(severity="warning")
    findings.refuse(warned, 10, "fail", 0.0)
    listed = "s0.tif: there is no image; s1.tif: there is no image; s2.tif: there is no image"
    for table, share, on_error, sentence in (
        (
            bad(1),
            0.05,
            "fail",
            "1 of 10 slices cannot be used: s0.tif: there is no image; repair or remove them, or set "
            "validate.on_error: quarantine to go on without them",
        ),
        (
            bad(5),
            0.05,
            "quarantine",
            f"5 of 10 slices cannot be used: {listed} (and 2 more); that is more than "
            "validate.max_quarantined 0.05, repair the data or raise it",
        ),
        (
            bad(10),
            1.0,
            "quarantine",
            f"10 of 10 slices cannot be used: {listed} (and 7 more); no slice is left, check "
            "ingest.source and ingest.location",
        ),
    ):
        with pytest.raises(UserError) as error:
            findings.refuse(table, 10, on_error, share)
        assert str(error.value) == sentence
