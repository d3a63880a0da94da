"""Colours of an overlay at known pixels."""

import cv2
import numpy as np
import pytest

from stages.reporting import overlays


def drawn(tmp_path, image, truth, predicted):
    path = tmp_path / "overlay.png"
    overlays.overlay(image, truth, predicted, path)
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def squares(*corners):
    """16 px masks with filled squares of 6 px."""
    mask = np.zeros((16, 16), bool)
    for row, column in corners:
        mask[row : row + 6, column : column + 6] = True
    return mask


@pytest.fixture
def picture(tmp_path):
    image = np.full((16, 16, 3), 100, np.uint8)
    return drawn(tmp_path, image, squares((1, 1), (1, 9)), squares((1, 1), (9, 9)))


def mixed(colour):
    return [int(0.45 * 100 + 0.55 * part) for part in colour]


def test_the_plain_slice_is_beside_the_painted_one(picture):
    assert picture.shape == (32, 64, 3)
    assert (picture[:, :32] == 100).all()


@pytest.mark.parametrize(
    ("place", "colour"),
    [
        ((8, 8), mixed(overlays.HIT)),
        ((8, 24), mixed(overlays.MISS)),
        ((24, 24), mixed(overlays.FALSE_ALARM)),
        ((24, 8), [100, 100, 100]),  # neither
        ((2, 8), [255, 255, 255]),  # the outline of the truth
        ((18, 24), mixed(overlays.FALSE_ALARM)),  # a false alarm has none
    ],
)
def test_colours(picture, place, colour):
    row, column = place
    assert picture[row, 32 + column].tolist() == colour


def test_a_slice_of_four_modalities_is_grey_and_the_same_twice(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 4), dtype=np.uint8)
    nothing = np.zeros((16, 16), bool)
    found = drawn(tmp_path, image, nothing, nothing)
    assert (found[..., 0] == found[..., 1]).all()
    np.testing.assert_array_equal(found[:, :32], found[:, 32:])
    again = drawn(tmp_path, image, nothing, nothing)
    np.testing.assert_array_equal(found, again)
