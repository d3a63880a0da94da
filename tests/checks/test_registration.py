"""Masks that were turned or moved are found, in made and in real cases."""

from collections.abc import Callable

import numpy as np
import pytest

from stages.checks import audit, registration
from tests.fixtures.flaws import CASE, TURNS, Slices, counted, flagged, measured, moved


@pytest.mark.parametrize(("words", "turn"), list(zip(audit.TURNS, TURNS, strict=True)))
def test_a_case_whose_masks_were_turned(
    good: Slices, words: str, turn: Callable[[np.ndarray], np.ndarray]
) -> None:
    back = {
        "turned by 90 degrees anticlockwise": "clockwise",
        "turned by 90 degrees clockwise": "anticlockwise",
    }
    undone = f"turned by 90 degrees {back[words]}" if words in back else words
    findings = flagged(measured(*good, lambda image, mask: (image, np.ascontiguousarray(turn(mask))), CASE))
    assert [row[:2] for row in findings] == [("warning", "misregistered")]
    assert (
        f"masks of case {CASE} fit their pictures better {undone} (contrast along their edge"
        in findings[0][3]
    )


@pytest.mark.parametrize(("down", "right"), [(7, 0), (0, -7), (-7, 7), (8, 8), (-8, 0)])
def test_a_far_shift_of_each_case(good: Slices, down: int, right: int) -> None:
    plain = measured(*good)
    shifted = measured(*good, lambda image, mask: (image, moved(mask, down, right)))
    for case in sorted(set(plain["case_id"])):
        rows = plain.where(plain["case_id"] != case, shifted)
        (finding,) = flagged(rows)
        assert finding[1] == "misregistered"
        assert f" masks of case {case} fit their pictures better " in finding[3]


def test_all_masks_shifted_is_one_finding(good: Slices) -> None:
    rows = measured(*good, lambda image, mask: (image, moved(mask, 0, -7)))
    text = "the masks of 9 of 9 cases fit their pictures better moved right by 8 % of the side"
    assert [row[3] for row in flagged(rows)] == [text]
    single = rows.assign(case_id=rows["sample_id"])
    (finding,) = flagged(single)
    assert finding[3].startswith(
        "the masks of 45 pictures fit them better moved right by 8 % of the side (contrast"
    )
    few = single[single["mask_pixels"] > 0].iloc[: registration.MIN_PICTURES - 1]
    assert flagged(few) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda mask: moved(mask, 0, 10),
        lambda mask: moved(mask, -10, 0),
        lambda mask: mask[::-1],
        lambda mask: mask.T,
    ],
)
def test_ten_pixels_and_turns_are_found_in_every_real_case(
    real_lgg: Slices, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    rows = measured(*real_lgg, lambda image, mask: (image, np.ascontiguousarray(change(mask))))
    assert counted(rows)["misregistered"] == 3
