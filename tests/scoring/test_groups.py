"""Results by groups: a patient counts once, small groups have no interval, what is not told is a group."""

import pandas as pd
import pytest

from stages.scoring import groups
from stages.scoring.intervals import patient_bootstrap


def table(rows: list[tuple[str, float, str, str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["patient_id", "dice", "site", "traits"])


def test_a_patient_counts_once_and_the_worst_group_comes_first() -> None:
    cs, none = groups.of(
        table([("p1", 0.2, "CS", ""), ("p1", 0.4, "CS", ""), ("p2", 0.4, "CS", ""), ("p3", 0.5, "", "")])
    )
    assert (cs.trait, cs.value, cs.patients, cs.low) == ("site", "CS", 2, None)
    assert (cs.dice, cs.worst) == (pytest.approx(0.35), pytest.approx(0.3))
    assert (none.value, none.patients, none.dice) == ("not told", 1, 0.5)


def test_a_group_of_enough_patients_has_the_interval_of_its_patients() -> None:
    dice = [0.1 * number for number in range(groups.ENOUGH)]
    rows = [(f"a{number}", value, "A", "") for number, value in enumerate(dice)]
    (a,) = groups.of(table(rows))
    assert (a.low, a.high) == patient_bootstrap(pd.Series(dice).to_numpy(), groups.RESAMPLES)
    (a,) = groups.of(table(rows[1:]))
    assert (a.low, a.high) == (None, None)


def test_traits_that_all_patients_share_are_no_groups() -> None:
    rows = [("p1", 0.2, "", "sex=1;grade=2"), ("p2", 0.6, "", "sex=2;grade=2"), ("p3", 0.4, "", "grade=2")]
    assert [(group.trait, group.value) for group in groups.of(table(rows))] == [
        ("sex", "1"),
        ("sex", "not told"),
        ("sex", "2"),
    ]


def test_a_table_of_an_older_version_has_no_groups() -> None:
    assert groups.of(table([("p1", 0.2, "", "")]).drop(columns=["site", "traits"])) == []
