"""The patients of a model as text that travels with it."""

import json
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from stages.population import population
from stages.population.catalogue import CONFIDENCE
from stages.population.population import Population
from tests.fixtures import populations

NAMES = [measure.name for measure in populations.listed()]


def test_numbers_come_back_from_the_json_in_five_digits() -> None:
    rows = populations.table(30)
    rows[3, 2] = np.nan
    back = Population.model_validate_json(populations.of(rows).model_dump_json())
    assert back == populations.of(rows)
    np.testing.assert_allclose(back.table(NAMES), rows, rtol=5e-5)


def test_what_was_rounded_before_comes_back_bit_for_bit() -> None:
    rows = np.vectorize(lambda value: float(f"{value:.5g}"))(populations.table(30))
    np.testing.assert_array_equal(populations.of(rows).table(NAMES), rows)


def test_110_patients_take_some_20_kb_however_it_is_indented() -> None:
    text = json.dumps(populations.of(populations.table(110)).model_dump(mode="json"), indent=2)
    assert len(text) < 24_000


def test_measures_are_found_by_name_and_unknown_ones_are_not_known() -> None:
    rows = populations.table(6)
    table = populations.of(rows).table(["matrix", "of a later version", "slices"])
    assert table[:, 0].tolist() == [256] * 6
    assert np.isnan(table[:, 1]).all()
    np.testing.assert_allclose(table[:, 2], rows[:, NAMES.index("slices")], rtol=5e-5)


@pytest.mark.parametrize(
    "damaged",
    [
        {"measures": [], "patients": []},
        {"measures": ["a", "a"], "patients": ["1 2"]},
        {"measures": ["a", "b"], "patients": ["1 2", "3"]},
        {"measures": ["a"], "patients": ["x"]},
        {"measures": ["a"], "patients": ["inf"]},
        {"measures": ["a"], "patients": [1]},
    ],
)
def test_damage_is_an_error(damaged: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Population.model_validate(damaged)


def test_who_is_drawn_depends_on_the_names_alone() -> None:
    names = [f"patient{number}" for number in range(2000)]
    drawn = population.drawn(names)
    assert drawn == population.drawn(names[::-1] + names)
    assert len(set(drawn)) == population.MOST
    assert drawn != sorted(drawn)


def test_folds_know_the_same_patients_and_share_no_confidence() -> None:
    rows = populations.table(12)
    other = rows.copy()
    other[:, NAMES.index(CONFIDENCE)] = np.nan
    joint = population.joint([populations.of(rows), populations.of(other)])
    assert joint is not None
    assert len(joint) == 12
    assert CONFIDENCE not in joint.measures
    further = population.joint([populations.of(rows), populations.of(populations.table(5, seed=1))])
    assert further is not None
    assert len(further) == 17
    assert population.joint([populations.of(rows), None]) is None
    assert population.joint([]) is None
