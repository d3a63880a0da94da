"""What a COCO annotation outlines, drawn: polygons, boxes and run lengths.

Outlines are filled by pycocotools, by whose rules COCO areas are counted. It is C that trusts its input, so
outlines are judged before it sees them, and run lengths, where a string that is cut short makes it read and
write beyond its memory, are unpacked here.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask
from pydantic import BaseModel, ConfigDict

from stages.formats.ids import Id
from stages.scan.header import Unreadable

MAX_SHAPES = 1000
"""Of one image; the most crowded street scenes have some hundreds."""
MAX_BOUNDARY = 2**20
"""Corners and length in pixels of all outlines of one image; pycocotools takes 80 bytes for each."""

_MAX_COORDINATE = 1e9
_MAX_SHARE = 1.01
"""Coordinates up to this, not all of them whole, are shares of an image's sides, perhaps rounded up: in
pixels they would outline a piece of the one pixel in the corner."""
_SIGNS_OF_A_NUMBER = 7
"""COCO's string holds 5 bits a sign, and its numbers are of 32 bits and a sign."""


class Annotation(BaseModel):
    """An entry of `annotations`. What it outlines is judged when it is drawn: a bad one costs one image."""

    model_config = ConfigDict(strict=True)
    image_id: Id
    category_id: Id | None = None
    id: Any = None
    segmentation: Any = None
    bbox: Any = None

    def __str__(self) -> str:
        return f"annotation {self.id!r:.40}" if isinstance(self.id, int | str) else "an annotation"


def draw(annotations: Sequence[Annotation], size: tuple[int, int], image: str) -> np.ndarray:
    """The union of an image's annotations as (H, W), uint8 0 and 1; zeros where there are none.

    `size`: height and width; `image`: what messages call it. Raises `Unreadable`, also where an annotation
    covers no pixel: the image would pass for one without tumour.
    """
    outlines = [_outlines(annotation, size) for annotation in annotations]
    shapes = sum(max(len(polygons), 1) for polygons in outlines)
    boundary = sum(_boundary(polygon) for polygons in outlines for polygon in polygons)
    if shapes > MAX_SHAPES or boundary > MAX_BOUNDARY:
        limits = f"{MAX_SHAPES} shapes, or outlines longer than {MAX_BOUNDARY} pixels"
        raise Unreadable(f"{image} has more than {limits}, which is not allowed")
    drawn = np.zeros(size, np.uint8, order="F")  # as run lengths go, by columns
    for annotation, polygons in zip(annotations, outlines, strict=True):
        covered = 0
        for rle in _run_lengths(annotation, polygons, size):
            runs = _runs(annotation, rle, size)
            drawn |= np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(size, order="F")
            covered += int(runs[1::2].sum())
        if not covered:
            raise Unreadable(
                f"{annotation} covers no pixel of its image of {size[1]}x{size[0]}; correct it, or remove it "
                "if there is no tumour"
            )
    return np.ascontiguousarray(drawn)


def _run_lengths(annotation: Annotation, polygons: list[np.ndarray], size: tuple[int, int]) -> list[Any]:
    if isinstance(annotation.segmentation, dict):
        return [annotation.segmentation]
    return [coco_mask.frPyObjects([polygon.ravel()], *size)[0] for polygon in polygons]


def _outlines(annotation: Annotation, size: tuple[int, int]) -> list[np.ndarray]:
    """The polygons of an annotation, (N, 2) of x and y each; none where it has run lengths."""
    if isinstance(annotation.segmentation, dict):
        return []
    outlines = [_outline(annotation, polygon, size) for polygon in _polygons(annotation)]
    corners = np.concatenate(outlines)
    shares = corners.min() >= 0 and corners.max() <= _MAX_SHARE and (corners % 1 != 0).any()
    if shares and min(size) > 1:
        raise Unreadable(
            f"{annotation} has coordinates from 0 to 1 only, which seem to be shares of its image's sides; "
            f"they must be pixels: multiply x by {size[1]} and y by {size[0]}"
        )
    return outlines


