"""Where the slices of a series lie, by their headers: their order, and the affine of the volume they make."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import pydicom

from stages.formats.dicom_header import number, numbers
from stages.scan.header import Unreadable

TOGETHER_MM = 0.01
"""Slices closer than this lie at one place."""
_TURNED = 1e-3
"""By which direction cosines may differ within a series: some writers compute them slice by slice."""
_UNEVEN = 0.05
"""Share by which the distance of two slices may differ from the others'."""
_ROUNDED_MM = 0.1
"""By which it may where that is more: positions are rounded to tenths of a millimetre by some writers."""
_ROUNDED = 1 / 3
"""Share of the distance that rounding may not exceed: beyond it a missing slice could hide."""
_TILTED = 0.02
"""Share of a step between slices that may go sideways."""
_ASIDE = 0.25
"""Share of a voxel by which a slice may lie beside the place that an even stack has for it."""
_OF_ONE_SLICE = 1.0
"""Millimetres that are taken to be the thickness of a single slice that does not tell it."""


@dataclass(frozen=True, eq=False)
class Places:
    """Of the slices of a series, in the order of their files.

    directions: (2, 3), of a row and of a column, in DICOM's coordinates (left, back, up). spacing: mm from
    row to row and from column to column. at: (N, 3), mm. thickness: mm, if known. Where slices differ by
    rounding the lowest one's values count.
    """

    directions: np.ndarray
    spacing: np.ndarray
    at: np.ndarray
    thickness: float | None

    @classmethod
    def of(cls, headers: list[pydicom.Dataset]) -> Self:
        """Raises `Unreadable` where slices differ in what those of one volume have in common."""
        sizes = {(int(header.Columns), int(header.Rows)) for header in headers}
        if len(sizes) > 1:
            some = " and ".join(f"{width}x{height}" for width, height in sorted(sizes)[:2])
            raise Unreadable(f"its slices differ in size ({some} pixels); give each size a folder of its own")
        turned = np.array([numbers(header, "ImageOrientationPatient", 6) for header in headers])
        row, column = turned[0, :3], turned[0, 3:]
        unit = [float(row @ row), float(column @ column), float(row @ column) + 1]
        if not np.allclose(unit, 1, atol=1e-2):
            raise Unreadable("its files do not say how the head lies")
        if (planes := _planes(turned)) > 1:
            raise Unreadable(
                f"its slices lie in {planes} planes, as a localizer's do; give each plane a folder of its own"
            )
        spacings = np.array([numbers(header, "PixelSpacing", 2) for header in headers])
        if not np.allclose(spacings, spacings[0], rtol=1e-3):
            raise Unreadable("its slices differ in PixelSpacing; give each volume a folder of its own")
        at = np.array([numbers(header, "ImagePositionPatient", 3) for header in headers])
        first = int(np.argmin(at @ np.cross(row, column)))  # whatever files are called
        thickness = number(headers[first], "SliceThickness")
        thickness = thickness if thickness and thickness > 0 else None
        return cls(turned[first].reshape(2, 3), spacings[first], at, thickness)

    def of_only(self, files: list[int]) -> "Places":
        return Places(self.directions, self.spacing, self.at[files], self.thickness)

    @cached_property
    def normal(self) -> np.ndarray:
        return np.cross(*self.directions)

    @cached_property
    def order(self) -> list[int]:
        """Places of files in their list, from slice to slice along the normal."""
        return [int(place) for place in np.argsort(self.at @ self.normal, kind="stable")]

    def crowds(self) -> Iterator[list[int]]:
        """Files of slices that lie at one place, where there are several."""
        heights, crowd = self.at @ self.normal, self.order[:1]
        for file in self.order[1:]:
            if heights[file] - heights[crowd[0]] < TOGETHER_MM:
                crowd.append(file)
                continue
            if len(crowd) > 1:
                yield sorted(crowd)
            crowd = [file]
        if len(crowd) > 1:
            yield sorted(crowd)

    def affine(self) -> np.ndarray:
        """(4, 4) from column, row and slice to mm right, front, up (RAS). Raises `Unreadable` where slices
        make no even stack.
        """
        row, column = self.directions
        affine = np.eye(4)
        affine[:3] = np.column_stack(
            [row * self.spacing[1], column * self.spacing[0], self._step(), self.at[self.order[0]]]
        )
        mm = np.linalg.norm(affine[:3, :3], axis=0)
        if not ((mm >= 0.01) & (mm <= 100)).all():
            raise Unreadable("its files do not tell a spacing that a scan can have")
        return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine  # DICOM counts to the left and to the back

    def remarks(self) -> list[str]:
        if len(self.at) > 1 or self.thickness:
            return []
        return [f"its only slice does not tell its SliceThickness, {_OF_ONE_SLICE:g} mm is assumed"]

    def _step(self) -> np.ndarray:
        """From one slice to the next, in mm."""
        if len(self.at) == 1:
            return self.normal * (self.thickness or _OF_ONE_SLICE)
        at = self.at[self.order]
        apart = np.diff(at @ self.normal)
        usual = float(np.median(apart))
        rounding = max(_UNEVEN * usual, min(_ROUNDED_MM, _ROUNDED * usual))
        if np.abs(apart - usual).max() > rounding + 1e-6:
            raise Unreadable(
                f"its slices are {apart.min():.2f} to {apart.max():.2f} mm apart, so one seems to be "
                "missing; add it, or give each evenly spaced part a folder of its own"
            )
        step: np.ndarray = (at[-1] - at[0]) / (len(at) - 1)
        if np.linalg.norm(step - (step @ self.normal) * self.normal) > _TILTED * np.linalg.norm(step):
            raise Unreadable("its slices are shifted against each other, as by a tilted gantry")
        even = at[0] + np.arange(len(at))[:, np.newaxis] * step
        aside = np.abs((at - even) @ np.vstack([self.directions, self.normal]).T).max(axis=0)
        if (aside > np.maximum(_ASIDE * np.array([*self.spacing[::-1], usual]), _ROUNDED_MM)).any():
            raise Unreadable(
                f"one of its slices lies {aside.max():.2f} mm beside an even stack of the others"
            )
        return step


def _planes(directions: np.ndarray) -> int:
    """Into how many planes slices fall by their direction cosines (N, 6)."""
    count = 0
    while len(directions):
        directions = directions[np.abs(directions - directions[0]).max(axis=1) > _TURNED]
        count += 1
    return count
