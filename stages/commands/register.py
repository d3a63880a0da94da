"""Make the committed model a version: a git tag that others get it by, and an entry in MLflow's registry.

brainseg register v1.0.0          # about 10 s; then `dvc push` and `git push origin tumour-segmenter@v1.0.0`

Run again after an interruption it does what is missing.
"""

from typing import Annotated

import typer

from stages.core import errors
from stages.registry import registration

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    version: Annotated[str, typer.Argument(help="v1.0.0, v1.1.0 and so on.", show_default=False)],
) -> None:
    """Register the committed model as a version, in git and in MLflow."""
    print(*registration.register(version).lines(), sep="\n")


if __name__ == "__main__":
    errors.run(app)
