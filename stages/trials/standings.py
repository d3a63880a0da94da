"""How far out the scans of a set lie among the patients that a model knows."""

import numpy as np

from stages.exporting import known
from stages.inference.spec import Spec
from stages.population import catalogue, measures, outlying
from stages.population.outlying import Standing
from stages.store.shards import Store


def of(store: Store, rows: np.ndarray, spec: Spec) -> dict[str, Standing]:
    """Of each case that `rows` of a store belong to, by its id; none where the model knows no patients, or
    nothing can be said.
    """
    if spec.population is None:
        return {}
    listed = catalogue.of(spec.input.channels)
    standings = {}
    for case_id, case in store.index.iloc[rows].groupby("case_id", sort=False):
        numbers = measures.of(store.images(case.index.to_numpy()), known.frame(store, str(case_id)), None)
        if (standing := outlying.of(spec.population, listed, numbers)) is not None:
            standings[str(case_id)] = standing
    return standings


def sentence(standings: dict[str, Standing], spec: Spec) -> str:
    """What a reader of a score must know of them."""
    if not standings:
        why = "too few are known" if spec.population else "the model carries none"
        return f"whether these scans are like those of training cannot be said: of its patients {why}"
    far = [standing for standing in standings.values() if standing.far_out]
    number = f"{len(far)} of {len(standings)} scans are far out among those of training"
    if not far:
        return number
    first = max(far, key=lambda standing: -standing.p)
    return f"{number}; the first of them: {first.sentence}"
