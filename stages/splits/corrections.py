"""Corrections after the set itself was divided: they train, unless they may show somebody who is tested.

A mask that a model made and a person looked at says little of the next model, so corrections are never
validated or tested on; and of scans of validation and test patients, or of copies of these, they would leak.
"""

from typing import Any

import pandas as pd

from stages.core import record, tables


def joined(splits: pd.DataFrame, index: pd.DataFrame, strategy: str) -> pd.DataFrame:
    """The division with the corrections that train; what has no row in it is used nowhere.

    splits: of the set's own slices (`grouping.assign`). index: a row a slice with `ties` and `replaces` as
    validate wrote them, corrections behind the set. A correction trains where none of the groups that it is
    tied to has slices in validation or test; under "site" it must be tied to some, for nobody knows of
    another whether it is from the site that is tested. Slices that a training correction replaces are left
    out, its own mask is the better one.
    """
    own = index[tables.joined(index)]
    closed = set(splits.loc[splits["split"] != "train", "group"])
    ties = own["ties"].map(_names)
    trains = ties.map(closed.isdisjoint) & (ties.map(bool) | (strategy != "site"))
    replaced = {name for names in own.loc[trains, "replaces"].map(_names) for name in names}
    training = own.loc[trains & ~own["sample_id"].isin(replaced), splits.columns.drop("split")]
    return pd.concat(
        [splits[~splits["sample_id"].isin(replaced)], training.assign(split="train")], ignore_index=True
    )


def counted(splits: pd.DataFrame, index: pd.DataFrame) -> dict[str, Any]:
    """What became of the corrections, for metrics: scans and slices of them that train, and that are left
    out, and slices of the set in whose place they train.
    """
    own = tables.joined(index)
    used = index["sample_id"].isin(splits["sample_id"])
    replaced = {name for names in index.loc[own & used, "replaces"].map(_names) for name in names}
    missing = index[own & ~used & ~index["sample_id"].isin(replaced)]
    return {
        "train": {"cases": index.loc[own & used, "case_id"].nunique(), "slices": int((own & used).sum())},
        "left_out": {"cases": missing["case_id"].nunique(), "slices": len(missing)},
        "replaced": int((~own & ~used).sum()),
    }


def ties(index: pd.DataFrame) -> dict[str, set[str]]:
    """For each correction's slice the groups of the set that it is tied to, beside its own."""
    if "ties" not in index:
        return {}
    named = zip(index["sample_id"], index["ties"], strict=True)
    return {sample_id: set(_names(names)) for sample_id, names in named}


def sentence(counts: dict[str, Any]) -> str:
    """For the user."""
    train, left_out = counts["train"], counts["left_out"]
    return (
        f"{train['cases']} corrections ({train['slices']} slices) train, in the place of "
        f"{counts['replaced']} slices of the set; {left_out['cases']} ({left_out['slices']} slices) are left "
        "out, for they are, or may be, of patients who are validated or tested on"
    )


def _names(reference: str) -> list[str]:
    return record.names(reference) if reference else []
