"""Pictures as data URLs."""

import base64
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from stages.figures import picture
from stages.reporting import inline


def decoded(url: str, kind: str) -> Any:
    head, _, content = url.partition(",")
    assert head == f"data:image/{kind};base64"
    return cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR)


def test_a_png_stays_as_it_is(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    picture.write_png(pixels, tmp_path / "x.png")
    np.testing.assert_array_equal(decoded(inline.png(tmp_path / "x.png"), "png")[..., ::-1], pixels)


def test_a_photo_is_much_smaller_and_looks_alike(tmp_path: Path) -> None:
    y, x = np.mgrid[:200, :200]
    smooth = 128 + 60 * np.sin(x / 17) * np.cos(y / 23) + np.random.default_rng(0).normal(0, 4, (200, 200))
    pixels = np.repeat(smooth.astype(np.uint8)[..., None], 3, axis=2)
    picture.write_png(pixels, tmp_path / "x.png")
    url = inline.photo(tmp_path / "x.png")
    assert len(url) < 0.2 * len(inline.png(tmp_path / "x.png"))
    assert np.abs(decoded(url, "webp").astype(int) - pixels).mean() < 4


def test_a_film_is_cut_into_its_halves(tmp_path: Path) -> None:
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[10:] = 200
    picture.write_png(pixels, tmp_path / "x.png")
    painted, plain = (decoded(url, "webp") for url in inline.film(tmp_path / "x.png"))
    assert painted.shape == plain.shape == (10, 30, 3)
    assert painted.max() < 20
    assert plain.min() > 180
