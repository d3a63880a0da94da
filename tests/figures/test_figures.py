"""Figures: equal bytes for equal numbers, other bytes for others."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from stages.figures import figures


def burden(pixels: int = 5) -> tuple[pd.DataFrame, pd.DataFrame]:
    index = pd.DataFrame({"patient_id": ["p", "p", "q", "r"], "label_pixels": [0, pixels, 8, 20]})
    return pd.DataFrame({"split": ["train", "train", "val", "test"]}), index


def examples(level: int = 90) -> list[list[tuple[np.ndarray, np.ndarray]]]:
    image, mask = np.full((16, 16, 3), level, np.uint8), np.zeros((16, 16), np.uint8)
    mask[4:9, 4:9] = 1
    return [[(image, mask), (image[::-1], np.zeros_like(mask))]] * 2


DRAWN = {
    "burden": (
        lambda path: figures.burden(*burden(), path),
        lambda path: figures.burden(*burden(900), path),
    ),
    "augmentation": (
        lambda path: figures.augmentation(examples(), path),
        lambda path: figures.augmentation(examples(200), path),
    ),
}


@pytest.mark.parametrize("name", DRAWN)
def test_same_numbers_same_bytes(name: str, tmp_path: Path) -> None:
    draw, draw_other = DRAWN[name]
    first, second, other = tmp_path / "first", tmp_path / "second.part", tmp_path / "other"
    draw(first)
    draw(second)
    draw_other(other)
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes() != other.read_bytes()
    assert b"Software" not in first.read_bytes()
    pixels = cv2.imread(str(first))
    assert pixels is not None
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 10


def test_no_figure_stays_open(tmp_path: Path) -> None:
    before = figures.plt.get_fignums()
    figures.burden(*burden(), tmp_path / "a.png")
    assert figures.plt.get_fignums() == before
