"""The patients that a model knows, measured in the slice store, and how sure it is of unseen ones."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from stages.inference.cases import Prediction
from stages.masks import label_map
from stages.masks.rule import Rule
from stages.population import catalogue, measures, population
from stages.population.measures import Frame
from stages.population.population import Population
from stages.scoring import prediction
from stages.store.shards import Store


def confidence(store: Store, rule: Rule, case: Prediction) -> float | None:
    """Mean probability within the mask that a rule makes of a case, None where there is none."""
    scored = prediction.scored(store, case)
    regions = store.meta.regions
    return label_map.confidence(
        scored.levels, label_map.of(scored.levels, regions, rule, scored.voxel_ml), regions
    )


def noted(
    predicted: Iterable[Prediction], store: Store, rule: Rule, sure: dict[str, float]
) -> Iterator[Prediction]:
    """The same cases, while the confidence of each goes into `sure` under its id, where it has a mask."""
    for case in predicted:
        own = confidence(store, rule, case)
        if own is not None:
            sure[case.case_id] = own
        yield case


def patients(store: Store, rows: np.ndarray, sure: Mapping[str, float]) -> Population:
    """Measure the patients that `rows` of a store are of, one case each: the mean of several would vary less
    than a new scan does. Which case, and which patients where there are too many, is by chance that is the
    same each time. sure: of cases that were not trained on, how sure the model is of them, by their ids.
    """
    cases = store.index.iloc[rows].drop_duplicates("case_id")
    case_of: dict[str, str] = {}
    for patient, case in zip(cases["patient_id"].map(str), cases["case_id"].map(str), strict=True):
        case_of[patient] = min(case, case_of.get(patient, case), key=population.by_chance)
    places = store.index.groupby("case_id", sort=False).indices
    table = [
        measures.of(store.images(np.asarray(places[case])), frame(store, case), sure.get(case))
        for case in (case_of[patient] for patient in population.drawn(list(case_of)))
    ]
    names = [measure.name for measure in catalogue.of(store.meta.channels)]
    return population.of(names, np.array(table))


def frame(store: Store, case_id: str) -> Frame:
    """How a case got into the store."""
    case = store.meta.cases[case_id]
    size = store.meta.size
    spacing = case.frame_spacing_mm.scaled(size / case.box.height, size / case.box.width)
    known = spacing if case.spacing_known else None
    return Frame(case.mean, case.std, case.box, case.height, case.width, known)
