"""What a header may claim: limits that any real scan keeps, and a sentence for what exceeds them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.scan.header import MAX_CHANNELS, MAX_NUMBERS, MAX_PIXELS, MAX_VOXELS, Header, Unreadable
from stages.scan.header import first_words as words


@pytest.mark.parametrize(
    "header",
    [
        {"height": 8192, "width": 8192, "channels": 1},
        {"height": 8192, "width": 8192, "channels": 4},
        {"height": 1, "width": MAX_PIXELS, "channels": 1},
        {"height": 256, "width": 256, "channels": MAX_CHANNELS},
        {"height": 240, "width": 240, "channels": 1, "slices": 155},
        {"height": 512, "width": 512, "channels": 1, "slices": 512},
        {"height": 1, "width": 1, "channels": 1, "slices": 4096},
    ],
)
def test_sizes_up_to_the_limits(header: dict[str, Any]) -> None:
    assert vars(Header(**header)) == {"slices": 1, "spacing_mm": None} | header


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ((8193, 8192, 1), "its header says 8192x8193 pixels, more than the 67108864 that are allowed"),
        ((9, 0, 3), "its header says 0x9 pixels with 3 channels"),
        ((-4, 9, 1), "its header says 9x-4 pixels with 1 channels"),
        ((9, 9, 0), "its header says 9x9 pixels with 0 channels"),
        ((9, 9, 65), "its header says 9x9 pixels with 65 channels"),
        (
            (8192, 8192, 5),
            "its header says 8192x8192 pixels with 5 channels, more than the 268435456 numbers allowed",
        ),
        ((9, 9, 1, None, 0), "its header says 9x9 pixels in 0 slices"),
        (
            (9, 9, 1, None, 4097),
            "its header says 9x9 pixels in 4097 slices, more than the 134217728 voxels allowed",
        ),
        (
            (512, 513, 1, None, 512),
            "its header says 513x512 pixels in 512 slices, more than the 134217728 voxels allowed",
        ),
    ],
)
def test_sizes_beyond_them(header: tuple[int, ...], sentence: str) -> None:
    with pytest.raises(Unreadable) as refused:
        Header(*header)  # type: ignore[arg-type]
    assert str(refused.value) == sentence


@given(
    *(st.integers(-2, 2**40) | st.sampled_from((1, 64, 512, 8192)) for _ in range(2)),
    st.integers(-1, 70),
    st.integers(-1, 2**33) | st.integers(1, 10),
)
def test_no_header_asks_for_more_memory_than_is_sane(
    height: int, width: int, channels: int, slices: int
) -> None:
    try:
        Header(height, width, channels, None, slices)
    except Unreadable:
        beyond = height * width > MAX_PIXELS or slices * height * width > MAX_VOXELS or slices > 4096
        many = not 0 < channels <= MAX_CHANNELS or slices * height * width * channels > MAX_NUMBERS
        assert min(height, width, slices) < 1 or beyond or many
    else:
        assert 0 < slices * height * width * channels <= MAX_NUMBERS


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("one"), "one"),
        (ValueError(" one \ntwo"), "one"),
        (ValueError("\n\n  two"), "two"),
        (KeyError(), "KeyError"),
        (ValueError("\n"), "ValueError"),
        (ValueError("x" * 500), "x" * 80),
    ],
)
def test_first_words_are_never_none(error: Exception, said: str) -> None:
    assert words(error) == said
