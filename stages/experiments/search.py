"""What `brainseg tune` searches: a param and the values it may take, as written on the command line."""

import re
from dataclasses import dataclass

import optuna

from stages.core.errors import UserError

FORMS = "uniform(low,high), log(low,high), int(low,high) or choice(a,b,...)"
_WRITTEN = re.compile(r"^(?P<key>\w+\.\w+)=(?P<kind>\w+)\((?P<values>[^()]+)\)$")


@dataclass(frozen=True)
class Axis:
    """A param and where its values come from; `values` are the ends of a range or the choices."""

    key: str
    kind: str
    values: tuple[str, ...]

    def suggest(self, trial: optuna.Trial) -> str:
        """The -S word of a trial."""
        if self.kind == "choice":
            return f"{self.key}={trial.suggest_categorical(self.key, self.values)}"
        if self.kind == "int":
            low, high = (int(value) for value in self.values)
            return f"{self.key}={trial.suggest_int(self.key, low, high)}"
        low_, high_ = (float(value) for value in self.values)
        # Four digits: the same word gives the same experiment, and nobody needs more of them.
        return f"{self.key}={trial.suggest_float(self.key, low_, high_, log=self.kind == 'log'):.4g}"


def parse(word: str) -> Axis:
    """Read `section.key=kind(values)`; raises `UserError`."""
    match = _WRITTEN.match(word)
    if not match or match["kind"] not in ("uniform", "log", "int", "choice"):
        raise UserError(f"--search {word} is not section.key= followed by {FORMS}")
    values = tuple(value.strip() for value in match["values"].split(","))
    if match["kind"] == "choice":
        if len(set(values)) < 2 or "" in values:
            raise UserError(f"--search {word} needs two different choices at least")
        return Axis(match["key"], "choice", values)
    number = int if match["kind"] == "int" else float
    try:
        low, high = (number(value) for value in values)
    except ValueError:
        raise UserError(f"--search {word} needs two {number.__name__} numbers, low and high") from None
    if not low < high or (match["kind"] == "log" and low <= 0):
        above = ", both above 0" if match["kind"] == "log" else ""
        raise UserError(f"--search {word}: the first number must be below the second{above}")
    return Axis(match["key"], match["kind"], values)
