"""Decode TIFF files with tifffile, and write stacks that are read back bit for bit."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile

from stages.formats import outside, palette, tiff_pages, upright
from stages.scan.header import Header, Unreadable, first_words
from stages.scan.spacing import Spacing
from stages.scan.volume import Volume

# Damaged tags make tifffile log and read on; what matters of them is checked below.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)


def read_header(stream: BinaryIO) -> Header:
    """Size, channels, slices and spacing. Raises `Unreadable`."""
    with _open(stream) as (tiff, stack):
        return _header(tiff, stack)


def decode(stream: BinaryIO) -> Volume:
    """The pages as slices (S, H, W, C) in the file's own dtype, of a palette its colours; NaN outside the
    head is background. Raises `Unreadable`.
    """
    return outside.filled(_decode(stream, _coloured))


def decode_mask(stream: BinaryIO) -> Volume:
    """The same, but of a palette the labels (`palette.labels`), and NaN outside is none."""
    return outside.filled(_decode(stream, _labelled), 0)


def write(voxels: np.ndarray, path: Path) -> None:
    """Write slices (S, H, W, C) of any numeric dtype as a file with a page a slice and C samples a pixel."""
    with tifffile.TiffWriter(path) as writer:
        for plane in voxels:
            several = plane.shape[2] > 1
            writer.write(
                np.ascontiguousarray(plane if several else plane[:, :, 0]),
                photometric="minisblack",
                planarconfig="contig" if several else None,
                compression="zlib",
                metadata=None,  # a description would say what its pages are, in words that may be misread
            )


def _decode(stream: BinaryIO, of_palette: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Volume:
    with _open(stream) as (tiff, stack):
        header = _header(tiff, stack)
        planes = [_pixels(page) for page in stack.pages]
        colours = _colours(stack.pages[0])
        if colours is not None:
            planes = [of_palette(plane[:, :, 0], colours) for plane in planes]
        voxels = np.stack(planes) if len(planes) > 1 else planes[0][None]
        if stack.channels > 1:
            voxels = np.moveaxis(voxels.reshape(-1, stack.channels, *voxels.shape[1:3]), 1, 3)
        turn = tiff_pages.orientation(stack.pages[0])
        upright_voxels = voxels if turn == 1 else np.stack([upright.turned(plane, turn) for plane in voxels])
        return Volume(upright_voxels, header.spacing_mm, remarks=(stack.remark,) if stack.remark else ())


def _pixels(page: Any) -> np.ndarray:
    """Of a page as stored (H, W, C), white high."""
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
        return _inverted(stored, page.bitspersample)
    return stored


def _colours(page: Any) -> np.ndarray | None:
    """A palette (N, 3) uint8; None where the pixels are no indices of it."""
    if page.photometric != tifffile.PHOTOMETRIC.PALETTE or page.samplesperpixel != 1:
        return None
    colours = np.asarray(page.colormap if page.colormap is not None else 0)
    if colours.shape != (3, 2**page.bitspersample):
        raise Unreadable("its palette is damaged")
    wide = colours.max(initial=0) > 255  # some programs write 8 bits where the format has 16
    return (colours.T >> 8 if wide else colours.T).astype(np.uint8)


def _coloured(indices: np.ndarray, colours: np.ndarray) -> np.ndarray:
    return colours[indices]


def _labelled(indices: np.ndarray, colours: np.ndarray) -> np.ndarray:
    return palette.labels(indices, colours)[:, :, None]


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


@contextmanager
def _open(stream: BinaryIO) -> Iterator[tuple[tifffile.TiffFile, tiff_pages.Stack]]:
    """A file and its pages. Whatever its bytes lead tifffile to, inside the block as well, becomes
    `Unreadable`.
    """
    try:
        with tifffile.TiffFile(stream) as tiff:
            Header(*_stored(_first(tiff)))  # raises where it cannot be that of a scan
            yield tiff, tiff_pages.stack(tiff)
    except (Unreadable, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError):
            raise Unreadable(error.strerror or "it cannot be opened") from None
        raise Unreadable(f"it is not a readable TIFF ({first_words(error)})") from None


def _first(tiff: tifffile.TiffFile) -> Any:
    # Asked for their number, tifffile would follow a list that leads in a circle.
    try:
        return tiff.pages.first
    except IndexError:
        raise Unreadable("it is not a readable TIFF (it holds no picture)") from None


def _header(tiff: tifffile.TiffFile, stack: tiff_pages.Stack) -> Header:
    first = stack.pages[0]
    height, width, channels = _stored(first)
    spacing = _spacing(tiff)
    if upright.lies(tiff_pages.orientation(first)):
        height, width = width, height
        spacing = spacing and Spacing(spacing.through, spacing.across, spacing.down)
    if stack.channels > 1 and channels > 1:
        raise Unreadable(f"its pages of {channels} channels each are channels too; save one volume of them")
    channels = 3 if _colours(first) is not None else channels * stack.channels
    return Header(height, width, channels, spacing, slices=len(stack.pages) // stack.channels)


def _stored(page: Any) -> tuple[int, int, int]:
    """Rows, columns and channels as the file has them."""
    try:
        return int(page.imagelength), int(page.imagewidth), int(page.samplesperpixel)
    except (TypeError, ValueError):  # a damaged tag may hold several numbers, or text
        raise Unreadable("its header does not say its size") from None


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
