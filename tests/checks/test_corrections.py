"""Corrections beside the set that they join: the set's groups stay, and each correction knows its "
"originals."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.checks import corrections, findings, statistics, twins
from stages.core import record, tables
from stages.core.record import CORRECTIONS
from stages.sources import joining, lgg
from tests.fixtures import corrections as made
from tests.fixtures import scans

A, B = scans.case_name(0), scans.case_name(1)
CORRECTED = np.zeros((3, 64, 64), np.uint8)
CORRECTED[:, 30:34, 30:34] = 1


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """data/raw with four patients of three slices each."""
    scans.write_lgg(tmp_path / "raw", patients=4, slices=3)
    return tmp_path / "raw"


def judged(raw: Path, place: Path | None, bits: int = 60) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows with the columns that validate adds, by sample_id, and the findings."""
    base = lgg.find(raw).records
    table = tables.from_records(base).assign(source="lgg")
    if place:
        more, _ = joining.join(base, place, raw)
        table = pd.concat([table, tables.from_records(more).assign(source=CORRECTIONS)], ignore_index=True)
    rows = findings.measured(table, statistics.measure(raw, table.to_dict("records")))
    same = twins.of(rows, bits)
    added = corrections.columns(rows, same, pd.Series(True, rows.index))
    return rows.assign(**added).set_index("sample_id"), findings.of(rows, same)


def images_of(patient: int) -> np.ndarray:
    return scans.volume(3, seed=(0, patient))[0]


def of(rows: pd.DataFrame, each: Any, column: str) -> list[list[str]]:
    """What the rows of a correction have in `ties` or `replaces`."""
    own = rows[rows["case_id"] == f"correction-{each.folder}"]
    return [record.names(cell) if cell else [] for cell in own[column]]


def test_without_corrections_there_is_but_the_group(raw: Path) -> None:
    rows, _ = judged(raw, None)
    assert set(tables.MANIFEST.further) & set(rows.columns) == {"group"}


def test_a_correction_of_a_scan_of_the_set_by_whatever_name(raw: Path, tmp_path: Path) -> None:
    before, flagged = judged(raw, None)
    each = made.write(tmp_path / "also", "anonymous.tif", images_of(1), CORRECTED)
    rows, flagged_after = judged(raw, tmp_path / "also")
    pd.testing.assert_frame_equal(flagged_after, flagged)
    assert dict(rows["group"].loc[before.index]) == dict(before["group"])
    assert of(rows, each, "ties") == [[lgg.patient_of(B)]] * 3
    assert of(rows, each, "replaces") == [[f"{B}_1"], [f"{B}_2"], [f"{B}_3"]]
    assert set(rows.loc[rows["source"] == CORRECTIONS, "group"]) == {lgg.patient_of(B)}
    assert not rows.loc[before.index, ["ties", "replaces"]].any(axis=None)


def test_a_stretched_and_turned_copy_is_tied_but_replaces_nothing(raw: Path, tmp_path: Path) -> None:
    copy = np.rot90(np.clip(images_of(1) * 1.05, 0, 255).astype(np.uint8), axes=(1, 2))
    each = made.write(tmp_path / "also", "x.tif", copy, CORRECTED)
    rows, flagged = judged(raw, tmp_path / "also")
    assert of(rows, each, "ties") == [[lgg.patient_of(B)]] * 3
    assert of(rows, each, "replaces") == [[]] * 3
    assert "critical" not in set(flagged["severity"])
    told = flagged.loc[flagged["check"] == "near_duplicate", "explanation"]
    assert told.str.endswith("; a correction trains only where the patients that it looks like do").all()
    assert len(told) >= 3


def test_a_correction_of_some_channels_in_another_order(raw: Path, tmp_path: Path) -> None:
    names = ("post", "flair")
    each = made.write(tmp_path / "also", "x.tif", images_of(1)[..., [2, 1]], CORRECTED, channels=names)
    rows, _ = judged(raw, tmp_path / "also", bits=0)
    assert of(rows, each, "replaces") == [[f"{B}_1"], [f"{B}_2"], [f"{B}_3"]]
    assert of(rows, each, "ties") == [[lgg.patient_of(B)]] * 3


def test_channels_under_each_others_names_are_another_picture(raw: Path, tmp_path: Path) -> None:
    names = ("flair", "post")
    each = made.write(tmp_path / "also", "x.tif", images_of(1)[..., [2, 1]], CORRECTED, channels=names)
    rows, _ = judged(raw, tmp_path / "also", bits=0)
    assert of(rows, each, "replaces") == [[]] * 3


def test_a_correction_that_looks_like_two_patients_joins_neither_to_the_other(
    raw: Path, tmp_path: Path
) -> None:
    mixed = np.concatenate([images_of(0)[:1], images_of(1)[:1]])
    each = made.write(tmp_path / "also", "x.tif", mixed, CORRECTED[:2])
    rows, _ = judged(raw, tmp_path / "also")
    ties = sorted([lgg.patient_of(A), lgg.patient_of(B)])
    assert of(rows, each, "ties") == [ties] * 2
    groups = rows[rows["source"] == "lgg"].groupby("patient_id")["group"].unique()
    assert all(list(group) == [patient] for patient, group in groups.items())


