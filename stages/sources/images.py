"""Decode one slice from the files a manifest row names."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

from stages.errors import UserError

MAX_PIXELS = 64 * 1024 * 1024
"""An 8192 x 8192 slice; no MRI is larger, and a forged header must not make us allocate more."""


# Damaged tags make tifffile log and read on; what matters of them is checked below.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)


class Unreadable(UserError):
    """A file that is no image, or a damaged one. The message says what is wrong, without the file's name."""


@dataclass(frozen=True)
class Header:
    """Size in pixels, channels and, where the file tells, the spacing in mm (slice, row, column)."""

    height: int
    width: int
    channels: int
    spacing_mm: tuple[float, float, float] | None


def contained(root: Path, relative: str) -> Path:
    """`root / relative`, refused with a `UserError` where that leaves `root`: a table may have been tampered
    with.
    """
    path = (root / relative).resolve()
    if not path.is_relative_to(root.resolve()):
        raise UserError(f"{relative} lies outside {root}; correct the row that names it")
    return path


def read_header(path: Path) -> Header:
    """Read size, channels and spacing without decoding pixels. Raises `Unreadable`."""
    with _open(path) as tiff:
        page = tiff.pages.first
        height, width, channels = _shape(page)
        return Header(height, width, channels, _spacing(tiff))


def read_image(root: Path, reference: str) -> np.ndarray:
    """Read the ";"-separated files of one slice as (H, W, C) in the file's own dtype. Raises `Unreadable`."""
    planes = [_read(contained(root, name)) for name in reference.split(";")]
    if len({plane.shape[:2] for plane in planes}) > 1:
        raise Unreadable("its modalities differ in size")
    return np.concatenate(planes, axis=2) if len(planes) > 1 else planes[0]


def read_mask(root: Path, reference: str) -> np.ndarray:
    """Read a mask file as (H, W) in the file's own dtype. Raises `Unreadable`."""
    mask = _read(contained(root, reference))
    if mask.shape[2] != 1 and not (mask == mask[:, :, :1]).all():
        raise Unreadable(f"a mask has one channel, this one has {mask.shape[2]} that differ")
    return mask[:, :, 0]


def _open(path: Path) -> tifffile.TiffFile:
    try:
        tiff = tifffile.TiffFile(path)
        if not len(tiff.pages):
            raise Unreadable("it is not a readable TIFF (it holds no picture)")
        return tiff
    except OSError as error:
        raise Unreadable(error.strerror or "it cannot be opened") from None
    except Unreadable:
        raise
    except Exception as error:  # tifffile raises whatever the damaged bytes lead it to
        raise Unreadable(f"it is not a readable TIFF ({_first_words(error)})") from None


def _shape(page: tifffile.TiffPage) -> tuple[int, int, int]:
    try:
        height, width, channels = int(page.imagelength), int(page.imagewidth), int(page.samplesperpixel)
    except (TypeError, ValueError):  # a damaged tag may hold several numbers, or text
        raise Unreadable("its header does not say its size") from None
    if min(height, width, channels) < 1 or channels > 64:
        raise Unreadable(f"its header says {width}x{height} pixels with {channels} channels")
    if height * width > MAX_PIXELS:
        raise Unreadable(
            f"its header says {width}x{height} pixels, more than the {MAX_PIXELS} that are allowed"
        )
    return height, width, channels


def _read(path: Path) -> np.ndarray:
    with _open(path) as tiff:
        page = tiff.pages.first
        height, width, channels = _shape(page)
        try:
            pixels = page.asarray(maxworkers=1)  # its threads cost more than so small a file
        except Exception as error:
            raise Unreadable(f"its pixels cannot be decoded ({_first_words(error)})") from None
        # tifffile gives an empty array, not an exception, for many damaged files: trust only what fits the
        # header.
        if pixels.size != height * width * channels or pixels.dtype.kind not in "uifb":
            raise Unreadable(f"its pixels do not fit its header ({pixels.shape}, {pixels.dtype})")
        if int(page.planarconfig) == 2 and channels > 1:
            return np.moveaxis(pixels.reshape(channels, height, width), 0, 2)
        return pixels.reshape(height, width, channels)


def _spacing(tiff: tifffile.TiffFile) -> tuple[float, float, float] | None:
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
        spacing = (float(described["spacing"]), row_unit / rows, column_unit / columns)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return spacing if all(0.01 <= mm <= 100 for mm in spacing) else None


def _first_words(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:80]
