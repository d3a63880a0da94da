"""Pictures inside a page, as data URLs."""

import base64
from pathlib import Path

import cv2
import numpy as np

QUALITY = 80
"""Of WebP, in which a photo takes a tenth of what it takes as PNG."""


def png(path: Path) -> str:
    """A PNG as it is: lines and letters stay sharp."""
    return _url("png", path.read_bytes())


def photo(path: Path) -> str:
    """A PNG that shows scans, as WebP."""
    return _webp(_pixels(path))


def film(path: Path) -> tuple[str, str]:
    """The upper and the lower half of a PNG of `films.film`: painted, and as it is."""
    pixels = _pixels(path)
    half = len(pixels) // 2
    return _webp(pixels[:half]), _webp(pixels[half:])


def _pixels(path: Path) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    return pixels


def _webp(pixels: np.ndarray) -> str:
    ok, coded = cv2.imencode(".webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    assert ok
    return _url("webp", coded.tobytes())


def _url(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64," + base64.b64encode(content).decode()
