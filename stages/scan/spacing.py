"""The distance of voxels in mm: one type everywhere; text only in tables, which this alone writes."""

import math
from typing import NamedTuple, Self


class Spacing(NamedTuple):
    """Millimetres from slice to slice, row to row and column to column, in that order of axes."""

    through: float
    down: float
    across: float

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in millilitres."""
        return math.prod(self) / 1000

    @property
    def aspect(self) -> float:
        """Height of a pixel over its width."""
        return self.down / self.across

    def scaled(self, down: float, across: float) -> Self:
        """Of a grid whose pixels measure so many of these in the plane; slices stay where they are."""
        return type(self)(self.through, self.down * down, self.across * across)

    def text(self) -> str:
        """For a field of a table: six significant digits, separated by semicolons."""
        return ";".join(f"{mm:.6g}" for mm in self)


ASSUMED = Spacing(1.0, 1.0, 1.0)
"""Where a scan does not say; `spacing_known` is false there, and every number in mm or ml says so."""


def parse(text: str) -> Spacing | None:
    """A field of a table as `Spacing.text` writes it; None where it is empty."""
    return Spacing(*(float(part) for part in text.split(";"))) if text else None
