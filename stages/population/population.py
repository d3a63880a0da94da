"""The patients that a model knows, as a table of measures that travels with the model."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from stages.population.catalogue import CONFIDENCE
from stages.population.measures import DIGITS

MOST = 512
"""Patients that a model carries: 5 % of them are 25, which tell a tail well enough."""
_UNKNOWN = "-"


class Population(BaseModel):
    """A row of numbers a patient under the names of `catalogue.of`; nothing tells which patient.

    patients: each as text, numbers with a space between them, "-" for what is not known. As lists of numbers
    they would take twice the room in a JSON that people read.
    """

    model_config = ConfigDict(frozen=True)

    measures: tuple[str, ...] = Field(min_length=1)
    patients: tuple[str, ...]

    @model_validator(mode="after")
    def _complete(self) -> "Population":
        if len(set(self.measures)) != len(self.measures):
            raise ValueError("a measure stands twice")
        numbers = _numbers(self.patients, len(self.measures))
        if np.isinf(numbers).any():
            raise ValueError("numbers are not finite")
        return self

    def __len__(self) -> int:
        return len(self.patients)

    def table(self, names: Sequence[str]) -> np.ndarray:
        """The measures of these names, (patients, names) float64; NaN where a patient's is not known, and for
        names of which the model carries nothing.
        """
        numbers = _numbers(self.patients, len(self.measures))
        own = {name: place for place, name in enumerate(self.measures)}
        unknown = np.full(len(self), np.nan)
        columns = [numbers[:, own[name]] if name in own else unknown for name in names]
        return np.stack(columns, axis=1)

    def without_confidence(self) -> "Population":
        """The same of another model, which knows the same patients."""
        kept = [name for name in self.measures if name != CONFIDENCE]
        return of(kept, self.table(kept))


@lru_cache(maxsize=4)
def _numbers(patients: tuple[str, ...], count: int) -> np.ndarray:
    """(patients, count) float64. Raises ValueError where a patient has more or fewer, or what is none."""
    rows = [
        [np.nan if word == _UNKNOWN else float(word) for word in patient.split(" ")] for patient in patients
    ]
    if any(len(row) != count for row in rows):
        raise ValueError("a patient has more or fewer numbers than there are measures")
    numbers = np.array(rows, np.float64).reshape(len(rows), count)
    numbers.flags.writeable = False
    return numbers


def of(names: Sequence[str], table: np.ndarray) -> Population:
    """The patients of a table (patients, names) float64, in its order."""
    rows = [
        " ".join(_UNKNOWN if np.isnan(value) else f"{value:.{DIGITS}g}" for value in row) for row in table
    ]
    return Population(measures=tuple(names), patients=tuple(rows))


def drawn(patients: Sequence[str]) -> list[str]:
    """At most `MOST` of the patients, by chance that is the same each time, in an order that says nothing."""
    return sorted(set(patients), key=by_chance)[:MOST]


def by_chance(name: str) -> str:
    """A key that sorts names in an order that has nothing to do with them."""
    return hashlib.sha256(name.encode()).hexdigest()


def joint(populations: Sequence[Population | None]) -> Population | None:
    """Of an ensemble: the patients of all its members, each once. No member's confidence is the ensemble's.

    None where a member carries none. Folds of a cross-validation know the same patients.
    """
    if not populations or any(own is None for own in populations):
        return None
    apart = [own.without_confidence() for own in populations if own is not None]
    names = apart[0].measures
    if any(own.measures != names for own in apart):
        return None
    rows = list(dict.fromkeys(row for own in apart for row in own.patients))
    return Population(measures=names, patients=tuple(rows[:MOST]))
