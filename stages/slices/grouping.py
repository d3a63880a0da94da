"""Assign what belongs together to train, validation or test, and prove that nothing straddles."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold, train_test_split

from stages.errors import UserError

SPLITS = ("train", "val", "test")
_PUBLISHED = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


def assign(
    table: pd.DataFrame,
    strategy: str,
    ratios: tuple[float, float, float],
    seed: int,
    folds: int | None = None,
    fold: int = 0,
) -> pd.DataFrame:
    """Assign every slice to a split.

    table: one row a slice with `sample_id, case_id, patient_id, group, source_split, label_pixels`. strategy:
    "patient" keeps each group whole, stratified by tumour burden (labelled pixels a slice, in quantiles);
    "slice" draws slices one by one and leaks; "source" keeps the published division. ratios: of train, val
    and test, counted in groups. folds: with k folds, fold number `fold` is the test set and validation is
    drawn from the rest. Returns `sample_id, case_id, patient_id, group, split` in the order of `table`.
    Raises `UserError` where the data are too few for the division.
    """
    if strategy == "source":
        chosen = table["source_split"].map(lambda name: _PUBLISHED.get(name.lower(), ""))
        if (chosen == "").any():
            raise UserError("split.strategy source needs data that came divided; use patient with these")
    else:
        unit = "sample_id" if strategy == "slice" else "group"
        of_unit = _divide(burden(table, unit), ratios, seed, folds, fold)
        chosen = table[unit].map(of_unit)
    missing = [name for name in SPLITS if not (chosen == name).any()]
    if missing:
        raise UserError(f"the {missing[0]} split would be empty; add patients or change split.ratios")
    return table[["sample_id", "case_id", "patient_id", "group"]].assign(split=chosen)


def burden(table: pd.DataFrame, unit: str) -> pd.Series:
    """Mean labelled pixels a slice of each unit, sorted by unit so that the order of rows decides nothing."""
    return table.groupby(unit)["label_pixels"].mean().sort_index()


def _divide(
    amounts: pd.Series, ratios: tuple[float, float, float], seed: int, folds: int | None, fold: int
) -> dict[str, str]:
    units = amounts.index.to_numpy()
    if len(units) < max(3, folds or 0):
        needed = f"{folds} folds" if folds else "train, val and test"
        raise UserError(f"{len(units)} patients are too few for {needed}; add patients or lower split.folds")
    train, val, test = ratios
    if folds:
        spread = StratifiedKFold(folds, shuffle=True, random_state=seed)
        rest, tested = list(spread.split(units, _levels(amounts, len(units) // folds)))[fold]
    else:
        rest, tested = _draw(amounts, test, seed, left=2)
    kept, validated = _draw(amounts.iloc[rest], val / (train + val), seed, left=1)
    split = dict.fromkeys(units[tested], "test")
    split |= dict.fromkeys(units[rest][validated], "val")
    return split | dict.fromkeys(units[rest][kept], "train")


def _draw(amounts: pd.Series, share: float, seed: int, left: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions (rest, drawn) with about `share` of the units drawn, at least one and never the last `left`,
    stratified where numbers allow.
    """
    count = min(max(1, round(share * len(amounts))), len(amounts) - left)
    levels = _levels(amounts, min(count, len(amounts) - count))
    rest, drawn = train_test_split(
        np.arange(len(amounts)),
        test_size=count,
        random_state=seed,
        stratify=levels if levels.max() > 0 else None,
    )
    return np.sort(rest), np.sort(drawn)


def _levels(amounts: pd.Series, most: int) -> np.ndarray:
    """Quantile of each unit's burden: `most` quantiles, 4 at most, and no fewer than two units in each."""
    number = max(1, min(4, most, len(amounts) // 2))
    rank = np.argsort(np.argsort(amounts.to_numpy(), kind="stable"), kind="stable")
    return rank * number // len(amounts)


def proof(splits: pd.DataFrame, table: pd.DataFrame, strategy: str) -> dict[str, Any]:
    """Metrics that show what went where and that nothing leaked.

    `overlap` counts patients, and groups of patients joined by copies, that are in two splits at once. Raises
    `UserError` where a "patient" split leaks, which would be a fault of this program.
    """
    patients = {name: set(rows["patient_id"]) for name, rows in splits.groupby("split")}
    groups = {name: set(rows["group"]) for name, rows in splits.groupby("split")}
    pairs = [("train", "val"), ("train", "test"), ("val", "test")]
    overlap = {
        f"{a}_{b}": {"patients": len(patients[a] & patients[b]), "groups": len(groups[a] & groups[b])}
        for a, b in pairs
    }
    leaky = any(count for pair in overlap.values() for count in pair.values())
    if leaky and strategy == "patient":
        raise UserError(
            "the patient split leaks, which is a bug; please report it with reports/validate/findings.csv"
        )
    pixels = table.set_index("sample_id")["label_pixels"]
    per_split = {}
    for name in SPLITS:
        rows = splits[splits["split"] == name]
        labelled = pixels.loc[rows["sample_id"]]
        per_split[name] = {
            "patients": rows["patient_id"].nunique(),
            "slices": len(rows),
            "tumour_slices": int((labelled > 0).sum()),
            "tumour_pixels_per_slice": float(labelled.mean()),
        }
    return {"strategy": strategy, "leaky": leaky, "overlap": overlap, **per_split}
