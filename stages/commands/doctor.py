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
from stages.environment.machine import Finding, Status

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
    found = list(checkup.examine(network))
    if as_json:
        print(json.dumps([dataclasses.asdict(one) for one in found], indent=2, ensure_ascii=False))
    elif sys.stdout.isatty():
        table(found)
    else:
        for one in found:
            print(f"{one.status:8} {one.what}: {one.found}" + (f"; {one.advice}" if one.advice else ""))
    if any(one.status is Status.MISSING for one in found):
        raise typer.Exit(1)


def table(found: list[Finding]) -> None:
    """The findings in colours."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table("", "status", "found", "what to do", box=None)
    for one in found:
        shown.add_row(one.what, Text(one.status, COLOURS[one.status]), Text(one.found), Text(one.advice))
    Console().print(shown)


if __name__ == "__main__":
    errors.run(app)
