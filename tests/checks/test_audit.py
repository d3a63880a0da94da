"""What is measured of a mask in its picture, of every kind of number."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.checks import audit
from tests.fixtures import scans
from tests.fixtures.flaws import SIZE, TURNS, drawn


@settings(max_examples=60)
@given(
    top=st.integers(0, 40),
    left=st.integers(0, 40),
    height=st.integers(1, 50),
    width=st.integers(1, 50),
    turn=st.sampled_from(TURNS),
    dent=st.booleans(),
)
def test_a_rectangle_is_one_however_it_is_turned(
    top: int, left: int, height: int, width: int, turn: Callable[[np.ndarray], np.ndarray], dent: bool
) -> None:
    mask = drawn(box=(slice(top, top + height), slice(left, left + width)))
    mask[top, left] = not dent
    numbers = audit.of_slice(None, np.ascontiguousarray(turn(mask)))
    large = min(height, width) >= audit.RECTANGLE_SIDE
    assert numbers["rectangle"] == (large and not dent)
    if large:
        assert (numbers["components"], numbers["smallest_component"]) == (1, height * width - dent)


def test_parts_and_border() -> None:
    mask = drawn(
        one=(slice(0, 10), slice(0, SIZE)),
        two=(slice(40, 50), slice(40, 60)),
        dot=(slice(70, 71), slice(3, 4)),
    )
    numbers = audit.of_slice(None, mask)
    assert (numbers["components"], numbers["smallest_component"], numbers["rectangle"]) == (3, 1, False)
    assert numbers["border"] == (SIZE + 2 * 9) / (4 * SIZE - 4)
    assert audit.of_slice(None, mask[:60])["rectangle"]
    assert (
        audit.of_slice(None, np.ones((7, 9), np.uint8))["border"],
        audit.of_slice(None, None)["border"],
    ) == (1, 0)


def test_head_brightness_and_what_is_missing() -> None:
    row, column = np.mgrid[:128, :128]
    head = ((row - 64) / 50) ** 2 + ((column - 64) / 40) ** 2 < 1
    image = np.where(head, 100, 3).astype(np.uint8)[..., None]
    mask = np.zeros((128, 128), np.uint8)
    mask[60:68, 60:68] = mask[0:8, 0:24] = 1
    numbers = audit.of_slice(image, mask)
    assert numbers["outside"] == pytest.approx(0.75)
    assert numbers["covers"] == pytest.approx(64 / head.sum(), rel=0.1)
    assert numbers["level"] == pytest.approx(100 / 255, rel=0.03)
    assert numbers["placement"].shape == (1 + len(audit.MOVES), 1)
    assert audit.of_slice(image.astype(np.uint16) * 257, mask)["level"] == pytest.approx(
        numbers["level"], rel=0.01
    )
    assert audit.of_slice(image, None)["level"] == numbers["level"]
    for nothing in (np.zeros_like(image), np.full_like(image, 9)):
        blank = audit.of_slice(nothing, mask)
        assert blank["outside"] == 1
        assert np.isnan(blank["level"])
        assert blank["placement"] is None
    assert audit.of_slice(image[:-1], mask)["placement"] is None


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "i4", "f4", "f8", "?"])
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_every_kind_of_number_and_channels(dtype: str, channels: int) -> None:
    image, mask = (one[1] for one in scans.volume(2, 50))
    many = np.repeat(image[..., :1], channels, axis=2)
    numbers = audit.of_slice(many > 90 if dtype == "?" else many.astype(dtype), mask)
    assert numbers["placement"].shape == (1 + len(audit.MOVES), channels)
    assert numbers["placement"].dtype == np.float32
    assert (numbers["placement"][:, 1:] == 0).all()  # copies count once
