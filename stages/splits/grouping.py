"""Assign what belongs together to train, validation or test, and prove that nothing straddles."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold, train_test_split

from stages.core import tables
from stages.core.errors import UserError
from stages.splits import corrections

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

    table: one row a slice with `sample_id, case_id, patient_id, group, source_split, site, label_pixels`.
    strategy: "patient" keeps each group whole, stratified by site and by tumour burden (labelled pixels a
    slice, in quantiles) as far as numbers allow; "slice" draws slices one by one and leaks; "source" keeps
    the published division; "site" tests the patients of site number `fold` by name. ratios: of train, val
    and test, counted in groups. folds: with k folds, fold number `fold` is the test set and validation is
    drawn from the rest. Returns `sample_id, case_id,
    patient_id, group, split` in the order of `table`. Raises `UserError` where the data are too few for the
    division.
    """
    if strategy == "source":
        chosen = table["source_split"].map(lambda name: _PUBLISHED.get(name.lower(), ""))
        if (chosen == "").any():
            raise UserError("split.strategy source needs data that came divided; use patient with these")
    elif strategy == "site":
        of_unit = _hold_out(_units(table, "group"), ratios, seed, folds, fold)
        chosen = table["group"].map(of_unit)
    else:
        unit = "sample_id" if strategy == "slice" else "group"
        of_unit = _divide(_units(table, unit), ratios, seed, folds, fold)
        chosen = table[unit].map(of_unit)
    missing = [name for name in SPLITS if not (chosen == name).any()]
    if missing:
        raise UserError(f"the {missing[0]} split would be empty; add patients or change split.ratios")
    return table[["sample_id", "case_id", "patient_id", "group"]].assign(split=chosen)


def burden(table: pd.DataFrame, unit: str) -> pd.Series:
    """Mean labelled pixels a slice of each unit, sorted by unit so that the order of rows decides nothing."""
    return table.groupby(unit)["label_pixels"].mean().sort_index()


def _units(table: pd.DataFrame, unit: str) -> pd.DataFrame:
    """Columns burden and site of each unit; a group of several sites counts with its first by name."""
    sites = table.groupby(unit)["site"].min().sort_index()
    return pd.DataFrame({"burden": burden(table, unit), "site": sites})


def _divide(
    units: pd.DataFrame, ratios: tuple[float, float, float], seed: int, folds: int | None, fold: int
) -> dict[str, str]:
    names = units.index.to_numpy()
    if len(units) < max(3, folds or 0):
        needed = f"{folds} folds" if folds else "train, val and test"
        raise UserError(f"{len(units)} patients are too few for {needed}; add patients or lower split.folds")
    train, val, test = ratios
    if folds:
        spread = StratifiedKFold(folds, shuffle=True, random_state=seed)
        rest, tested = list(spread.split(names, _strata(units, folds, len(units))))[fold]
    else:
        rest, tested = _draw(units, test, seed, left=2)
    kept, validated = _draw(units.iloc[rest], val / (train + val), seed, left=1)
    split = dict.fromkeys(names[tested], "test")
    split |= dict.fromkeys(names[rest][validated], "val")
    return split | dict.fromkeys(names[rest][kept], "train")


def _hold_out(
    units: pd.DataFrame, ratios: tuple[float, float, float], seed: int, folds: int | None, fold: int
) -> dict[str, str]:
    """All units of one site to test, the others to train and validation."""
    sites = sorted(set(units["site"]) - {""})
    if not sites or (units["site"] == "").any():
        raise UserError(
            "split.strategy site needs scans that tell their site, as TCGA codes do; use patient with these"
        )
    if folds != len(sites):
        named = ", ".join(sites)
        raise UserError(f"split.strategy site needs split.folds: {len(sites)}, one for each site ({named})")
    tested = (units["site"] == sites[fold]).to_numpy()
    train, val, _ = ratios
    rest = units[~tested]
    if len(rest) < 2:
        raise UserError(
            f"beside the patients of site {sites[fold]} there are too few to train and validate; add patients"
        )
    kept, validated = _draw(rest, val / (train + val), seed, left=1)
    split = dict.fromkeys(units.index[tested], "test")
    split |= dict.fromkeys(rest.index[validated], "val")
    return split | dict.fromkeys(rest.index[kept], "train")


