"""The pages of a TIFF file: slices of one scan, or what else its description calls them."""

import json
import math
import re
import struct
from dataclasses import dataclass
from typing import Any

import tifffile

from stages.formats import upright
from stages.scan.header import MAX_SLICES, Unreadable

_SEQUENCES = 4
"""So many pages that are called channels may be the sequences of one slice; more are slices: programs that
save arrays call their first axis so.
"""
_DIRECTIONS = ("frames", "slices", "channels")
"""In which pages may follow each other, as ImageJ does it: the slowest first."""
_AXES = {"T": "frames", "Z": "slices", "C": "channels"}
"""The same as OME and tifffile abbreviate them."""
_COPY_OR_TRANSPARENCY = 5
"""Bits of the tag NewSubfileType (TIFF 6.0)."""


@dataclass(frozen=True)
class Stack:
    """pages: of all channels of the first slice, then of the next. remark: what they were taken to be, where
    the file calls them something else.
    """

    pages: list[Any]
    channels: int = 1
    remark: str = ""


def stack(tiff: tifffile.TiffFile) -> Stack:
    """The pages of a file but for reduced copies and transparency. Raises `Unreadable` where they are no
    slices of one scan.
    """
    first, *others = _listed(tiff)
    pages = [first, *(page for page in others if not page.subfiletype & _COPY_OR_TRANSPARENCY)]
    if any(_kind(page) != _kind(first) for page in pages[1:]):
        raise Unreadable("its pages differ in size or kind; save the slices of one scan, all alike")
    directions = _directions(tiff)
    if math.prod(directions.values()) > len(pages):
        raise Unreadable(
            f"its description tells of {math.prod(directions.values())} pages and it holds {len(pages)}; "
            "save it anew, or as NIfTI"
        )
    return _ordered(pages, directions if math.prod(directions.values()) == len(pages) else {})


def _listed(tiff: tifffile.TiffFile) -> list[Any]:
    most = MAX_SLICES * _SEQUENCES
    try:
        tiff.pages[most]  # their list may lead in a circle, which ends nowhere
    except IndexError:
        pages = list(tiff.pages)
    else:
        raise Unreadable(f"it holds more than {most} pages, which no scan has")
    # tifffile is content with the pages before a damaged one.
    about, file = tiff.tiff, tiff.filehandle
    file.seek(pages[-1].offset)
    (tags,) = struct.unpack(about.tagnoformat, file.read(about.tagnosize))
    file.seek(tags * about.tagsize, 1)
    if struct.unpack(about.offsetformat, file.read(about.offsetsize)) != (0,):
        raise Unreadable(f"it is damaged behind page {len(pages)}")
    return pages


def _ordered(pages: list[Any], directions: dict[str, int]) -> Stack:
    names = [name for name, size in directions.items() if size > 1]
    if names in (["slices", "channels"], ["channels", "slices"]) and directions["channels"] <= _SEQUENCES:
        channels, slices = directions["channels"], directions["slices"]
        if names[0] == "channels":
            pages = [
                pages[channel * slices + place] for place in range(slices) for channel in range(channels)
            ]
        return Stack(pages, channels)
    if len(names) > 1:
        sizes = " x ".join(f"{directions[name]} {name}" for name in names)
        raise Unreadable(f"its pages are {sizes}; save one volume, or a file for each")
    if names == ["channels"] and len(pages) <= _SEQUENCES:
        raise Unreadable(
            f"its {len(pages)} pages are channels by its description, which may be sequences or slices; save "
            "sequences as the channels of one page, slices as a stack or as NIfTI"
        )
    if names in (["channels"], ["frames"]):
        return Stack(pages, remark=f"its {len(pages)} pages, {names[0]} by its description, count as slices")
    return Stack(pages)


def _kind(page: Any) -> tuple[Any, ...]:
    return (
        *(page.imagelength, page.imagewidth, page.samplesperpixel, page.bitspersample, page.sampleformat),
        *(page.photometric, page.planarconfig, orientation(page)),
    )


def orientation(page: Any) -> int:
    """How a page is to be turned (`upright.orientation`)."""
    tag = page.tags.get(upright.TAG)
    return upright.orientation(tag.value if tag else 1)


def _directions(tiff: tifffile.TiffFile) -> dict[str, int]:
    """How many pages a file's description tells of in each direction, the slowest first; nothing where it
    does not tell.
    """
    if tiff.is_imagej:
        about = tiff.imagej_metadata or {}
        counts = {name: about.get(name, 1) for name in _DIRECTIONS}
        if not all(isinstance(count, int) and count > 0 for count in counts.values()):
            return {}
        images = about.get("images", 1)  # all that old stacks have
        if isinstance(images, int) and set(counts.values()) == {1}:
            counts["slices"] = images
        return counts
    description = str(tiff.pages.first.description)
    if tiff.is_ome:
        return _of_ome(description, tiff.pages.first.samplesperpixel)
    return _of_shape(description, tiff.pages.first)


def _of_ome(description: str, samples: int) -> dict[str, int]:
    """The Open Microscopy Environment's: `DimensionOrder` begins with the fastest."""
    order = re.search(r'DimensionOrder="XY([ZCT]{3})"', description)
    sizes = {axis: re.search(rf'Size{axis}="(\d{{1,6}})"', description) for axis in _AXES}
    if not order or not all(sizes.values()):
        return {}
    counts = {axis: int(size[1]) for axis, size in sizes.items() if size}
    if samples > 1:
        counts["C"] = 1  # they lie together in a page
    return {_AXES[axis]: counts[axis] for axis in reversed(order[1])}


def _of_shape(description: str, page: Any) -> dict[str, int]:
    """tifffile's own: a shape, perhaps with axes by letter."""
    try:
        about = json.loads(description) if description.startswith('{"shape": [') else {}
    except ValueError:
        return {}
    shape, axes = about.get("shape"), about.get("axes")
    if not isinstance(shape, list) or not all(type(size) is int and size > 0 for size in shape):
        return {}
    own = page.imagelength * page.imagewidth * page.samplesperpixel
    axes = axes if isinstance(axes, str) and len(axes) == len(shape) else "?" * len(shape)
    counts: dict[str, int] = {}
    for number, (size, axis) in enumerate(zip(shape, axes, strict=True)):
        if math.prod(shape[number:]) <= own:
            break
        name = _AXES.get(axis, "slices")
        counts[name if name not in counts else f"slices of {name}"] = size
    return counts
