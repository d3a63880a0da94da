"""Print the headline of the last run and where its report is.

python -m stages.commands.headline             # what `make run` ends with
python -m stages.commands.headline --seeds     # how far trainings that differ in train.seed alone are apart
"""

import json
from typing import Annotated

import typer

from stages.core import errors
from stages.core.errors import UserError
from stages.project.paths import HERE
from stages.reporting import headline

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    seeds: Annotated[
        bool, typer.Option("--seeds", help="Spread over HEAD and its experiments with another train.seed.")
    ] = False,
) -> None:
    """Print the test Dice and where the report is."""
    if seeds:
        from stages.experiments.seeds import spread  # loads what reads revisions, which `make run` need not

        print(*spread(), sep="\n")
        return
    try:
        evaluated = json.loads(HERE.evaluate_metrics.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{HERE.evaluate_metrics} does not exist; run `dvc repro` first") from None
    print(headline.sentence(evaluated))
    print(f"report: {HERE.report.resolve().as_uri()}")


if __name__ == "__main__":
    errors.run(app)
