"""Slices as pictures: grey or colour, of any range of numbers."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from stages.figures import picture


@pytest.mark.parametrize(("channels", "shown"), [(1, 0), (3, None), (4, 2), (9, 4)])
def test_a_slice_as_rgb(channels: int, shown: int | None) -> None:
    image = np.arange(4 * channels, dtype=np.uint8).reshape(2, 2, channels)
    found = picture.rgb(image)
    expected = image if shown is None else np.stack([image[..., shown]] * 3, axis=-1)
    np.testing.assert_array_equal(found, expected)


def test_eight_bits_stay_as_they_are_and_others_are_spread_over_them() -> None:
    small = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert picture.levels(small) is small
    wide = np.linspace(-3, 900, 4000).reshape(50, 80, 1)
    shown = picture.levels(wide)
    assert (shown.dtype, shown.min(), shown.max()) == (np.uint8, 0, 255)
    assert (np.diff(shown.ravel().astype(int)) >= 0).all()
    spoilt = wide.copy()
    spoilt[0, 0] = np.nan
    spoilt[0, 1] = np.inf
    assert picture.levels(spoilt).max() == 255


def test_a_png_holds_the_pixels(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    picture.write_png(pixels, tmp_path / "x")
    read = cv2.cvtColor(
        cv2.imdecode(np.fromfile(tmp_path / "x", np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB
    )
    np.testing.assert_array_equal(read, pixels)
