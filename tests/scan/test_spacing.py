"""Millimetres as one type, and as text in tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.scan import spacing
from stages.scan.spacing import Spacing

MM = st.floats(0.01, 100)


@given(MM, MM, MM)
def test_text_comes_back_to_six_digits(through: float, down: float, across: float) -> None:
    parsed = spacing.parse(Spacing(through, down, across).text())
    assert parsed == pytest.approx((through, down, across), rel=1e-5)
    assert parsed is not None
    assert spacing.parse(parsed.text()) == parsed


@pytest.mark.parametrize(
    ("mm", "text"),
    [
        ((1.0, 1.0, 1.0), "1;1;1"),
        ((6.5, 0.46875, 0.4687501), "6.5;0.46875;0.46875"),
        ((100.0, 0.01, 1 / 3), "100;0.01;0.333333"),
    ],
)
def test_six_digits_as_text(mm: tuple[float, float, float], text: str) -> None:
    assert Spacing(*mm).text() == text


def test_an_empty_field_is_unknown() -> None:
    assert spacing.parse("") is None


def test_a_voxel_in_millilitres_and_a_coarser_grid() -> None:
    assert Spacing(5.0, 2.0, 1.0).voxel_ml == 0.01
    assert Spacing(5.0, 2.0, 1.0).scaled(1.5, 3.0) == (5.0, 3.0, 3.0)