def _polygons(annotation: Annotation) -> list[Any]:
    """The polygons of an annotation; of one that has none, the corners of its box."""
    polygons, box = annotation.segmentation, annotation.bbox
    if polygons not in (None, [], [[]]):
        if not isinstance(polygons, list):
            raise Unreadable(f"{annotation} has a segmentation that is neither polygons nor run lengths")
        return polygons
    if not _coordinates(box) or len(box) != 4 or min(box[2:]) < 0:
        raise Unreadable(f"{annotation} has no segmentation and no box of x, y, width and height")
    left, top, right, bottom = box[0], box[1], box[0] + box[2], box[1] + box[3]
    return [[left, top, left, bottom, right, bottom, right, top]]


def _coordinates(values: Any) -> bool:
    """Whether a list holds numbers only, and of a size with which one can reckon; NaN is not."""
    return isinstance(values, list) and all(
        type(value) in (int, float) and abs(value) < _MAX_COORDINATE for value in values
    )


def _outline(annotation: Annotation, numbers: Any, size: tuple[int, int]) -> np.ndarray:
    """A polygon as (N, 2) of x and y, nowhere further outside the image than the image is large."""
    if not _coordinates(numbers):
        raise Unreadable(f"{annotation} has a polygon that is no list of coordinates")
    if len(numbers) < 6 or len(numbers) % 2:
        rule = "an even number from 6 on makes one"
        raise Unreadable(f"{annotation} has a polygon of {len(numbers)} numbers; {rule}")
    corners = np.array(numbers, np.float64).reshape(-1, 2)
    width_height = np.array(size[::-1])
    if (corners < -width_height).any() or (corners > 2 * width_height).any():
        raise Unreadable(f"{annotation} lies far outside its image of {size[1]}x{size[0]} pixels")
    return corners


def _boundary(outline: np.ndarray) -> float:
    """Points at which pycocotools looks along an outline, apart from a factor."""
    edges = np.abs(outline - np.roll(outline, 1, axis=0))
    return float(edges.max(axis=1).sum()) + len(outline)


def _runs(annotation: Annotation, rle: dict[str, Any], size: tuple[int, int]) -> np.ndarray:
    """Run lengths, background first, that together fill the image; from a list or from COCO's string."""
    counts, pixels = rle.get("counts"), size[0] * size[1]
    if rle.get("size") != list(size):
        raise Unreadable(f"{annotation} has run lengths for another size than {size[1]}x{size[0]} pixels")
    if isinstance(counts, str):
        counts = counts.encode()
    lengths = _unpacked(counts) if isinstance(counts, bytes) else counts
    if not isinstance(lengths, list) or not all(type(n) is int and 0 <= n <= pixels for n in lengths):
        raise Unreadable(f"{annotation} has run lengths that are damaged")
    if sum(lengths) != pixels:
        raise Unreadable(f"{annotation} has run lengths of {sum(lengths)} pixels for an image of {pixels}")
    return np.array(lengths, dtype=np.int64)


def _unpacked(text: bytes) -> list[int] | None:
    """The numbers in COCO's string, None where it is damaged.

    A sign holds 5 bits of a number, the lowest first, and whether more follow; from the fourth number on they
    are the difference to the last but one (`rleFrString` in cocoapi's maskApi.c).
    """
    numbers: list[int] = []
    number = shift = 0
    for sign in text:
        bits = sign - ord("0")
        if not 0 <= bits < 64 or shift == 5 * _SIGNS_OF_A_NUMBER:
            return None
        number |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            number -= (bits >> 4 & 1) << shift  # the highest bit is the sign
            numbers.append(number + (numbers[-2] if len(numbers) > 2 else 0))
            number = shift = 0
    return None if shift else numbers


def kind(annotations: Iterable[Annotation]) -> str:
    segmentations = [annotation.segmentation for annotation in annotations]
    if any(isinstance(shape, dict) for shape in segmentations):
        return "mask"
    polygons = [polygon for shape in segmentations if isinstance(shape, list) for polygon in shape if polygon]
    return "box" if all(map(_upright, polygons)) else "polygon"


def _upright(numbers: Any) -> bool:
    """Whether a polygon is an upright rectangle, its first corner perhaps repeated at the end."""
    if not _coordinates(numbers) or len(numbers) not in (8, 10) or numbers[8:] not in ([], numbers[:2]):
        return False
    upright = [numbers[n] == numbers[n - 2] for n in (2, 4, 6)]
    level = [numbers[n + 1] == numbers[n - 1] for n in (2, 4, 6)]
    closes = (numbers[0] == numbers[6]) != (numbers[1] == numbers[7])
    return closes and level == [not edge for edge in upright] and upright[0] == upright[2] != upright[1]
