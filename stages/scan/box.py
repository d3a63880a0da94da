"""The part of a slice that a network sees."""

from typing import NamedTuple


class Box(NamedTuple):
    """In pixels, a square in mm: equal sides are of pixels as high as wide. It may reach beyond the slice."""

    top: int
    left: int
    height: int
    width: int
