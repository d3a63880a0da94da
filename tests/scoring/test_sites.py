"""Sites by networks that have not seen them: which rows a report takes for its own, what replaces what."""

import random
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core import tables
from stages.core.errors import UserError
from stages.scoring import sites

PATIENTS = [f"p{number}" for number in range(10)]
RECIPE = {"lr": 0.002, "epochs": 8, "window": None, "seed": 0}
SCORES = pd.DataFrame(
    {
        "patient_id": PATIENTS,
        "dice": [number / 10 for number in range(10)],
        "site": ["CS"] * 7 + ["DU"] * 3,
        "traits": "grade=2;sex=1",
    }
)


def rows(
    recipe: dict[str, float | int | None] = RECIPE,
    patients: list[str] = PATIENTS,
    scores: pd.DataFrame = SCORES,
) -> pd.DataFrame:
    return sites.of(scores, patients, "size 64", recipe)


def known(
    path: Path, recipe: dict[str, float | int | None] = RECIPE, patients: list[str] = PATIENTS
) -> sites.Sites:
    read = sites.read(path, patients, recipe)
    assert read is not None
    return read


def test_a_report_of_the_set_and_recipe_reads_what_was_entered(tmp_path: Path) -> None:
    path = tmp_path / "sites.csv"
    sites.enter(rows(), path)
    read = known(path, RECIPE | {"seed": 7}, [*reversed(PATIENTS), "p0"])
    assert (read.prepared, read.same_recipe) == ("size 64", True)
    expected = tables.parse(tables.SITES, rows().to_csv(index=False, float_format="%.6g"), "")
    assert [group.dice for group in read.scored] == list(expected["dice"])
    assert [group.worst for group in read.scored] == list(expected["worst_dice"])
    ends = read.scored[0].low, read.scored[0].high
    assert ends == tuple(expected.loc[0, ["dice_ci_low", "dice_ci_high"]])
    assert [(group.value, group.patients, group.low is None) for group in read.scored] == [
        ("CS", 7, False),
        ("DU", 3, True),
    ]


def test_another_recipe_is_marked_and_its_own_comes_before_it(tmp_path: Path) -> None:
    path = tmp_path / "sites.csv"
    other = RECIPE | {"lr": 0.1}
    assert sites.read(path, PATIENTS, RECIPE) is None
    sites.enter(rows(other, scores=SCORES.assign(dice=0.25)), path)
    assert not known(path, RECIPE).same_recipe
    assert known(path, RECIPE).scored[0].dice == 0.25
    sites.enter(rows(), path)
    sites.enter(rows(RECIPE | {"epochs": 9}), path)
    assert known(path, RECIPE).same_recipe
    assert known(path, RECIPE).scored[0].dice == pytest.approx(0.3)
    assert known(path, other).scored[0].dice == 0.25


def test_rows_of_other_patients_say_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sites.csv"
    sites.enter(rows(patients=PATIENTS[1:]), path)
    assert sites.read(path, PATIENTS, RECIPE) is None


def test_entering_again_replaces_these_rows_alone(tmp_path: Path) -> None:
    path = tmp_path / "sites.csv"
    first, other = rows(RECIPE | {"lr": 1.0}), rows(patients=["q"])
    for table in (rows(), first, other, rows(scores=SCORES[SCORES["site"] == "DU"])):
        sites.enter(table, path)
    kept = tables.read(tables.SITES, path)
    assert len(kept) == len(first) + len(other) + 1
    assert not kept.duplicated(list(tables.SITES.key)).any()
    assert list(known(path, RECIPE).scored[0].value) == list("DU")


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "sites.csv"
    sites.enter(rows(), path)
    path.write_text(path.read_text(encoding="utf-8").replace("CS,7", "CS,seven"), encoding="utf-8")
    with pytest.raises(UserError, match=r"sites\.csv, line 2: patients is 'seven'"):
        sites.read(path, PATIENTS, RECIPE)


@given(st.lists(st.text("abc", min_size=1)), st.randoms())
def test_the_order_of_patients_and_how_often_each_comes_does_not_matter(
    patients: list[str], random: random.Random
) -> None:
    mixed = patients + patients[:3]
    random.shuffle(mixed)
    assert sites.hash_of(mixed) == sites.hash_of(patients)
    assert sites.hash_of([*patients, "new"]) != sites.hash_of(patients)
