"""Dice of every patient pooled over folds, and its paired difference between arms: what leakage adds."""

from collections.abc import Iterable

import pandas as pd

from stages.core import tables
from stages.core.errors import UserError
from stages.scoring import overlap
from stages.scoring.intervals import patient_bootstrap

SCHEMA = tables.PER_CASE.requiring("predicted_ml")
"""What must be known of each case."""
VOLUMES = ("agreed_ml", "predicted_ml", "truth_ml")


def pooled(folds: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Volume Dice of every patient out of the folds that tested its slices.

    folds: for each fold its rows of per_case.csv (`cases.score`), of which the columns of `SCHEMA` are used.
    A case may be in several folds, with other slices in each: its volumes are added up, and so is the volume
    TP on which mask and truth agree, Dice x (truth + predicted) / 2, which is the definition of Dice (1945)
    solved for it. 2 TP / (truth + predicted) of the sums is then the Dice of all tested slices as one volume;
    1 where truth and prediction are empty in every fold. As in `cases.means`, a patient's scans and regions
    are averaged, so that each patient counts once.

    Returns a table by `patient_id`, sorted: `slices` tested, and `dice`, 0 to 1.
    """
    rows = pd.concat(folds, ignore_index=True)
    rows["agreed_ml"] = rows["dice"] * (rows["truth_ml"] + rows["predicted_ml"]) / 2
    cases = rows.groupby(["patient_id", "case_id", "region"])[["slices", *VOLUMES]].sum()
    cases["dice"] = overlap.dice(overlap.Counts(*(cases[name].to_numpy() for name in VOLUMES)))
    scans = cases.groupby(["patient_id", "case_id"])["slices"].max()  # the same in each region
    return pd.DataFrame(
        {"slices": scans.groupby("patient_id").sum(), "dice": cases.groupby("patient_id")["dice"].mean()}
    )


def paired(arms: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The arms side by side, patient by patient.

    arms: a table of `pooled` for each arm, the reference first. Returns a table by `patient_id`: `slices`,
    the Dice of each arm under its name, and for each arm but the reference "<arm> minus <reference>".
    Raises `UserError` where the arms did not test equally many slices of each patient: they make no pairs.
    """
    slices = pd.DataFrame({arm: table["slices"] for arm, table in arms.items()}).fillna(0).astype(int)
    uneven = slices[slices.nunique(axis=1) > 1]
    if len(uneven):
        counts = ", ".join(f"{count} in {arm}" for arm, count in uneven.iloc[0].items())
        raise UserError(
            f"the arms tested different slices of patient {uneven.index[0]} ({counts}); compare them over "
            "split.folds, on data that do not change meanwhile"
        )
    reference = next(iter(arms))
    found = pd.DataFrame({arm: table["dice"] for arm, table in arms.items()})
    for arm in list(arms)[1:]:
        found[f"{arm} minus {reference}"] = found[arm] - found[reference]
    found.insert(0, "slices", slices[reference])
    return found


def summary(pairs: pd.DataFrame, resamples: int) -> pd.DataFrame:
    """Mean over patients of every score and difference in a table of `paired`, a row each.

    Columns: `low` and `high`, the 95 % bootstrap interval (`patient_bootstrap`), and `mean`.
    """
    scores = pairs.drop(columns="slices")
    ends = [patient_bootstrap(scores[name].to_numpy(), resamples) for name in scores]
    return pd.DataFrame(ends, index=scores.columns, columns=["low", "high"]).assign(mean=scores.mean())
