"""Folds of a cross-validation as one: its Dice over all patients, and its networks as one model.

dvc exp run --queue -S split.folds=5 -S 'split.fold=range(5)' && dvc queue start    # one experiment a fold
brainseg ensemble                                                                   # of the current commit

Writes reports/ensemble/ and, where the experiments went as far as export, models/ensemble/, which
`brainseg predict --model models/ensemble` takes. Experiments that differ in train.seed as well are averaged
too, and so are cross-validations of different networks, of slices and of volumes, where an experiment of each
is named. No patient is left to test the ensemble itself on: the Dice is of the single networks, each on the
patients it has not seen.
"""

from typing import Annotated

import typer

from stages.core import errors
from stages.experiments import crossvalidation, ensemble

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="An experiment of each cross-validation, where there are several."),
    ] = None,
) -> None:
    """Average the networks of a cross-validation and tell its Dice over all patients."""
    recipes = crossvalidation.chosen(crossvalidation.complete(), names or [])
    print(*ensemble.write(recipes).lines(), sep="\n")


if __name__ == "__main__":
    errors.run(app)
