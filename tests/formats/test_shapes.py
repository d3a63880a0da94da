"""COCO annotations that draw nothing: said, and told from the smallest that draw something."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.formats import shapes
from stages.formats.shapes import Annotation
from stages.scan.header import Unreadable
from tests.fixtures.coco import HEIGHT, TRIANGLE, WIDTH, annotation

NOTHING = (
    "annotation 12 covers no pixel of its image of 40x30; correct it, or remove it if there is no tumour"
)
SHARES = (
    "annotation 12 has coordinates from 0 to 1 only, which seem to be shares of its image's sides; they must "
    "be pixels: multiply x by 40 and y by 30"
)


def drawn(*entries: dict[str, Any]) -> np.ndarray:
    return shapes.draw([Annotation.model_validate(entry) for entry in entries], (HEIGHT, WIDTH), "image 1")


def refusal(*entries: dict[str, Any]) -> str:
    with pytest.raises(Unreadable) as refused:
        drawn(*entries)
    return str(refused.value)


@pytest.mark.parametrize(
    "bad",
    [
        annotation([], bbox=[30, 5, 0, 0]),
        annotation([], bbox=[30, 5, 0, 10]),
        annotation(None, bbox=[30, 5, 10, 0.0]),
        annotation([], bbox=[0, 0, 0, 0]),
        annotation([[]], bbox=[WIDTH, HEIGHT, 5, 5]),
        annotation([], bbox=[-6, 3, 5, 5]),
        annotation([], bbox=[5.6, 5.6, 0.7, 0.7]),  # between the centres of pixels
        annotation([[5, 5] * 4]),
        annotation([[5, 5, 20, 20, 5, 5]]),
        annotation([[5, 5, 20, 5, 30, 5, 5, 5]]),
        annotation([[WIDTH + 1, 0, 2 * WIDTH, 0, 2 * WIDTH, HEIGHT]]),
        annotation([[5, 5] * 4, [9, 9] * 3]),
        annotation({"size": [HEIGHT, WIDTH], "counts": [WIDTH * HEIGHT]}),
        annotation({"size": [HEIGHT, WIDTH], "counts": [600, 0, 600]}, iscrowd=1),
    ],
)
@pytest.mark.parametrize("beside", [[], [annotation([TRIANGLE], annotation_id=11)]], ids=["alone", "beside"])
def test_what_covers_no_pixel_is_refused(bad: dict[str, Any], beside: list[dict[str, Any]]) -> None:
    """Beside another, too: a tumour would be missing."""
    assert refusal(*beside, bad) == NOTHING


def test_an_annotation_counts_as_a_whole() -> None:
    """A piece that an export cut down to nothing is no loss beside the rest of its outline."""
    assert (drawn(annotation([TRIANGLE, [5, 5] * 4])) == drawn(annotation([TRIANGLE]))).all()


@pytest.mark.parametrize(
    ("box", "pixels"),
    [
        *(([5, 5, 1, 1], 1), ([5.2, 5.2, 0.6, 0.6], 1), ([38, 28, 1, 1], 1), ([39, 29, 1, 1], 1)),
        *(([0, 0, 1, 1], 1), ([0, 0, 2, 2], 4), ([0.4, 0.4, 1.2, 1.2], 4), ([5.4, 5, 0.2, 10], 10)),
    ],
)
def test_the_smallest_are_drawn(box: list[float], pixels: int) -> None:
    assert drawn(annotation([], bbox=box)).sum() == pixels


@pytest.mark.parametrize(
    "bad",
    [
        annotation([], bbox=[0.1, 0.2, 0.5, 0.6]),
        annotation([], bbox=[0.6, 0.6, 0.3, 0.3]),
        annotation([], bbox=[0.0, 0.0, 1.0, 0.5]),
        annotation([[0.5, 0.5, 0.7, 0.5, 0.6, 0.9]]),
        annotation([[0.1, 0.1, 0.9, 0.1, 1.0000001, 0.9]]),
        annotation([[0.5, 0.5, 0.7, 0.5, 0.6, 0.9], [0.1, 0.1, 0.2, 0.1, 0.1, 0.3]]),
    ],
)
def test_shares_of_the_sides_are_told_from_pixels(bad: dict[str, Any]) -> None:
    """Also those that would draw the pixel in the corner."""
    assert refusal(bad) == SHARES


@given(st.floats(0, 0.98), st.floats(0, 0.98), st.floats(0.01, 1), st.floats(0.01, 1), st.integers(2, 600))
@settings(max_examples=100)
def test_no_box_in_shares_passes_for_pixels(
    x: float, y: float, width: float, height: float, side: int
) -> None:
    box = [x, y, min(width, 1 - x), min(height, 1 - y)]
    share = Annotation.model_validate(annotation([], bbox=box))
    if any(value % 1 for value in (*box[:2], x + box[2], y + box[3])):
        with pytest.raises(Unreadable, match=r"shares of its image's sides"):
            shapes.draw([share], (side, side), "image 1")


@given(st.integers(0, 30), st.integers(0, 20), st.integers(1, 10), st.integers(1, 10))
def test_boxes_in_whole_pixels_are_drawn_to_the_pixel(x: int, y: int, width: int, height: int) -> None:
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[y : y + height, x : x + width] = 1
    np.testing.assert_array_equal(drawn(annotation([], bbox=[x, y, width, height])), expected)


def test_a_refusal_is_one_short_line() -> None:
    bad = json.loads(json.dumps(annotation([[5, 5] * 4], annotation_id="a\nb" * 100)))
    assert "\n" not in refusal(bad)
    assert len(refusal(bad)) < 160
