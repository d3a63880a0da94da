"""Print the headline of the last run and where its report is.

python -m stages.commands.headline             # what `make run` ends with
python -m stages.commands.headline --seeds     # how far trainings that differ in train.seed alone are apart
"""

import json
from typing import Annotated

import pandas as pd
import typer

from stages.core import errors
from stages.core.errors import UserError
from stages.experiments import experiment, results, revision
from stages.experiments.results import Results
from stages.project.paths import HERE
from stages.reporting import headline
from stages.scoring.metrics import NAMES

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
SEED = "train.seed"


@app.command()
def main(
    seeds: Annotated[
        bool, typer.Option("--seeds", help="Spread over HEAD and its experiments with another train.seed.")
    ] = False,
) -> None:
    """Print the test Dice and where the report is."""
    if seeds:
        print(over_seeds())
        return
    try:
        evaluated = json.loads(HERE.evaluate_metrics.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{HERE.evaluate_metrics} does not exist; run `dvc repro` first") from None
    print(headline.sentence(evaluated))
    print(f"report: {HERE.report.resolve().as_uri()}")


def over_seeds() -> str:
    """Mean and standard deviation of every headline metric over seeds.

    Of HEAD and of the experiments that began at it, those with HEAD's code, data and params but for
    train.seed. Raises `UserError` where that is but one training.
    """
    head = results.load(revision.resolve("HEAD"))
    refs = [one.ref for one in experiment.all_of(experiment.Base(head.revision.commit, changes=""))]
    by_seed = {str(one.params[SEED]): one for one in [*map(_results, refs), head] if one and _same(head, one)}
    if len(by_seed) < 2:
        raise UserError(
            f"no experiment differs from {head.revision} in {SEED} alone; "
            "make some with `dvc exp run --temp -S train.seed=1`, 2 and so on"
        )
    table = pd.DataFrame({seed: one.test for seed, one in by_seed.items()}).reindex(NAMES).dropna()
    told = [f"{len(by_seed)} trainings that differ in {SEED} alone: seeds {', '.join(sorted(by_seed))}"]
    told += ["metric: mean, standard deviation, lowest, highest"]
    for name, row in table.astype(float).iterrows():
        told.append(f"{name}: {row.mean():.4f}, {row.std(ddof=1):.4f}, {row.min():.4f}, {row.max():.4f}")
    return "\n".join(told)


def _results(ref: str) -> Results | None:
    try:
        return results.load(revision.resolve(ref))
    except UserError:
        return None  # an experiment that did not come to its results


def _same(one: Results, other: Results) -> bool:
    """Whether both are of the same code, data and params, but for the seed."""
    plain = [{key: value for key, value in each.params.items() if key != SEED} for each in (one, other)]
    cut = [
        {path: md5 for path, md5 in each.data.items() if path != str(HERE.weights)} for each in (one, other)
    ]
    known = SEED in other.params and not other.stale
    return known and plain[0] == plain[1] and one.code == other.code and cut[0] == cut[1]


if __name__ == "__main__":
    errors.run(app)
