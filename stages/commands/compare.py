"""Say whether one revision's model is better than another's: the committed test results, patient by patient.

brainseg compare main                            # the last commit against the branch main, as Markdown
brainseg compare main my-experiment              # names of `dvc exp show`, tags, branches, commits
brainseg compare HEAD~1 --format json --out comparison.json
brainseg compare scored-v1 scored-v2             # two folders that `brainseg score` wrote
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from stages.comparison import comparison, markdown
from stages.comparison.verdict import Verdict
from stages.core import atomic, errors
from stages.core.errors import UserError
from stages.experiments import results, revision
from stages.experiments.results import Results
from stages.project.paths import HERE

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Notation(StrEnum):
    """What is written."""

    MARKDOWN = "markdown"
    JSON = "json"


@app.command()
def main(
    base: Annotated[str, typer.Argument(help="The revision, experiment or score to compare with.")],
    head: Annotated[str | None, typer.Argument(help="The one to judge. [default: the last commit]")] = None,
    form: Annotated[Notation, typer.Option("--format", help="What to write.")] = Notation.MARKDOWN,
    out: Annotated[Path | None, typer.Option(help="A file to write instead of the screen.")] = None,
    tolerance: Annotated[float, typer.Option(min=0, max=1, help="Dice that may be lost.")] = 0.0,
    strict: Annotated[
        bool, typer.Option("--strict", help="Status 1 also where nothing can be said of HEAD's model.")
    ] = False,
) -> None:
    """Compare the test results of two git revisions.

    Status 1 where HEAD is worse: the 95 % interval of the difference in Dice lies below 0, and the mean
    loss is more than --tolerance. With --strict also where the two are not comparable, or where HEAD's
    results are not those of HEAD's code. Else 0; 2 where there is nothing to compare.
    """
    if out and out.is_dir():
        raise UserError(f"--out {out} is a folder; name a file")
    if head is None:
        if results.is_score(base):
            raise UserError(f"{base} is a score; name the other one too")
        _refuse_uncommitted()
    ours, theirs = map(_results, (base, head or "HEAD"))
    compared = comparison.of(ours, theirs, tolerance)
    text = markdown.as_json(compared) if form is Notation.JSON else markdown.markdown(compared)
    if out:
        atomic.text(text, out)
        print(markdown.sentence(compared))
    else:
        print(text, end="")
    unsaid = compared.outcome.verdict is Verdict.INCOMPARABLE or bool(theirs.stale)
    if compared.regression or (strict and unsaid):
        raise typer.Exit(1)


def _results(name: str) -> Results:
    return results.of_score(Path(name)) if results.is_score(name) else results.load(revision.resolve(name))


def _refuse_uncommitted() -> None:
    changed = revision.uncommitted([*results.METRICS.values(), HERE.per_case])
    if changed:
        raise UserError(
            f"{changed[0]} is not as HEAD has it, and only commits are compared; commit it, or give HEAD as "
            "the second revision to compare what is committed"
        )


if __name__ == "__main__":
    errors.run(app)
