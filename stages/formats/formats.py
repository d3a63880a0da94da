"""The list of formats that training reads, by the suffix of a file's name, and what their headers say."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from stages.core import record
from stages.formats import nifti, raster, suffixes, tiff
from stages.formats.file import File
from stages.scan.header import Header, Unreadable
from stages.scan.volume import Volume


@dataclass(frozen=True)
class Format:
    """How the content of files of one kind is read, from a binary stream in which one can seek."""

    read_header: Callable[[BinaryIO], Header]
    decode: Callable[[BinaryIO], Volume]
    decode_mask: Callable[[BinaryIO], Volume]
    volume: bool = False  # a file holds all slices of a case


_TIFF = Format(tiff.read_header, tiff.decode, tiff.decode_mask)
_RASTER = Format(raster.read_header, raster.decode, raster.decode_mask)
_NIFTI = Format(nifti.read_header, nifti.decode, nifti.decode_mask, volume=True)

FORMATS = (
    dict.fromkeys(suffixes.TIFF, _TIFF)
    | dict.fromkeys(suffixes.RASTER, _RASTER)
    | dict.fromkeys(reversed(suffixes.NIFTI), _NIFTI)
)
"""By suffix, in lower case."""


def suffix_of(name: str) -> str:
    """The suffix of a file name that tells its format, in lower case; "" where we read no such files."""
    return suffixes.suffix_of(name, tuple(FORMATS))


def format_of(name: str) -> Format:
    """How a file is read. Raises `Unreadable` where its name does not end in one of `FORMATS`."""
    suffix = suffix_of(name)
    if not suffix:
        raise Unreadable(f"its name does not end in {', '.join(FORMATS)}")
    return FORMATS[suffix]


def is_volume(reference: str) -> bool:
    """Whether a row's image is one slice of files that hold a whole case."""
    if record.page(reference) is not None:
        return True
    ends = {suffix_of(name) for name in record.names(reference) if name}
    return any(FORMATS[suffix].volume for suffix in ends if suffix)


def read_header(path: Path) -> Header:
    """Read size, channels, slices and spacing without decoding pixels. Raises `Unreadable`."""
    return File.at(path).read(format_of(path.name).read_header)


def header_fields(path: Path) -> dict[str, Any]:
    """The fields of a `Record` that a file's header fills: width, height, channels, spacing_mm."""
    return fields_of(legible_header(path))


def legible_header(path: Path) -> Header | None:
    """None for a file that cannot be read: validate reads it again and says why."""
    try:
        return read_header(path)
    except Unreadable:
        return None


def fields_of(header: Header | None) -> dict[str, Any]:
    """`header_fields` of a header; zeros and nothing where there is none."""
    if header is None:
        return {"width": 0, "height": 0, "channels": 0, "spacing_mm": ""}
    return {
        "width": header.width,
        "height": header.height,
        "channels": header.channels,
        "spacing_mm": header.spacing_mm.text() if header.spacing_mm else "",
    }


def colours(channels: int) -> str:
    """`modalities` of a picture of which only the number of channels is known."""
    if channels == 1:
        return "gray"
    return "red;green;blue" if channels in (0, 3) else ";".join(f"channel{n}" for n in range(1, channels + 1))
