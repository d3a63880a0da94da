"""Slices that cannot be used: files that do not open, pixels and labels that mean nothing."""

from collections.abc import Iterator
from typing import Any

from stages.checks.check import Finding
from stages.checks.slices import Slices


def image(row: Any) -> Iterator[Finding]:
    if row.image_problem:
        yield Finding(row.sample_id, row.image or row.mask, row.image_problem)


def mask(row: Any) -> Iterator[Finding]:
    if row.mask_problem:
        yield Finding(row.sample_id, row.mask or row.image, row.mask_problem)


def finite(row: Any) -> Iterator[Finding]:
    if not row.finite:
        yield Finding(row.sample_id, row.image, "it holds NaN or infinite pixels")


def mask_size(row: Any) -> Iterator[Finding]:
    if not row.mask_matches:
        text = f"the mask is not {row.width}x{row.height} pixels as its image is"
        if row.mask_lies:
            text += (
                f", but {row.height}x{row.width}: the image is used upright, as viewers show it, however it "
                "is stored (EXIF); draw the mask, or list the image in its annotation file, upright too"
            )
        yield Finding(row.sample_id, row.mask, text)


def mask_values(row: Any) -> Iterator[Finding]:
    if row.label_problem:
        yield Finding(row.sample_id, row.mask, row.label_problem)


def one_case_one_shape(slices: Slices) -> Iterator[Finding]:
    readable, sizes = slices.rows[slices.rows["width"] > 0], ["width", "height", "channels"]
    uneven = readable.groupby("case_id")[sizes].transform("nunique").gt(1).any(axis=1)
    # Of the others nothing is said, and to look at each takes most of the time of all checks.
    for case_id, case in readable[uneven].groupby("case_id", sort=False):
        for what in sizes:
            usual = case[what].mode()[0]
            for row in case[case[what] != usual].itertuples():
                text = f"its {what} is {getattr(row, what)}, of the other slices of case {case_id} {usual}"
                yield Finding(str(row.sample_id), str(row.image), text)
