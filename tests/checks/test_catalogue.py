"""The list of checks: each has a name of its own, words and a function; findings run it in its order."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from stages.checks import catalogue, findings
from stages.checks.check import Check, Each, Finding
from tests.fixtures.flaws import NOTHING


def test_every_check_has_a_name_of_its_own_words_and_a_function() -> None:
    assert list(catalogue.CHECKS) == [check.name for check in catalogue.CATALOGUE]
    assert len({check.title for check in catalogue.CATALOGUE}) == len(catalogue.CATALOGUE)
    assert len({check.function for check in catalogue.CATALOGUE}) == len(catalogue.CATALOGUE)
    assert all(check.title and check.reason.endswith(".") for check in catalogue.CATALOGUE)


@pytest.mark.parametrize(
    ("each", "samples"),
    [
        ("slice", ["b1", "b1", "a1", "a1", "b2", "b2"]),
        ("case", ["b1", "b1", "a1", "a1"]),
        ("set", ["b1", "b1"]),
    ],
)
def test_neighbours_judge_part_by_part(each: Each, samples: list[str]) -> None:
    def first(part: Any) -> Iterator[Finding]:
        rows = {"slice": lambda: part, "case": lambda: part.iloc[0], "set": lambda: part.rows.iloc[0]}[each]()
        yield Finding(rows.sample_id, "", each)

    rows = pd.DataFrame({"sample_id": ["b1", "a1", "b2"], "case_id": ["b", "a", "b"]})
    check = Check("x", "X", "info", first, "Because.", each=each)
    table = findings.of(rows, NOTHING, [check, dataclasses.replace(check, name="y", severity="warning")])
    assert list(table["sample_id"]) == samples
    assert list(table["check"]) == ["x", "y"] * (len(samples) // 2)
    assert list(table["severity"]) == ["info", "warning"] * (len(samples) // 2)
