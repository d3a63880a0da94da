"""Masks that can be no outline of a tumour."""

import pytest

from tests.fixtures import scans
from tests.fixtures.flaws import CASE, Slices, counted, drawn, flagged, measured, spoilt


@pytest.mark.parametrize(
    ("kind", "check", "severity", "text"),
    [
        (
            "speck",
            "speck",
            "info",
            "a part of the mask is a single pixel, one of 2 parts; 5 slices of case {} are like this",
        ),
        (
            "frame",
            "follows_border",
            "warning",
            "the mask takes 25 % of the picture's border; 5 slices of case {} are like this",
        ),
        (
            "air",
            "outside_head",
            "warning",
            "100 % of the mask lies outside the head; 5 slices of case {} are like this",
        ),
        ("inverted", "full_mask", "warning", "the mask covers {} % of the head"),
        (
            "box",
            "rectangle_labels",
            "warning",
            "the mask is an upright rectangle of {} pixels, in a set of outlines; 5",
        ),
    ],
)
def test_one_case_spoilt(good: Slices, kind: str, check: str, severity: str, text: str) -> None:
    rows = measured(*good, lambda *both: spoilt(kind, *both), CASE)
    findings = [row for row in flagged(rows) if row[1] == check]
    assert [row[0] for row in findings] == [severity]
    assert findings[0][2].startswith(CASE)
    before, after = text.split("{}")
    assert findings[0][3].startswith(before)
    assert after in findings[0][3]


def test_a_set_of_boxes_is_one_finding(good: Slices) -> None:
    text = (
        "45 of 45 labels are upright rectangles: boxes, not outlines; a perfect outline of the tumour would "
    )
    text += "reach a Dice of about 0.58 with them"
    rows = measured(*good, lambda *both: spoilt("box", *both))
    first = f"{scans.case_name(0)}_2"
    assert flagged(rows) == [("warning", "rectangle_labels", first, text)]
    by_kind = measured(*good).assign(label_kind="box")
    assert flagged(by_kind) == [("warning", "rectangle_labels", first, text)]


def test_a_lone_pixel_is_a_speck_only_where_there_is_nothing_beside_it(good: Slices) -> None:
    table, slices = good
    dot = drawn(dot=(slice(40, 41), slice(40, 41)))
    end = measured(table, [(image, dot) for image, _ in slices])
    assert "speck" not in counted(end)  # the last slice of a tumour may be one pixel
    assert counted(end.assign(case_id=end["sample_id"]))["speck"] == len(slices)
