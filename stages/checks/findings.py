"""Findings of validation: what is wrong with which slice, in words a person can act on."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from stages.checks import judgement
from stages.checks.twins import MIN_HEAD, Same
from stages.core.errors import UserError
from stages.formats import images
from stages.sources.cards import CARDS

COLUMNS = ["severity", "check", "sample_id", "file", "explanation"]
COLOURS = images.colours(3)

Finding = tuple[Any, ...]
"""A row of `COLUMNS`."""


def of(rows: pd.DataFrame, same: Same) -> pd.DataFrame:
    """Judge slices (`measured` gives the rows), and those that are the same under several names.

    Severity "critical" makes a slice unusable, "warning" is for a person to look at, "info" is worth knowing.
    """
    ends = empty_ends(rows)
    found = [
        *_unusable(rows),
        *_suspicious(rows, ends),
        *_left_out(rows[ends]),
        *_grey_in_colour(rows),
        *_subset(rows),
        *judgement.judge(rows),
        *_twins(rows, same),
    ]
    return pd.DataFrame(found, columns=COLUMNS)


def measured(table: pd.DataFrame, numbers: pd.DataFrame) -> pd.DataFrame:
    """The manifest with what was measured of each slice (`statistics.measure`) beside it.

    What the manifest told of a column that was measured ends in _told. Raises `UserError` where two rows have
    the same sample_id.
    """
    twice = table.loc[table["sample_id"].duplicated(), "sample_id"]
    if len(twice):
        raise UserError(f"the manifest lists slice {twice.iloc[0]} twice; give every slice its own sample_id")
    return table.merge(numbers, on="sample_id", suffixes=("_told", ""), validate="one_to_one")


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


def _left_out(empty: pd.DataFrame) -> Iterator[Finding]:
    for case_id, case in empty.groupby("case_id", sort=False):
        first = case.iloc[0]
        text = f"{len(case)} slices above and below the brain of case {case_id} show nothing and are left out"
        yield "info", "no_brain", first["sample_id"], first["image"], text


def _suspicious(rows: pd.DataFrame, ends: pd.Series) -> Iterator[Finding]:
    visible = (rows["image_problem"] == "") & rows["finite"] & ~ends
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


def _subset(rows: pd.DataFrame) -> Iterator[Finding]:
    """One finding where the source's published set is larger, or smaller."""
    card = CARDS[str(rows["source"].iloc[0])]
    patients = rows["patient_id"].nunique()
    if card.slices is None or (len(rows) == card.slices and patients == (card.patients or patients)):
        return
    whole = f"{card.slices:,} slices" + (f" of {card.patients} patients" if card.patients else "")
    here = f"{len(rows):,}" + (f" of {patients}" if card.patients else "")
    text = f"the published set has {whole}, here are {here}: results do not compare ({card.about})"
    first = rows.iloc[0]
    yield "info", "subset", first["sample_id"], first["image"], text


def _twins(rows: pd.DataFrame, same: Same) -> Iterator[Finding]:
    by_id = rows.set_index("sample_id", drop=False)
    for left, right in same.identical:
        text = f"its pixels are those of {left}"
        yield "warning", "duplicate", right, by_id.at[right, "image"], text
    for left, right in same.near:
        one, other = by_id.loc[left], by_id.loc[right]
        if one["content"] != other["content"]:
            text = f"it looks like {left} of patient {one['patient_id']}; both stay in one split"
            yield "warning", "near_duplicate", right, other["image"], text
    if same.runs:
        left, right = same.runs[0]
        text = (
            f"{len(same.runs)} pairs of pictures with consecutive numbers look alike, first {left} and "
            f"{right}: this set does not tell its patients, and such runs are taken for one"
        )
        yield "info", "run", right, by_id.at[right, "image"], text


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
