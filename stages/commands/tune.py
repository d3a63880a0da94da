"""Search params by validation Dice: Optuna proposes, each trial is a DVC experiment of the current commit.

brainseg tune --search 'train.lr=log(1e-4,1e-2)' --search 'train.loss=choice(dice_bce,focal_tversky)'
brainseg tune --search 'train.dropout=uniform(0,0.5)' -S train.epochs=4 --trials 5         # quicker trials
OMP_NUM_THREADS=2 brainseg tune --search 'train.lr=log(1e-4,1e-2)' --jobs 4                # four at a time

After an interruption the same command goes on; with more --trials it goes on beyond. Test patients have no
say: what is compared is `val.dice`, and the best trial's test Dice is printed once, at the end.
"""

from typing import Annotated

import typer

from stages.core import errors
from stages.experiments import runs, search, study
from stages.experiments.study import Search

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    axes: Annotated[list[str], typer.Option("--search", help=f"section.key={search.FORMS}; repeat it.")],
    trials: Annotated[
        int, typer.Option(min=1, help="Experiments in all, those of earlier calls counted.")
    ] = 20,
    overrides: Annotated[
        list[str] | None, typer.Option("--set-param", "-S", help="section.key=value for every trial.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of Optuna's proposals.")] = 0,
    jobs: Annotated[int, typer.Option(help="Trials at a time.")] = 1,
) -> None:
    """Search params by validation Dice."""
    runs.check(jobs)
    print(study.run(Search([search.parse(word) for word in axes], overrides or [], seed), trials, jobs))


if __name__ == "__main__":
    errors.run(app)