def _draw(units: pd.DataFrame, share: float, seed: int, left: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions (rest, drawn) with about `share` of the units drawn, at least one and never the last `left`,
    stratified where numbers allow.
    """
    count = min(max(1, round(share * len(units))), len(units) - left)
    strata = _strata(units, 2, min(count, len(units) - count))
    rest, drawn = train_test_split(
        np.arange(len(units)),
        test_size=count,
        random_state=seed,
        stratify=strata if strata.max() > 0 else None,
    )
    return np.sort(rest), np.sort(drawn)


def _strata(units: pd.DataFrame, least: int, most: int) -> np.ndarray:
    """A number for each unit: units of one site and one quantile of burden (of four at most) have the same.

    No number is of fewer than `least` units, and there are at most `most` numbers: quantiles are made wider
    and small sites thrown together until that holds. Sites come first, then as many quantiles as can be.
    """
    rank = np.argsort(np.argsort(units["burden"].to_numpy(), kind="stable"), kind="stable")
    for site in (units["site"].to_numpy(dtype=object), np.full(len(units), "", dtype=object)):
        divisions = [_merged(site, rank * levels // len(units), least) for levels in (4, 3, 2, 1)]
        # Not the first that fits: of many narrow quantiles all may be too small, and none is left.
        best = max((strata for strata in divisions if strata.max() < most), key=np.max, default=None)
        if best is not None and best.max() > 0:
            return best
    return np.zeros(len(units), dtype=np.int64)


def _merged(sites: np.ndarray, levels: np.ndarray, least: int) -> np.ndarray:
    """Cells of site and level; what has fewer than `least` units gives up its level, then its site."""
    cells = pd.Series(list(zip(sites, levels.tolist(), strict=True)))
    for coarser in (lambda cell: (cell[0], -1), lambda _: ("", -1)):
        small = cells.map(cells.value_counts()) < least
        cells = cells.where(~small, cells.map(coarser))
    counts = cells.value_counts()
    if counts.min() < least:
        smallest, fullest = counts.idxmin(), max(counts.index, key=lambda cell: (counts[cell], cell))
        cells = cells.map(lambda cell: fullest if cell == smallest else cell)
    return pd.factorize(cells, sort=True)[0]


def proof(splits: pd.DataFrame, table: pd.DataFrame, strategy: str) -> dict[str, Any]:
    """Metrics that show what went where and that nothing leaked.

    table: as of `assign`, with `source` and `patient_known`, and where there are corrections their `ties`.
    `overlap` counts patients, and groups of patients joined by copies, that are in two splits at once;
    `leaking_test_slices` is the share of test slices whose group was trained or validated on. Raises
    `UserError` where a "patient" or "site" split leaks, which would be a fault of this program.
    """
    patients = {name: set(rows["patient_id"]) for name, rows in splits.groupby("split")}
    ties = corrections.ties(table)
    groups = {
        name: set(rows["group"]).union(*(ties.get(sample_id, ()) for sample_id in rows["sample_id"]))
        for name, rows in splits.groupby("split")
    }
    pairs = [("train", "val"), ("train", "test"), ("val", "test")]
    overlap = {
        f"{a}_{b}": {"patients": len(patients[a] & patients[b]), "groups": len(groups[a] & groups[b])}
        for a, b in pairs
    }
    leaky = any(count for pair in overlap.values() for count in pair.values())
    if leaky and strategy in ("patient", "site"):
        raise UserError(
            f"the {strategy} split leaks, which is a bug; please report it with reports/validate/findings.csv"
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
    tested = splits["split"] == "test"
    seen = splits["group"].isin(groups["train"] | groups["val"])
    return {
        "strategy": strategy,
        "leaky": leaky,
        "leaking_test_slices": float((tested & seen).sum() / tested.sum()),
        "patients_known": bool(table.loc[~tables.joined(table), "patient_known"].all()),
        "overlap": overlap,
        **per_split,
    }
