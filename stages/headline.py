"""Print the headline of the last run and where its report is.

python -m stages.headline        # what `make run` ends with
"""

import json

import typer

from stages import errors, layout
from stages.errors import UserError
from stages.reporting import headline

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main() -> None:
    """Print the test Dice and where the report is."""
    try:
        evaluated = json.loads(layout.EVALUATE_METRICS.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{layout.EVALUATE_METRICS} does not exist; run `dvc repro` first") from None
    print(headline.sentence(evaluated))
    print(f"report: {layout.REPORT.resolve().as_uri()}")


if __name__ == "__main__":
    errors.run(app)
