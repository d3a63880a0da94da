"""Say what this machine has and lacks for the project, and what to do about it.

brainseg doctor                # about a second; status 1 where something needed is missing
brainseg doctor --network      # may ask the DVC remote and Kaggle as well
"""

import dataclasses
import json
import sys
from typing import Annotated

import typer

from stages.core import errors
from stages.environment import checkup
from stages.environment.machine import Diagnosis, Status

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
COLOURS = {Status.OK: "green", Status.WARN: "yellow", Status.MISSING: "red"}


@app.command()
def main(
    network: Annotated[
        bool, typer.Option("--network", help="Connect to the DVC remote and to Kaggle.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check what this machine has and lacks. Status 1 where something needed is missing."""
    diagnoses = list(checkup.examine(network))
    if as_json:
        print(json.dumps([dataclasses.asdict(line) for line in diagnoses], indent=2, ensure_ascii=False))
    elif sys.stdout.isatty():
        table(diagnoses)
    else:
        for line in diagnoses:
            print(f"{line.status:8} {line.what}: {line.found}" + (f"; {line.advice}" if line.advice else ""))
    if any(line.status is Status.MISSING for line in diagnoses):
        raise typer.Exit(1)


def table(diagnoses: list[Diagnosis]) -> None:
    """The diagnoses in colours."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = Table("", "status", "found", "what to do", box=None)
    for line in diagnoses:
        rows.add_row(line.what, Text(line.status, COLOURS[line.status]), Text(line.found), Text(line.advice))
    Console().print(rows)


if __name__ == "__main__":
    errors.run(app)
