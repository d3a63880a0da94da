"""How far trainings that differ in `train.seed` alone are apart."""

import pandas as pd

from stages.core.errors import UserError
from stages.experiments import experiment, results, revision
from stages.experiments.results import Results
from stages.project.paths import HERE
from stages.scoring.metrics import NAMES

SEED = "train.seed"


def spread() -> list[str]:
    """Mean, standard deviation (n - 1), lowest and highest of every headline metric over seeds, a line each.

    Of HEAD and of the experiments that began at it, those with HEAD's code, data and params but for
    train.seed. Raises `UserError` where that is but one training.
    """
    head = results.load(revision.resolve("HEAD"))
    base = experiment.Base(head.revision.commit, changes="")
    others = [_results(trained.ref) for trained in experiment.all_of(base)]
    by_seed = {str(of.params[SEED]): of for of in [*others, head] if of and _same(head, of)}
    if len(by_seed) < 2:
        raise UserError(
            f"no experiment differs from {head.revision} in {SEED} alone; "
            "make some with `dvc exp run --temp -S train.seed=1`, 2 and so on"
        )
    table = pd.DataFrame({seed: of.test for seed, of in by_seed.items()}).reindex(NAMES).dropna()
    return [
        f"{len(by_seed)} trainings that differ in {SEED} alone: seeds {', '.join(sorted(by_seed))}",
        "metric: mean, standard deviation, lowest, highest",
        *(
            f"{name}: {row.mean():.4f}, {row.std(ddof=1):.4f}, {row.min():.4f}, {row.max():.4f}"
            for name, row in table.astype(float).iterrows()
        ),
    ]


def _results(ref: str) -> Results | None:
    try:
        return results.load(revision.resolve(ref))
    except UserError:
        return None  # an experiment that did not come to its results


def _same(head: Results, other: Results) -> bool:
    """Whether both are of the same code, data and params, but for the seed."""
    if SEED not in other.params or other.stale:
        return False
    params = [{key: value for key, value in of.params.items() if key != SEED} for of in (head, other)]
    data = [{path: md5 for path, md5 in of.data.items() if path != str(HERE.weights)} for of in (head, other)]
    return params[0] == params[1] and head.code == other.code and data[0] == data[1]
