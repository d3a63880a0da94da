"""Corrections that joined a set: whose scans they may be of, and which slices they take the place of.

The groups of the set itself are what they would be without any correction: the split draws by them.
"""

from collections import defaultdict

import pandas as pd

from stages.checks import twins
from stages.checks.statistics import MIN_HEAD
from stages.checks.twins import Same
from stages.core import record, tables

Planes = dict[str, str]
"""Hash of each channel of a slice by its name."""


def columns(rows: pd.DataFrame, same: Same, kept: pd.Series) -> dict[str, pd.Series]:
    """What validate adds to the manifest, by name of column, index as of `rows`: `group`; where corrections
    joined the set also `ties`, the groups of the set that a correction is joined to by its patient or by
    pictures, and `replaces`, the earlier slices whose mask it corrects (both `record.reference`, "" where
    there are none).

    rows: manifest and measurements. kept: which of them later stages see.
    """
    joined = tables.joined(rows)
    if not joined.any():
        return {"group": same.groups(rows)}
    ids = set(rows.loc[joined, "sample_id"])
    pairs = [*same.identical, *same.near, *same.runs]
    own = twins.groups(rows[~joined], [pair for pair in pairs if not ids.intersection(pair)])
    replaced = _with_blank(rows[kept], _replaced(rows[kept]))
    copies = [(other, sample_id) for sample_id, others in replaced.items() for other in others]
    component = twins.groups(rows, [*pairs, *copies])
    touched = own.groupby(component[~joined]).agg(lambda groups: sorted(set(groups))).to_dict()
    ties = [touched.get(name, []) if new else [] for name, new in zip(component, joined, strict=True)]
    group = [
        own.get(row, tied[0] if tied else name)
        for row, name, tied in zip(rows.index, component, ties, strict=True)
    ]
    return {
        "group": pd.Series(group, rows.index, dtype=str),
        "ties": pd.Series([record.reference(*tied) for tied in ties], rows.index, dtype=str),
        "replaces": pd.Series(
            [record.reference(*replaced.get(sample_id, [])) for sample_id in rows["sample_id"]],
            rows.index,
            dtype=str,
        ),
    }


def _replaced(rows: pd.DataFrame) -> dict[str, list[str]]:
    """For each slice of a correction the slices before it, of other cases, that are the same picture: equal
    in all channels that both have, where one has all of the other. Of two corrections the later one counts.
    """
    by_plane: dict[tuple[str, str], list[int]] = defaultdict(list)
    ids, cases = list(rows["sample_id"]), list(rows["case_id"])
    planes: list[Planes] = []
    replaced = {}
    columns = zip(rows["modalities"], rows["planes"], rows["head"], tables.joined(rows), strict=True)
    for place, (modalities, hashed, head, joined) in enumerate(columns):
        names, hashes = modalities.split(";"), hashed.split(";")
        own = dict(zip(names, hashes, strict=True)) if hashed and len(names) == len(hashes) else {}
        if joined and head >= MIN_HEAD:
            near = {other for plane in own.items() for other in by_plane[plane]}
            replaced[ids[place]] = [
                ids[other]
                for other in sorted(near)
                if cases[other] != cases[place] and _agree(own, planes[other])
            ]
        planes.append(own)
        for plane in own.items():
            by_plane[plane].append(place)
    return replaced


def _agree(one: Planes, other: Planes) -> bool:
    common = one.keys() & other.keys()
    return common in (one.keys(), other.keys()) and all(one[name] == other[name] for name in common)


def _with_blank(rows: pd.DataFrame, replaced: dict[str, list[str]]) -> dict[str, list[str]]:
    """The same, and where a correction has all slices of a case that show a head, also those that do not,
    which look alike in many scans: a case is then replaced as a whole.
    """
    case_of = dict(zip(rows["sample_id"], rows["case_id"], strict=True))
    members = rows.groupby("case_id")["sample_id"].agg(list)
    visible = rows[rows["head"] >= MIN_HEAD].groupby("case_id")["sample_id"].agg(set)
    by_correction: dict[str, list[str]] = defaultdict(list)
    for sample_id in replaced:
        by_correction[case_of[sample_id]].append(sample_id)
    whole = {sample_id: list(others) for sample_id, others in replaced.items()}
    for own in by_correction.values():
        taken = {other for sample_id in own for other in replaced[sample_id]}
        for case_id in dict.fromkeys(case_of[other] for other in sorted(taken)):
            if visible[case_id] <= taken:
                whole[own[0]] += [other for other in members[case_id] if other not in taken]
    return whole
