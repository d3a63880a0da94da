"""`brainseg <command>`: every stage and every command beside the DAG under one name."""

import importlib
from importlib import metadata
from typing import Annotated

import typer

from stages.core import errors
from stages.core.errors import UserError
from stages.environment import extras

# Here as well as in each script, so that `brainseg --help` does not import torch.
STAGES = {
    "locate": "See whether the scans at ingest.location have changed.",
    "ingest": "Bring the scans into data/raw/ and list every slice.",
    "validate": "Find what is wrong with the data.",
    "preprocess": "Scale, crop and resize every case into the slice store.",
    "split": "Assign every patient to train, validation or test.",
    "augment": "Write the augmentation policy and a preview of it.",
    "train": "Train a network and keep its best or last epoch.",
    "evaluate": "Score the model on the test patients.",
    "export": "Export the model as ONNX and write its card.",
    "report": "Put everything that was measured on one page.",
}
OPTIONAL = {
    "score": "Score a model on labelled scans that it was not made from.",
}
"""Beside the DAG, of which one may make a stage of it."""
COMMANDS = {
    "predict": "Segment new scans with an exported model.",
    "serve": "A page to drop new scans on, look at their masks and correct them.",
    "drift": "Say whether scans are unlike those that a model was trained on.",
    "next": "Rank scans by what labelling them would bring.",
    "headline": "Print the test Dice and where the report is.",
    "ensemble": "Join the folds of a cross-validation.",
    "tune": "Search params by validation Dice.",
    "slurm": "Write a SLURM batch script that runs experiments.",
    "preset": "Print or run a recipe by name.",
    "register": "Make the committed model a version that others can get.",
    "compare": "Compare the test results of two git revisions.",
    "doctor": "Check what this machine has and lacks.",
}


app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _add(room: str, name: str, summary: str) -> None:
    # Everything behind the name, --help included, is the script's own business.
    passed_on = {"allow_extra_args": True, "ignore_unknown_options": True}

    @app.command(name, help=summary, context_settings=passed_on, add_help_option=False)
    def run(context: typer.Context) -> None:
        try:
            importlib.import_module(f"stages.{room}{name}").app(context.args, prog_name=f"brainseg {name}")
        except ModuleNotFoundError as error:
            if sentence := extras.advice(name, error):
                raise UserError(sentence) from None
            raise


def _version(asked: bool) -> None:
    if not asked:
        return
    try:
        print(f"{extras.NAME} {metadata.version(extras.NAME)}")
    except metadata.PackageNotFoundError:
        raise UserError(f"{extras.NAME} is not installed; {extras.install(extras.TRAIN)}") from None
    raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Brain MRI with tumour masks in, a tested and versioned segmentation model out."""


for _name, _summary in (STAGES | OPTIONAL).items():
    _add("", _name, _summary)
for _name, _summary in COMMANDS.items():
    _add("commands.", _name, _summary)


def main() -> None:
    """Entry point of the `brainseg` program."""
    errors.run(app)


if __name__ == "__main__":
    main()
