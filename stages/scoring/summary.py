"""What metrics.json says of the test cases: of a pipeline's own, and of a set that a model is tried on."""

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from stages.core import tables
from stages.masks.rule import Tta
from stages.scoring import cases, conventions
from stages.scoring.scores import Scores
from stages.store.shards import Store


def metrics(
    scored: Scores, by_tta: Mapping[Tta, pd.DataFrame], store: Store, resamples: int
) -> dict[str, Any]:
    """Headline, conventions, and what must be known of the set to read them. by_tta: `conventions.slices` of
    the masks with each test-time augmentation; resamples: of patients, for the intervals.
    """
    own = store.index[~tables.joined(store.index)]
    tested = scored.per_case["case_id"]
    return {
        "test": headline(scored.per_case, scored.histograms, resamples),
        "conventions": conventions.card(scored.per_slice)
        | {f"tta_{tta}": conventions.brief(table) for tta, table in by_tta.items()},
        "patients_known": bool(own["patient_known"].all()),
        "box_labels": bool((own["label_kind"] == "box").mean() > 0.5),
        "spacing_known": all(store.meta.cases[case_id].spacing_known for case_id in tested),
    }


def headline(per_case: pd.DataFrame, regions: Collection[str], resamples: int) -> dict[str, Any]:
    """Mean of every metric over patients; where there are several regions, also of each."""
    metrics = cases.means(per_case, resamples) | {
        "patients": per_case["patient_id"].nunique(),
        "worst_dice": float(per_case["dice"].min()),
    }
    if len(regions) > 1:
        metrics["regions"] = {
            name: cases.means(per_case[per_case["region"] == name], resamples) for name in regions
        }
    return metrics
