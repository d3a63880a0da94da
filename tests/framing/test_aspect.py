"""A head is framed by its millimetres: pixels that are higher or wider than they should be change nothing."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.framing import head, transform

SIDE = 240
"""Pixels of the phantom, of 1 mm."""


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))


@pytest.fixture(scope="module")
def phantom() -> tuple[np.ndarray, np.ndarray]:
    """Slices (3, 240, 240, 1) of a head of 160 x 120 mm with a round tumour of 40 mm, and its mask."""
    rng = np.random.default_rng(0)
    row, column = np.mgrid[:SIDE, :SIDE] - 119.5
    inside = np.hypot(row / 80, column / 60) < 1
    tumour = np.hypot(row - 20, column + 15) < 20
    plane = np.where(inside, 100.0, 0.0) + 80 * tumour
    slices = np.abs(plane + rng.normal(0, 4, (3, SIDE, SIDE)))
    return slices[..., None], np.repeat(tumour[None], 3, axis=0)


def coarser(planes: np.ndarray, down: int, across: int) -> np.ndarray:
    """(S, H, W, ...) with so many rows and columns averaged into one."""
    slices, height, width, *rest = planes.shape
    return planes.reshape(slices, height // down, down, width // across, across, *rest).mean(axis=(2, 4))


@pytest.mark.parametrize("crop", [True, False])
@pytest.mark.parametrize(("down", "across"), [(1, 2), (1, 3), (1, 4), (2, 1), (4, 1), (3, 2)])
def test_a_scan_of_coarser_rows_or_columns_looks_the_same_to_the_network(
    phantom: tuple[np.ndarray, np.ndarray], down: int, across: int, crop: bool
) -> None:
    volume, masks = phantom
    plain, images = transform.fit_images(volume, 128, crop)
    stored = transform.labels(masks.astype(np.uint8), plain)
    thick, thick_masks = coarser(volume, down, across), coarser(masks, down, across) >= 0.5
    fitted, thick_images = transform.fit_images(thick, 128, crop, aspect=down / across)
    assert np.abs(images.astype(int) - thick_images).mean() < 6
    thick_stored = transform.labels(thick_masks.astype(np.uint8), fitted)
    assert dice(stored > 0, thick_stored > 0) > 0.93
    back = transform.restore((thick_stored > 0)[..., None].astype(np.float32), fitted)[..., 0] > 0.5
    assert dice(back, thick_masks) > 0.97
    # Taken for square the head is squeezed: else this test would show nothing.
    squeezed = transform.fit_images(thick, 128, crop)[1]
    assert np.abs(images.astype(int) - squeezed).mean() > 2 * np.abs(images.astype(int) - thick_images).mean()


@settings(max_examples=50)
@given(aspect=st.floats(0.15, 6), crop=st.booleans(), size=st.sampled_from([64, 128]))
def test_a_disc_in_millimetres_is_a_disc_in_the_frame(aspect: float, crop: bool, size: int) -> None:
    """aspect: of pixels whose area is 1 mm2."""
    tall, wide = aspect**0.5, aspect**-0.5  # mm
    height, width = round(120 / tall), round(120 / wide)
    row, column = np.mgrid[:height, :width]
    disc = np.hypot((row + 0.5) * tall - 60, (column + 0.5) * wide - 60) < 40
    volume = np.where(disc, 100.0, 0.0)[None, ..., None]
    fitted = transform.fit(volume, size, crop, aspect)
    mm = fitted.scale[0] * tall, fitted.scale[1] * wide
    assert mm[0] == pytest.approx(mm[1], rel=0.06)  # whole pixels of the scan
    stored = transform.labels(disc[None].astype(np.uint8), fitted)[0] > 0
    rows, columns = (np.flatnonzero(stored.any(axis=axis)) for axis in (1, 0))
    blur = 2 + 2 * max(tall, wide) / mm[0]
    assert abs(np.ptp(rows) - np.ptp(columns)) <= blur
    area = np.count_nonzero(stored) * mm[0] * mm[1]
    assert area == pytest.approx(np.pi * 40**2, rel=0.1)


@pytest.mark.parametrize("swap", [lambda size: size, lambda size: size[::-1]])
def test_blocks_are_square_in_millimetres(swap: Callable[[tuple[int, int]], tuple[int, int]]) -> None:
    assert head.block(256, 256, 1.0) == (4, 4)
    assert head.block(240, 155, 1.0) == head.block(155, 240, 1.0) == (2, 2)
    height, width = swap((256, 64))
    assert head.block(height, width, width / height) == swap((4, 1))
    height, width = swap((512, 128))  # a scan twice as high as wide, or four times as wide as high
    assert head.block(height, width, 2 * width / height) == ((4, 2) if height > width else (1, 8))


def test_square_pixels_are_framed_as_ever(phantom: tuple[np.ndarray, np.ndarray]) -> None:
    """A spacing that differs in its last digits changes no pixel."""
    volume, _ = phantom
    plain, images = transform.fit_images(volume, 128, True)
    assert plain.box.height == plain.box.width
    near, near_images = transform.fit_images(volume, 128, True, aspect=0.9375 / 0.93750006)
    assert near.box == plain.box
    np.testing.assert_array_equal(images, near_images)
