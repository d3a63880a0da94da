"""Recipes by name: print the overrides of one, train every arm of one that compares, or table them all.

brainseg preset                                     # what there is
dvc exp run $(brainseg preset lgg-bce-dice)         # its overrides over params.yaml, as one experiment
brainseg preset leak-tax --run -S train.epochs=4    # every fold of both arms, ten experiments; then the table
brainseg preset lgg-ablation --run --arm base --seeds 3    # some arms only, each fold with three seeds
OMP_NUM_THREADS=1 brainseg preset leak-tax --run --jobs 4  # four experiments at a time
brainseg preset table --run --location lgg=lgg.zip  # every published system on the data there is
"""

from typing import Annotated

import typer

from stages.core import errors
from stages.core.errors import UserError
from stages.experiments import arms, recipe, runs, systems
from stages.experiments.arms import Extent

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    name: Annotated[
        str | None, typer.Argument(help="A preset, or `table`; without one they are listed.")
    ] = None,
    run: Annotated[bool, typer.Option("--run", help="Train what is compared or tabled.")] = False,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set-param", "-S", help="With --run or table: section.key=value, as DVC has it."),
    ] = None,
    arm: Annotated[list[str] | None, typer.Option(help="With --run: this arm only; may be repeated.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="With --run: trainings of each fold.")] = 1,
    location: Annotated[
        list[str] | None, typer.Option(help="With table: source=path of the data, for each source there is.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="With --run: experiments at a time.")] = 1,
) -> None:
    """List the presets, print the overrides of one, run one that compares, or table the published ones."""
    if location and name != "table":
        raise UserError("--location goes with `brainseg preset table`; elsewhere use -S ingest.location=...")
    if name is None:
        if run or overrides or arm or seeds > 1 or jobs != 1:
            raise UserError("options go with a preset; `brainseg preset` lists what there is")
        for known in recipe.names():
            print(known, *recipe.load(known).lines(), sep="\n    ")
        return
    if (arm or seeds > 1) and (name == "table" or not run):
        raise UserError("--arm and --seeds go with --run of a preset that compares")
    if jobs != 1 and not run:
        raise UserError("--jobs goes with --run")
    runs.check(jobs)
    if name == "table":
        print(systems.table(overrides or [], location or [], run, jobs))
        return
    preset = recipe.load(name)
    if run:
        print(arms.compare(name, preset, overrides or [], Extent(arm or [], seeds, jobs)))
    elif overrides:
        raise UserError("-S goes with --run; without it, give it to `dvc exp run` itself")
    else:
        print(*(f"-S {word}" for word in recipe.words(preset.overrides)))


if __name__ == "__main__":
    errors.run(app)
