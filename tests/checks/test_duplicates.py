"""Copies are named once, with what they are copies of."""

from pathlib import Path

import numpy as np
import pandas as pd

from stages.checks import twins
from stages.sources import lgg
from tests.fixtures import scans
from tests.fixtures.flaws import A, B, judged, of_check, path, replaced


def test_copies_between_patients_are_found_and_join_them(root: Path) -> None:
    scans.write_lgg(root, patients=4, slices=4)
    c, d = scans.case_name(2), scans.case_name(3)
    images, _ = scans.volume(4, seed=(0, 0))
    replaced(root, B, 2, images[1], None)  # the very pixels
    images, _ = scans.volume(4, seed=(0, 1))
    turned = np.ascontiguousarray(np.rot90(images[2]))
    replaced(root, d, 3, np.clip(turned * 1.05, 0, 255).astype(np.uint8), None)  # turned and stretched
    rows, same, findings = judged(root, bits=8)
    near = f"it looks like {B}_3 of patient {lgg.patient_of(B)}; both stay in one split"
    assert findings == [
        ("warning", "duplicate", f"{B}_2", path(B, 2), f"its pixels are those of {A}_2"),
        ("warning", "near_duplicate", f"{d}_3", path(d, 3), near),
    ]
    groups = same.groups(rows)
    assert set(groups[rows["case_id"].isin([A, B, d])]) == {lgg.patient_of(A)}
    assert set(groups[rows["case_id"] == c]) == {lgg.patient_of(c)}
    rows, same, findings = judged(root, bits=0)
    assert [row[1] for row in findings] == ["duplicate"]
    assert set(same.groups(rows)[rows["case_id"] == d]) == {lgg.patient_of(d)}


def test_blank_slices_do_not_join_patients(root: Path) -> None:
    for case in (A, B):
        replaced(root, case, 1, np.zeros((64, 64, 3), np.uint8), None)
    _, same, findings = judged(root, bits=64)
    assert [row[1] for row in findings if row[1] != "near_duplicate"] == ["blank", "blank"]
    assert same.identical == []
    assert not any(f"{case}_1" in pair for pair in same.near for case in (A, B))


def test_a_pair_of_equal_pixels_is_told_once(root: Path) -> None:
    """Pictures of the same pixels are near each other too."""
    replaced(root, B, 2, scans.volume(4, seed=(0, 0))[0][1], None)
    _, same, findings = judged(root)
    assert same.identical == same.near == [(f"{A}_2", f"{B}_2")]
    assert [row[1] for row in findings] == ["duplicate"]


def test_runs_are_told_once(rows: pd.DataFrame) -> None:
    same = twins.Same([], [], [(f"{A}_1", f"{A}_2"), (f"{A}_2", f"{A}_3")])
    text = f"2 pairs of pictures with consecutive numbers look alike, first {A}_1 and {A}_2: this set does "
    text += "not tell its patients, and such runs are taken for one"
    assert of_check(rows, same, "run") == [("info", "run", f"{A}_2", path(A, 2), text)]