def test_what_is_tied_through_another_correction_is_tied(raw: Path, tmp_path: Path) -> None:
    strange = scans.volume(3, seed=(9, 9))[0]
    bridge = np.concatenate([images_of(1)[:1], strange[:1]])
    made.write(tmp_path / "also", "bridge.tif", bridge, CORRECTED[:2])
    far = made.write(tmp_path / "also", "far.tif", strange, CORRECTED)
    rows, _ = judged(raw, tmp_path / "also")
    assert of(rows, far, "ties") == [[lgg.patient_of(B)]] * 3


def test_a_stranger_is_tied_to_nobody_and_a_name_is_enough(raw: Path, tmp_path: Path) -> None:
    strange = scans.volume(3, seed=(9, 9))[0]
    stranger = made.write(tmp_path / "also", "stranger.tif", strange, CORRECTED)
    named = made.write(tmp_path / "also", f"{B}/1.tif", scans.volume(3, seed=(9, 8))[0], CORRECTED)
    rows, _ = judged(raw, tmp_path / "also")
    assert of(rows, stranger, "ties") == [[]] * 3
    assert set(rows.loc[rows["case_id"] == f"correction-{stranger.folder}", "group"]) == {
        f"correction-{stranger.folder}"
    }
    assert of(rows, named, "ties") == [[lgg.patient_of(B)]] * 3
    assert of(rows, named, "replaces") == [[]] * 3


def test_the_later_of_two_corrections_replaces_the_earlier_too(raw: Path, tmp_path: Path) -> None:
    late = made.write(
        tmp_path / "also", "a.tif", images_of(1)[1:2], CORRECTED[:1], when="2027-01-01T00:00:00Z"
    )
    early = made.write(tmp_path / "also", "b.tif", images_of(1), CORRECTED)
    rows, _ = judged(raw, tmp_path / "also")
    assert of(rows, early, "replaces") == [[f"{B}_1"], [f"{B}_2"], [f"{B}_3"]]
    assert of(rows, late, "replaces") == [[f"{B}_2", f"correction-{early.folder}_001"]]


def test_slices_that_show_nothing_go_with_a_case_that_is_replaced_whole(raw: Path, tmp_path: Path) -> None:
    blank = np.zeros((64, 64, 3), np.uint8)
    for case in (A, B):
        scans.write_slice(raw / "kaggle_3m", case, 4, blank, blank[..., 0])
    seen = made.write(tmp_path / "whole", "x.tif", images_of(1), CORRECTED)
    rows, _ = judged(raw, tmp_path / "whole")
    assert of(rows, seen, "replaces") == [[f"{B}_1", f"{B}_4"], [f"{B}_2"], [f"{B}_3"]]


def test_nor_do_they_where_a_part_is_replaced(raw: Path, tmp_path: Path) -> None:
    blank = np.zeros((64, 64, 3), np.uint8)
    for case in (A, B):
        scans.write_slice(raw / "kaggle_3m", case, 4, blank, blank[..., 0])
    part = np.concatenate([images_of(1)[:2], blank[None]])
    each = made.write(tmp_path / "part", "x.tif", part, CORRECTED)
    rows, _ = judged(raw, tmp_path / "part")
    assert of(rows, each, "replaces") == [[f"{B}_1"], [f"{B}_2"], []]


@st.composite
def rows_of_both(draw: st.DrawFn) -> pd.DataFrame:
    """A set of 12 slices of few pictures and patients, and corrections behind it."""
    count = draw(st.integers(1, 8))
    picture = st.lists(st.sampled_from("uvwxyz"), min_size=12 + count, max_size=12 + count)
    patients = draw(st.lists(st.sampled_from("PQRS"), min_size=12, max_size=12))
    own = draw(st.lists(st.sampled_from("PQRSabc"), min_size=count, max_size=count))
    rows = pd.DataFrame({"content": draw(picture), "patient_id": patients + own, "modalities": "gray"})
    rows["sample_id"] = [f"s{number:02d}" for number in range(len(rows))]
    rows["case_id"] = [f"c{number // 2}" for number in range(len(rows))]
    rows["source"] = ["lgg"] * 12 + [CORRECTIONS] * count
    return rows.assign(planes=rows["content"], head=0.5, picture="", patient_known=True)


@settings(max_examples=100)
@given(rows=rows_of_both())
def test_groups_of_the_set_never_change(rows: pd.DataFrame) -> None:
    every = pd.Series(True, rows.index)
    added = pd.DataFrame(corrections.columns(rows, twins.of(rows, 0), every))
    base = rows[rows["source"] == "lgg"]
    alone = corrections.columns(base, twins.of(base, 0), every[:12])["group"]
    assert list(added["group"][:12]) == list(alone)
    for number in range(12, len(rows)):
        row, ties = rows.iloc[number], set(record.names(added["ties"].iloc[number])) - {""}
        alike = base[(base["content"] == row["content"]) | (base["patient_id"] == row["patient_id"])]
        assert set(alone[alike.index]) <= ties <= set(alone)
        assert added["group"].iloc[number] == (min(ties) if ties else added["group"].iloc[number])
        copies = base.loc[base["content"] == row["content"], "sample_id"]
        assert set(copies) <= set(record.names(added["replaces"].iloc[number]))
