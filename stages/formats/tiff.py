"""Decode TIFF files with tifffile."""

import logging
from typing import Any, BinaryIO

import numpy as np
import tifffile

from stages.formats import upright
from stages.scan.header import Header, Unreadable, first_words
from stages.scan.spacing import Spacing
from stages.scan.volume import Volume

# Damaged tags make tifffile log and read on; what matters of them is checked below.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)


def read_header(stream: BinaryIO) -> Header:
    """Size, channels and spacing of the first page. Raises `Unreadable`."""
    with _open(stream) as tiff:
        return _header(tiff)


def pages(stream: BinaryIO) -> int:
    """How many pages there are. Raises `Unreadable`."""
    with _open(stream) as tiff:
        return len(tiff.pages)


def decode(stream: BinaryIO) -> Volume:
    """The first page as (1, H, W, C) in the file's own dtype. Raises `Unreadable`."""
    with _open(stream) as tiff:
        page = tiff.pages.first
        header = _header(tiff)
        height, width, channels = _stored(page)
        try:
            pixels = page.asarray(maxworkers=1)  # its threads cost more than so small a file
        except Exception as error:
            raise Unreadable(f"its pixels cannot be decoded ({first_words(error)})") from None
        # tifffile gives an empty array, not an exception, for many damaged files: trust only what fits the
        # header.
        if pixels.size != height * width * channels or pixels.dtype.kind not in "uifb":
            raise Unreadable(f"its pixels do not fit its header ({pixels.shape}, {pixels.dtype})")
        if page.planarconfig == 2 and channels > 1:
            stored = np.moveaxis(pixels.reshape(channels, height, width), 0, 2)
        else:
            stored = pixels.reshape(height, width, channels)
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and not _of_numpy(page):
            stored = _inverted(stored, page.bitspersample)
        return Volume(upright.turned(stored, _orientation(page))[None], header.spacing_mm)


def _of_numpy(page: Any) -> bool:
    """Whether Python saved an array of truth values: tifffile calls these MINISWHITE, with True for white."""
    return bool(page.bitspersample == 1 and str(page.software).startswith("tifffile"))


def _inverted(stored: np.ndarray, bits: int) -> np.ndarray:
    """As shown: the format's MINISWHITE has white at 0."""
    if stored.dtype.kind == "b":
        return ~stored
    if stored.dtype.kind != "u":
        raise Unreadable(
            "its photometric is miniswhite, white at 0, of numbers without a highest; save it as minisblack"
        )
    return stored.dtype.type(2**bits - 1) - stored


def _open(stream: BinaryIO) -> tifffile.TiffFile:
    try:
        tiff = tifffile.TiffFile(stream)
        if not len(tiff.pages):
            raise Unreadable("it is not a readable TIFF (it holds no picture)")
        return tiff
    except OSError as error:
        raise Unreadable(error.strerror or "it cannot be opened") from None
    except Unreadable:
        raise
    except Exception as error:  # tifffile raises whatever the damaged bytes lead it to
        raise Unreadable(f"it is not a readable TIFF ({first_words(error)})") from None


def _header(tiff: tifffile.TiffFile) -> Header:
    height, width, channels = _stored(tiff.pages.first)
    spacing = _spacing(tiff)
    if upright.lies(_orientation(tiff.pages.first)):
        height, width = width, height
        spacing = spacing and Spacing(spacing.through, spacing.across, spacing.down)
    return Header(height, width, channels, spacing)


def _stored(page: Any) -> tuple[int, int, int]:
    """Rows, columns and channels as the file has them."""
    try:
        return int(page.imagelength), int(page.imagewidth), int(page.samplesperpixel)
    except (TypeError, ValueError):  # a damaged tag may hold several numbers, or text
        raise Unreadable("its header does not say its size") from None


def _orientation(page: Any) -> int:
    tag = page.tags.get(upright.TAG)
    return upright.orientation(tag.value if tag else 1)


def _spacing(tiff: tifffile.TiffFile) -> Spacing | None:
    """ImageJ's convention, which most microscopy and conversion tools share: pixels per unit, `spacing` and
    `unit`.
    """
    described = tiff.imagej_metadata if tiff.is_imagej else None
    if (
        not described
        or described.get("unit") != "mm"
        or not isinstance(described.get("spacing"), int | float)
    ):
        return None
    tags = tiff.pages.first.tags
    try:
        (columns, column_unit), (rows, row_unit) = tags["XResolution"].value, tags["YResolution"].value
        spacing = Spacing(float(described["spacing"]), row_unit / rows, column_unit / columns)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return spacing if all(0.01 <= mm <= 100 for mm in spacing) else None
