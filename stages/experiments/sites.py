"""What folds that are sites say of each site, entered into the project's table."""

import pandas as pd

from stages.experiments import recipe
from stages.experiments.experiment import Experiment
from stages.project.paths import HERE
from stages.scoring import leakage, sites

SCHEMA = leakage.SCHEMA.requiring("site", "traits")
"""What must be known of each case."""


def record(folds: list[Experiment], scores: list[pd.DataFrame]) -> None:
    """Enter what experiments measured which test every site (split.strategy site), each once a seed.

    scores: of each the rows of per_case.csv, `SCHEMA`.
    """
    params = folds[0].params()
    prepared = params.preprocess.model_dump(mode="json", exclude={"jobs"})
    words = ", ".join(recipe.words({f"preprocess.{name}": value for name, value in prepared.items()}))
    patients = folds[0].splits()["patient_id"]
    rows = sites.of(
        pd.concat(scores, ignore_index=True), patients, words, params.train.model_dump(mode="json")
    )
    sites.enter(rows, HERE.sites)
