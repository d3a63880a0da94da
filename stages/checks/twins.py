"""Slices that are one picture, or one patient, under several names: what a split must not tear apart."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from stages.checks.statistics import MIN_HEAD
from stages.fingerprints import fingerprint

RUN_BITS = 188
"""Bits in which pictures of consecutive numbers may differ and still be taken for one patient."""
RUN_GAP = 3
"""Numbers apart that still count as consecutive: published subsets leave some out."""

Pair = tuple[str, str]
"""Two sample_ids, in the order of the table."""


@dataclass(frozen=True)
class Same:
    """Pairs of slices that belong together beyond their patient_id: of equal pixels, of pictures that are
    near each other, of consecutive numbers in a set without patients.
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
    visible = rows[(rows["content"] != "") & (rows["head"] >= MIN_HEAD)]
    visible = visible[visible["content"].duplicated(keep=False)]  # a group for each other slice takes long
    return [
        (str(same["sample_id"].iloc[0]), str(other))
        for _, same in visible.groupby("content", sort=False)
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
    """Pictures of consecutive numbers that look alike, in sets without patients: one scan, as a rule."""
    unknown = rows[~rows["patient_known"] & (rows["picture"] != "")]
    numbered = unknown["patient_id"].str.extract(_NUMBERED)
    if numbered.empty:
        return []
    order = unknown.assign(stem=numbered["stem"], number=numbered["number"]).dropna(subset="number")
    # Not pandas' numbers: of digits by the dozen, as of a date and a time, they forget the last.
    order = order.assign(number=[int(digits) for digits in order["number"]])
    order = order.sort_values(["stem", "number", "sample_id"], kind="stable")
    places = list(zip(order["stem"], order["number"], order["picture"], order["sample_id"], strict=True))
    pairs = []
    for at, (stem, number, picture, sample_id) in enumerate(places):
        for after in range(at + 1, len(places)):
            next_stem, next_number, next_picture, next_id = places[after]
            if next_stem != stem or next_number > number + RUN_GAP:
                break
            if next_number > number and fingerprint.apart(picture, next_picture) <= RUN_BITS:
                pairs.append((str(sample_id), str(next_id)))
    return pairs


def groups(rows: pd.DataFrame, pairs: Iterable[Pair]) -> pd.Series:
    """For each row the smallest patient_id among all patients that `pairs` join to its own."""
    codes, patients = pd.factorize(rows["patient_id"], sort=True)
    code_of = dict(zip(rows["sample_id"], codes, strict=True))
    edges = np.array([[code_of[left], code_of[right]] for left, right in pairs], int).reshape(-1, 2)
    shape = (len(patients), len(patients))
    graph = coo_array((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), shape)
    component = connected_components(graph, directed=False)[1]
    smallest = np.unique(component, return_index=True)[1]  # the patients are sorted
    return pd.Series(patients[smallest[component[codes]]], index=rows.index, dtype=str)
