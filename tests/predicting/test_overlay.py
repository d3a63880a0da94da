"""Pictures of masks: which slices, in which colours, in what proportions."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from stages.predicting import overlay
from tests.fixtures import graphs

INPUT = graphs.describe().input


def painted(voxels: np.ndarray, labels: np.ndarray, tmp_path: Path) -> np.ndarray:
    overlay.write(voxels, labels, INPUT, tmp_path / "x.png")
    return cv2.cvtColor(cv2.imread(str(tmp_path / "x.png")), cv2.COLOR_BGR2RGB)


def test_the_mask_is_where_it_is_in_its_colour(tmp_path: Path) -> None:
    voxels = np.zeros((1, 64, 32, 3), np.uint8)
    voxels[..., 1] = np.linspace(0, 200, 32, dtype=np.uint8)
    labels = np.zeros((1, 64, 32), np.uint8)
    labels[0, 10:20, 4:12] = 1
    labels[0, 40:50, 20:28] = 3
    picture = painted(voxels, labels, tmp_path)
    assert picture.shape == (256, 256, 3)  # four times as large, the plain slice beside
    plain, mask = picture[:, :128], picture[:, 128:]
    assert (plain == plain[..., :1]).all()
    assert plain.max() > 200  # FLAIR, the only channel with something in it
    coloured = (mask != mask[..., :1]).any(axis=2)
    np.testing.assert_array_equal(coloured, labels[0].repeat(4, 0).repeat(4, 1) > 0)
    for label, at in ((1, (40, 16)), (3, (160, 80))):
        assert tuple(mask[at]) == overlay.COLOURS[label - 1]  # the corner of an outline


def test_slices_with_tumour_are_shown_evenly() -> None:
    labels = np.zeros((100, 2, 2), np.uint8)
    labels[20:70, 0, 0] = 1
    places = overlay.spread(labels)
    assert len(places) == overlay.SHOWN
    assert (places[0], places[-1]) == (20, 69)
    assert np.ptp(np.diff(places)) <= 1
    labels[:] = 0
    assert overlay.spread(labels).tolist() == [50]
    labels[[3, 7]] = 1
    assert overlay.spread(labels).tolist() == [3, 7]


@pytest.mark.parametrize(("tumours", "shape"), [(1, (256, 512, 3)), (4, (256, 2048, 3)), (5, (512, 2048, 3))])
def test_a_sheet_of_slices(tmp_path: Path, tumours: int, shape: tuple[int, int, int]) -> None:
    labels = np.zeros((6, 64, 64), np.uint8)
    labels[:tumours, 3, 3] = 1
    voxels = np.random.default_rng(0).normal(900, 50, (6, 64, 64, 3)).astype(np.float32)
    assert painted(voxels, labels, tmp_path).shape == shape


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_any_dtype_fills_the_range(dtype: type[Any]) -> None:
    planes = np.linspace(-100 if dtype != np.uint8 else 0, 250, 1000).astype(dtype).reshape(1, 20, 50)
    found = overlay.levels(planes)
    assert (found.min(), found.max()) == (0, 255)
    assert (overlay.levels(np.full((1, 4, 4), 7, dtype)) == 0).all()


def test_four_classes_have_four_colours(tmp_path: Path) -> None:
    labels = np.zeros((1, 256, 64), np.uint8)
    for label in (1, 2, 3, 4):
        labels[0, 50 * label : 50 * label + 20, 10:30] = label
    mask = painted(np.zeros((1, 256, 64, 3), np.uint8), labels, tmp_path)[:, 64:]
    assert len({tuple(mask[50 * label, 10]) for label in (1, 2, 3, 4)}) == 4
