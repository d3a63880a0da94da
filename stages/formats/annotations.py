"""COCO annotation files: the images they list, and the masks that their outlines, boxes and run lengths draw.

Outlines are filled by pycocotools, by whose rules COCO areas are counted. It is C that trusts its input, so
outlines are judged before it sees them, and run lengths, where a string that is cut short makes it read and
write beyond its memory, are unpacked here.
"""

import codecs
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote

import numpy as np
from pycocotools import mask as coco_mask
from pydantic import BaseModel, ConfigDict, FailFast, ValidationError
from pydantic_core import from_json

from stages.scan.header import Header, Unreadable, first_words

MAX_BYTES = 256 * 2**20
"""Of one annotation file; 20,000 slices with outlines of 500 corners take 100 MiB."""
MAX_SHAPES = 1000
"""Of one image; the most crowded street scenes have some hundreds."""
MAX_BOUNDARY = 2**20
"""Corners and length in pixels of all outlines of one image; pycocotools takes 80 bytes for each."""

_MAX_COORDINATE = 1e9
_SIGNS_OF_A_NUMBER = 7
"""COCO's string holds 5 bits a sign, and its numbers are of 32 bits and a sign."""


class Foreign(Unreadable):
    """JSON, but not of COCO annotations."""


class Image(BaseModel):
    """An entry of `images`. Its size is judged when its mask is drawn: a bad one then costs one image."""

    model_config = ConfigDict(strict=True)
    id: int | str
    file_name: str
    height: Any = None
    width: Any = None


class Annotation(BaseModel):
    """An entry of `annotations`. What it outlines is judged when it is drawn, as above."""

    model_config = ConfigDict(strict=True)
    image_id: int | str
    id: Any = None
    segmentation: Any = None
    bbox: Any = None

    def __str__(self) -> str:
        return f"annotation {self.id!r:.40}" if isinstance(self.id, int | str) else "an annotation"


class _File(BaseModel):
    images: Annotated[list[Image], FailFast()]
    annotations: Annotated[list[Annotation], FailFast()]


@dataclass(frozen=True)
class Annotations:
    """A file's images by their id as text, the annotations of each, and how many belong to no image."""

    images: dict[str, Image]
    annotations: dict[str, list[Annotation]]
    orphans: int

    def kind(self, image_id: str) -> str:
        """Label kind of an image: mask where there are run lengths, box where all are upright rectangles,
        else polygon. An image without annotations is as the file as a whole.
        """
        return _kind(self.annotations[image_id]) if self.annotations[image_id] else self._common_kind

    @cached_property
    def _common_kind(self) -> str:
        return _kind(entry for entries in self.annotations.values() for entry in entries)


def load(path: Path) -> Annotations:
    """Read an annotation file; the last few are kept. Raises `Unreadable`, and `Foreign` for other JSON."""
    try:
        state = path.stat()
        return _load(path, state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise Unreadable(error.strerror or first_words(error)) from None


@lru_cache(maxsize=4)  # train, validation and test, and one more
def _load(path: Path, size: int, _mtime_ns: int) -> Annotations:
    if size > MAX_BYTES:
        raise Unreadable(f"it is larger than the {MAX_BYTES >> 20} MiB that are allowed")
    return decode(path.read_bytes())


def decode(file: bytes) -> Annotations:
    """What an annotation file holds. Raises `Unreadable`, and `Foreign` for other JSON."""
    try:
        content = from_json(file.removeprefix(codecs.BOM_UTF8))
    except ValueError as error:
        raise Unreadable(f"it is not readable JSON ({first_words(error)})") from None
    if not isinstance(content, dict) or not content.keys() >= {"images", "annotations"}:
        raise Foreign("it has no images and annotations")
    try:
        checked = _File.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Unreadable(f"{'.'.join(str(step) for step in first['loc'])}: {first['msg']}") from None
    images = {str(image.id): image for image in checked.images}
    if len(images) < len(checked.images):
        raise Unreadable("two images have the same id")
    if not all(image_id.isprintable() for image_id in images):
        raise Unreadable("an image has an id with control characters")
    annotations: dict[str, list[Annotation]] = {image_id: [] for image_id in images}
    orphans: list[Annotation] = []
    for annotation in checked.annotations:
        annotations.get(str(annotation.image_id), orphans).append(annotation)
    return Annotations(images, annotations, len(orphans))


def mask(path: Path, image_id: str) -> np.ndarray:
    """The union of all annotations of an image as (H, W), uint8 0 and 1; zeros where there are none.

    `image_id` is escaped as by `record.reference`. Raises `Unreadable`.
    """
    content, image_id = load(path), unquote(image_id)
    if image_id not in content.images:
        raise Unreadable(f"it lists no image {image_id!r:.40}")
    size, entries = _size(content.images[image_id]), content.annotations[image_id]
    shapes = [(entry, entry.segmentation) for entry in entries if isinstance(entry.segmentation, dict)]
    outlined = (entry for entry in entries if not isinstance(entry.segmentation, dict))
    outlines = [(entry, _outline(entry, polygon, size)) for entry in outlined for polygon in _polygons(entry)]
    boundary = sum(_boundary(outline) for _, outline in outlines)
    if len(shapes) + len(outlines) > MAX_SHAPES or boundary > MAX_BOUNDARY:
        limits = f"{MAX_SHAPES} shapes, or outlines longer than {MAX_BOUNDARY} pixels"
        raise Unreadable(f"image {image_id!r:.40} has more than {limits}, which is not allowed")
    shapes += [(entry, coco_mask.frPyObjects([outline.ravel()], *size)[0]) for entry, outline in outlines]
    drawn = np.zeros(size, np.uint8, order="F")  # as run lengths go, by columns
    for entry, rle in shapes:
        runs = _runs(entry, rle, size)
        drawn |= np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(size, order="F")
    return np.ascontiguousarray(drawn)


def _size(image: Image) -> tuple[int, int]:
    """Height and width, within the limits to scans."""
    sides = image.height, image.width
    if not all(type(side) is int or (type(side) is float and side.is_integer()) for side in sides):
        raise Unreadable(f"image {image.id!r:.40} has no height and width in whole pixels")
    header = Header(int(sides[0]), int(sides[1]), 1)
    return header.height, header.width


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


def _kind(annotations: Iterable[Annotation]) -> str:
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
