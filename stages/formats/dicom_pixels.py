"""Pixels of the slices of a series, as one block: rescaled, without padding, high is bright."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pydicom
from pydicom.pixels import get_decoder
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from stages.formats import (
    dicom_file,
    dicom_header,
    dicom_jpeg,  # noqa: F401  for pydicom, which asks it
)
from stages.formats.file import File
from stages.scan.header import Unreadable, first_words

Slice = tuple[File, pydicom.Dataset]
"""A file, and what it says without its pixels."""
_PLAIN = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)
_PIXELS = Tag("PixelData")
_WAY_OUT = "save the series uncompressed (gdcmconv --raw) or as NIfTI (dcm2niix)"


def block(slices: list[Slice]) -> tuple[np.ndarray, list[str]]:
    """Numbers (columns, rows, slices) in the scanner's own type where nothing is rescaled, else float32, and
    remarks. Files are opened one by one: together they may be larger than memory. Raises `Unreadable`.
    """
    meanings = {header.PhotometricInterpretation for _, header in slices}
    if len(meanings) > 1:
        raise Unreadable(
            "high is bright in some of its slices and dark in others; save it in one of the ways"
        )
    planes, pads = zip(*(plane(part) for part in slices), strict=True)
    voxels = np.stack([pixels.T for pixels in planes], axis=2)
    if "MONOCHROME1" in meanings:
        voxels = _inverted(voxels)
    flat = any(dicom_header.number(header, "RescaleSlope") == 0 for _, header in slices)
    return _without(voxels, pads), ["its RescaleSlope is 0, which is taken as 1"] if flat else []


def plane(part: Slice) -> tuple[np.ndarray, np.ndarray | None]:
    """Numbers (rows, columns) of one file, with high as bright or dark as its header says, and which of them
    are no part of the picture, if any.
    """
    file, header = part
    pixels, padding = _stored(file, header)
    slope, intercept = _rescaling(header)
    if (slope, intercept) != (1.0, 0.0):
        pixels = (pixels * slope + intercept).astype(np.float32)
    return pixels, padding


def _stored(file: File, header: pydicom.Dataset) -> tuple[np.ndarray, np.ndarray | None]:
    whole: Any = dicom_file.read(file, pixels=True)
    dicom_header.completed(file, whole)
    syntax = whole.file_meta.TransferSyntaxUID
    with warnings.catch_warnings(action="ignore"):
        try:
            stored = whole.get(_PIXELS)
            if stored is not None and stored.is_undefined_length and syntax in _PLAIN:
                raise Unreadable(f"{file.name} does not tell how its pixels are compressed; {_WAY_OUT}")
            pixels: np.ndarray = whole.pixel_array
        except (Unreadable, MemoryError):
            raise
        except Exception as error:  # a decoder that is missing, or pixels that do not fit
            raise Unreadable(_undecodable(file, syntax, error)) from None
    # Of what is too long pydicom takes the first frame.
    long = stored is not None and syntax in _PLAIN and len(stored.value) >= 2 * pixels.nbytes
    if pixels.shape != (header.Rows, header.Columns) or (long and whole.BitsAllocated >= 8):
        raise Unreadable(f"the pixels of {file.name} do not fit its header")
    return pixels, _padding(pixels, whole)


def _undecodable(file: File, syntax: UID, error: Exception) -> str:
    if syntax in _PLAIN:
        return f"the pixels of {file.name} cannot be decoded ({first_words(error)})"
    try:
        installed = get_decoder(syntax).is_available
    except NotImplementedError:  # a way that pydicom does not know
        installed = False
    # pydicom's last line is what the decoder itself complained of.
    why = str(error).strip().rpartition("\n")[2].strip()[:80] if installed else "no decoder is installed"
    name = syntax.name.partition(",")[0]
    return f"the pixels of {file.name}, compressed as {name}, cannot be decoded ({why}); {_WAY_OUT}"


def _padding(pixels: np.ndarray, header: pydicom.Dataset) -> np.ndarray | None:
    """PixelPaddingValue alone, or from there to PixelPaddingRangeLimit (PS3.3 C.7.5.1.1.2)."""
    value, limit = (dicom_header.number(header, f"PixelPadding{name}") for name in ("Value", "RangeLimit"))
    if value is None or pixels.dtype.kind not in "iu":
        return None
    size = 1 << 8 * pixels.dtype.itemsize
    # Signed and unsigned readings of the same bits, which writers confuse, are one value.
    ends = (value, value if limit is None else limit)
    low, high = sorted(_read_as(int(end), size, pixels.dtype) for end in ends)
    padding = (pixels >= low) & (pixels <= high)
    return padding if padding.any() else None


def _read_as(value: int, size: int, dtype: np.dtype) -> int:
    value %= size
    return value - size if dtype.kind == "i" and value >= size // 2 else value


def _rescaling(header: pydicom.Dataset) -> tuple[float, float]:
    """Slope and intercept; 1 and 0 where they are not there or empty, and no slope of 0."""
    values = []
    for name, plain in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0)):
        value = dicom_header.number(header, name)
        if value is None and header.get(name) not in (None, ""):
            raise Unreadable(f"its {name} is damaged")
        values.append(plain if value is None else value)
    return values[0] or 1.0, values[1]


def _inverted(voxels: np.ndarray) -> np.ndarray:
    """What is stored with high as dark, with high as bright and 0 as the darkest."""
    turned = voxels.max() - voxels
    # Of signed integers the difference may be too large for their type, never for the one without a sign,
    # where it wraps to.
    return turned.view(turned.dtype.str.replace("i", "u")) if turned.dtype.kind == "i" else turned


def _without(voxels: np.ndarray, pads: Sequence[np.ndarray | None]) -> np.ndarray:
    """With the darkest number of the picture itself where there is padding, which may be any number."""
    if all(padding is None for padding in pads):
        return voxels
    shape = voxels.shape[:2]
    padding = np.stack([np.zeros(shape, bool) if pad is None else pad.T for pad in pads], axis=2)
    if not padding.all():
        voxels[padding] = voxels[~padding].min()
    return voxels
