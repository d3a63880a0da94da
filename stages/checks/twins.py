"""Slices that are one picture, or one patient, under several names: what a split must not tear apart."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from stages.checks import fingerprint

MIN_HEAD = 0.01
"""A slice with less head than this shows nothing; the ends of many volumes are such slices."""
RUN_BITS = 188
"""Bits in which pictures of consecutive numbers may differ and still be taken for one patient. In the coco
set three quarters of them come closer, of pictures whose numbers are far apart 0.1 %.
"""
RUN_GAP = 3
"""Numbers apart that still count as consecutive: published subsets leave some out."""

Pair = tuple[str, str]
"""Two sample_ids, in the order of the table."""


@dataclass(frozen=True)
class Same:
    """Pairs of slices that belong together beyond their patient_id: of equal pixels, of pictures that are
    near each other, of consecutive numbers in a set that does not tell patients.
    """

    identical: list[Pair]
    near: list[Pair]
    runs: list[Pair]

    def groups(self, rows: pd.DataFrame) -> pd.Series:
        """For each row the smallest patient_id among all that are joined to its own."""
        return groups(rows, [*self.identical, *self.near, *self.runs])


def of(rows: pd.DataFrame, bits: int) -> Same:
    """What belongs together among rows of manifest and measurements; `bits`: validate.near_duplicate_bits."""
    return Same(identical(rows), near(rows, bits), runs(rows))


_NUMBERED = re.compile(r"(?P<stem>.*?)(?P<number>\d+)$")


def identical(rows: pd.DataFrame) -> list[Pair]:
    """Slices with the same pixels, each with the first of them. rows: manifest and measurements."""
    shown = rows[(rows["content"] != "") & (rows["head"] >= MIN_HEAD)]
    return [
        (str(same["sample_id"].iloc[0]), str(other))
        for _, same in shown.groupby("content", sort=False)
        for other in same["sample_id"].iloc[1:]
    ]


def near(rows: pd.DataFrame, bits: int) -> list[Pair]:
    """Pairs of different patients whose pictures, flipped or turned, differ in at most `bits` bits; none for
    0.
    """
    if not bits:
        return []
    ids = list(rows["sample_id"])
    pairs = fingerprint.near(list(rows["picture"]), list(rows["patient_id"]), bits)
    return [(ids[left], ids[right]) for left, right in pairs]


def runs(rows: pd.DataFrame) -> list[Pair]:
    """Pictures of consecutive numbers that look alike, in sets that do not tell patients: one scan, as a
    rule.
    """
    unknown = rows[~rows["patient_known"] & (rows["picture"] != "")]
    numbered = unknown["patient_id"].str.extract(_NUMBERED)
    if numbered.empty:
        return []
    order = unknown.assign(stem=numbered["stem"], number=numbered["number"]).dropna(subset="number")
    # Not pandas' numbers: of digits by the dozen, as of a date and a time, they forget the last.
    order = order.assign(number=[int(digits) for digits in order["number"]])
    order = order.sort_values(["stem", "number", "sample_id"], kind="stable")
    places = list(zip(order["stem"], order["number"], order["picture"], order["sample_id"], strict=True))
    found = []
    for at, (stem, number, picture, one) in enumerate(places):
        for after in range(at + 1, len(places)):
            other_stem, other_number, other_picture, other = places[after]
            if other_stem != stem or other_number > number + RUN_GAP:
                break
            if other_number > number and fingerprint.apart(picture, other_picture) <= RUN_BITS:
                found.append((str(one), str(other)))
    return found


def groups(rows: pd.DataFrame, pairs: Iterable[Pair]) -> pd.Series:
    """For each row the smallest patient_id among all patients that `pairs` join to its own."""
    leader = {patient: patient for patient in sorted(set(rows["patient_id"]))}

    def find(patient: str) -> str:
        while leader[patient] != patient:
            leader[patient] = leader[leader[patient]]
            patient = leader[patient]
        return patient

    patient_of = dict(zip(rows["sample_id"], rows["patient_id"], strict=True))
    for left, right in pairs:
        low, high = sorted((find(patient_of[left]), find(patient_of[right])))
        leader[high] = low
    return pd.Series([find(patient) for patient in rows["patient_id"]], index=rows.index, dtype=str)
