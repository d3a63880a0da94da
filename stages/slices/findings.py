"""Findings of validation: what is wrong with which slice, in words a person can act on."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from stages.errors import UserError
from stages.slices import fingerprint
from stages.sources import images

COLUMNS = ["severity", "check", "sample_id", "file", "explanation"]
MIN_HEAD = 0.01
"""A slice with less head than this shows nothing; the ends of many volumes are such slices."""
COLOURS = "red;green;blue"

Finding = tuple[Any, ...]
"""A row of `COLUMNS`."""


def of(table: pd.DataFrame, measured: pd.DataFrame, near: list[tuple[str, str]]) -> pd.DataFrame:
    """Judge measured slices (`statistics.measure`), rows as in `table` (the manifest); `near`: `near_twins`.

    Severity "critical" makes a slice unusable, "warning" is for a person to look at, "info" is worth knowing.
    Raises `UserError` where two rows have the same sample_id.
    """
    twice = table.loc[table["sample_id"].duplicated(), "sample_id"]
    if len(twice):
        raise UserError(f"the manifest lists slice {twice.iloc[0]} twice; give every slice its own sample_id")
    rows = judged(table, measured)
    found = [
        *_unusable(rows),
        *_suspicious(rows),
        *_empty_ends(rows),
        *_grey_in_colour(rows),
        *_twins(rows, near),
    ]
    return pd.DataFrame(found, columns=COLUMNS)


def judged(table: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """Manifest and measurements side by side; what the manifest told of a column that was measured ends in
    _told.
    """
    return table.merge(measured, on="sample_id", suffixes=("_told", ""), validate="one_to_one")


def _unusable(rows: pd.DataFrame) -> Iterator[Finding]:
    for row in rows.itertuples():
        reasons = [
            ("image", row.image_problem, row.image or row.mask),
            ("mask", row.mask_problem, row.mask or row.image),
            ("finite", "" if row.finite else "it holds NaN or infinite pixels", row.image),
            (
                "mask_size",
                ""
                if row.mask_matches
                else f"the mask is not {row.width}x{row.height} pixels as its image is",
                row.mask,
            ),
            ("mask_values", row.label_problem, row.mask),
        ]
        for check, problem, file in reasons:
            if problem:
                yield "critical", check, row.sample_id, file, problem
    for case_id, case in rows[rows["width"] > 0].groupby("case_id", sort=False):
        for what in ("width", "height", "channels"):
            usual = case[what].mode()[0]
            for row in case[case[what] != usual].itertuples():
                told = f"its {what} is {getattr(row, what)}, of the other slices of case {case_id} {usual}"
                yield "critical", "one_case_one_shape", row.sample_id, row.image, told


def empty_ends(rows: pd.DataFrame) -> pd.Series:
    """Which slices lie above or below all that a volume file shows: bool, index as of `rows`.

    rows: manifest and measurements. Only volumes: a set of single slices is used as it was published.
    """
    ends = pd.Series(False, index=rows.index)
    volumes = rows[rows["image"].map(images.is_volume) & (rows["image_problem"] == "")]
    for _, case in volumes.groupby("case_id", sort=False):
        case = case.sort_values("slice")
        shown = (
            (case["head"] >= MIN_HEAD)
            | (case["mask_pixels"] > 0)
            | ~case["finite"]
            | (case["label_problem"] != "")
        )
        before, after = ~shown.cummax(), ~shown[::-1].cummax()
        ends[case.index] = before | after
    return ends


def _empty_ends(rows: pd.DataFrame) -> Iterator[Finding]:
    for case_id, case in rows[empty_ends(rows)].groupby("case_id", sort=False):
        first = case.iloc[0]
        text = f"{len(case)} slices above and below the brain of case {case_id} show nothing and are left out"
        yield "info", "no_brain", first["sample_id"], first["image"], text


def _suspicious(rows: pd.DataFrame) -> Iterator[Finding]:
    visible = (rows["image_problem"] == "") & rows["finite"] & ~empty_ends(rows)
    for row in rows[visible & (rows["head"] < MIN_HEAD)].itertuples():
        yield "info", "blank", row.sample_id, row.image, "the slice shows next to nothing"
    for case_id, case in rows.groupby("case_id", sort=False):
        first = case.iloc[0]
        if case["copied_channels"].mean() > 0.5 and first["modalities"] != COLOURS:
            text = f"two channels of case {case_id} are the same picture: a sequence is missing"
            yield "warning", "copied_channels", first["sample_id"], first["image"], text
        if len(case) > 1 and (case["mask_problem"] == "").all() and not case["mask_pixels"].any():
            yield (
                "info",
                "no_tumour",
                first["sample_id"],
                first["mask"],
                f"no slice of case {case_id} has tumour",
            )


def _grey_in_colour(rows: pd.DataFrame) -> Iterator[Finding]:
    """One finding for the set: programs like to save grey pictures as RGB."""
    grey = rows[rows["copied_channels"] & (rows["modalities"] == COLOURS)]
    if len(grey):
        text = f"{len(grey)} of {len(rows)} pictures are grey, saved in colour; preprocess.channels: gray "
        text += "stores one channel instead of three"
        yield "info", "grey_in_colour", grey.iloc[0]["sample_id"], grey.iloc[0]["image"], text


def _twins(rows: pd.DataFrame, near: list[tuple[str, str]]) -> Iterator[Finding]:
    known = rows[rows["content"] != ""]
    for _, same in known[known["head"] >= MIN_HEAD].groupby("content", sort=False):
        for row in same.iloc[1:].itertuples():
            text = f"its pixels are those of {same.iloc[0]['sample_id']}"
            yield "warning", "duplicate", row.sample_id, row.image, text
    by_id = known.set_index("sample_id", drop=False)
    for left, right in near:
        one, other = by_id.loc[left], by_id.loc[right]
        if one["content"] != other["content"]:
            text = f"it looks like {left} of patient {one['patient_id']}; both stay in one split"
            yield "warning", "near_duplicate", right, other["image"], text


def near_twins(table: pd.DataFrame, measured: pd.DataFrame, bits: int) -> list[tuple[str, str]]:
    """Pairs of sample_ids of different patients whose pictures differ in at most `bits` bits; none for 0."""
    if not bits:
        return []
    ids = list(measured["sample_id"])
    patient_of = dict(zip(table["sample_id"], table["patient_id"], strict=True))
    pairs = fingerprint.near(list(measured["picture"]), [patient_of[one] for one in ids], bits)
    return [(ids[left], ids[right]) for left, right in pairs]


def twin_groups(table: pd.DataFrame, measured: pd.DataFrame, near: list[tuple[str, str]]) -> pd.Series:
    """For each row the smallest patient_id among all patients joined to it by identical slices or `near`."""
    rows = judged(table, measured)
    leader = {patient: patient for patient in sorted(set(rows["patient_id"]))}

    def find(patient: str) -> str:
        while leader[patient] != patient:
            patient = leader[patient]
        return patient

    def join(one: str, other: str) -> None:
        low, high = sorted((find(one), find(other)))
        leader[high] = low

    shown = rows[(rows["content"] != "") & (rows["head"] >= MIN_HEAD)]
    for _, same in shown.groupby("content", sort=False):
        for patient in same["patient_id"].iloc[1:]:
            join(same["patient_id"].iloc[0], patient)
    patient_of = dict(zip(rows["sample_id"], rows["patient_id"], strict=True))
    for left, right in near:
        join(patient_of[left], patient_of[right])
    return pd.Series([find(patient) for patient in rows["patient_id"]], index=table.index, dtype=str)


def refuse(found: pd.DataFrame, slices: int, on_error: str, max_quarantined: float) -> None:
    """Raise `UserError` where unusable slices must stop the run: any under "fail", too many under
    "quarantine".
    """
    critical = found[found["severity"] == "critical"]
    bad = critical["sample_id"].nunique()
    if not bad:
        return
    first = "; ".join(f"{row.file}: {row.explanation}" for row in critical.head(3).itertuples())
    more = f" (and {len(critical) - 3} more)" if len(critical) > 3 else ""
    what = f"{bad} of {slices} slices cannot be used: {first}{more}"
    if bad == slices:
        raise UserError(f"{what}; no slice is left, check ingest.source and ingest.location")
    if on_error == "fail":
        raise UserError(
            f"{what}; repair or remove them, or set validate.on_error: quarantine to go on without them"
        )
    if bad > max_quarantined * slices:
        raise UserError(
            f"{what}; that is more than validate.max_quarantined {max_quarantined:g}, "
            "repair the data or raise it"
        )
