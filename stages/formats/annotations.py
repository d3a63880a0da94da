"""COCO annotation files: the images they list, what is said of each, and the masks that are drawn of it."""

import codecs
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, ValidationError
from pydantic_core import from_json

from stages.formats import categories, shapes
from stages.formats.categories import Category, Meaning
from stages.formats.ids import Id
from stages.formats.shapes import Annotation
from stages.scan.header import Header, Unreadable, first_words

MAX_BYTES = 256 * 2**20
"""Of one annotation file; 20,000 slices with outlines of 500 corners take 100 MiB."""


class Foreign(Unreadable):
    """JSON, but not of COCO annotations."""


class Image(BaseModel):
    """An entry of `images`. Its size is judged when its mask is drawn: a bad one then costs one image."""

    model_config = ConfigDict(strict=True)
    id: Id
    file_name: str
    height: Any = None
    width: Any = None


def _present(listed: Any) -> Any:
    return [] if listed is None else listed


class _File(BaseModel):
    images: Annotated[list[Image], FailFast()]
    annotations: Annotated[list[Annotation], FailFast()]
    categories: Annotated[list[Category], FailFast(), BeforeValidator(_present)] = []


@dataclass(frozen=True)
class Statement:
    """What an image's annotations say: which outline a tumour, which say that there is none, and which are of
    a category that the file does not list. Those of something else say nothing.
    """

    tumour: list[Annotation]
    absence: list[Annotation]
    unlisted: list[Annotation]

    def __bool__(self) -> bool:
        return bool(self.tumour or self.absence or self.unlisted)


@dataclass(frozen=True)
class Annotations:
    """A file's images and categories by their id as text, the annotations of each image, and how many belong
    to no image.
    """

    images: dict[str, Image]
    annotations: dict[str, list[Annotation]]
    orphans: int
    categories: dict[str, Category]

    def category(self, annotation: Annotation) -> Category | None:
        """None where the file does not list it. The only one is that of annotations that name none."""
        if annotation.category_id is None and len(self.categories) == 1:
            return next(iter(self.categories.values()))
        return self.categories.get(str(annotation.category_id))

    def statement(self, image_id: str, tumours: Collection[str] | None = None) -> Statement:
        """What is said of an image. In a file without categories all is tumour.

        `tumours`: `Category.key` of those that are, and an image of others only then has none; None: what
        the names say.
        """
        said: dict[Meaning | None, list[Annotation]] = defaultdict(list)
        for annotation in self.annotations[image_id]:
            said[self._meaning(annotation, tumours)].append(annotation)
        return Statement(said[Meaning.TUMOUR], said[Meaning.ABSENCE], said[None])

    def _meaning(self, annotation: Annotation, tumours: Collection[str] | None) -> Meaning | None:
        if not self.categories:
            return Meaning.TUMOUR
        category = self.category(annotation)
        if category is None:
            return None
        if tumours is not None:
            return Meaning.TUMOUR if category.key in tumours else Meaning.ABSENCE
        return categories.meaning(category.name)

    def kind(self, image_id: str, tumours: Collection[str] | None = None) -> str:
        """Label kind of an image: mask where there are run lengths, box where all are upright rectangles,
        else polygon. An image without tumour is as all annotations of the file. `tumours`: as of `statement`.
        """
        drawn = self.statement(image_id, tumours).tumour
        return shapes.kind(drawn) if drawn else self._common_kind

    @cached_property
    def _common_kind(self) -> str:
        return shapes.kind(entry for entries in self.annotations.values() for entry in entries)


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
        key = ".".join(str(step) for step in first["loc"])
        raise Unreadable(f"{key}: {first['msg'].removeprefix('Value error, ')}") from None
    images = {str(image.id): image for image in checked.images}
    if len(images) < len(checked.images):
        raise Unreadable("two images have the same id")
    if not all(image_id.isprintable() for image_id in images):
        raise Unreadable("an image has an id with control characters")
    annotations: dict[str, list[Annotation]] = {image_id: [] for image_id in images}
    orphans: list[Annotation] = []
    for annotation in checked.annotations:
        annotations.get(str(annotation.image_id), orphans).append(annotation)
    return Annotations(images, annotations, len(orphans), _by_id(checked.categories))


def _by_id(listed: list[Category]) -> dict[str, Category]:
    by_id: dict[str, Category] = {}
    for category in listed:
        if not category.key.isprintable():
            raise Unreadable("a category has a name with control characters")
        first = by_id.setdefault(str(category.id), category)
        if first.key != category.key:
            raise Unreadable(f"the categories {first} and {category} have the same id {category.id!r:.40}")
    return by_id


def mask(path: Path, label: str) -> np.ndarray:
    """The union of the outlines of tumours in an image as (H, W), uint8 0 and 1; zeros where there are none.

    `label`: what a row's `mask` has behind the first "#", the image's id and, where they were chosen, the
    keys of the categories that are tumour, escaped as by `record.reference`. Raises `Unreadable`, also where
    the annotations contradict each other.
    """
    content = load(path)
    image_id, *tumours = map(unquote, label.split("#"))
    if image_id not in content.images:
        raise Unreadable(f"it lists no image {image_id!r:.40}")
    said = content.statement(image_id, tumours or None)
    if said.unlisted:
        number = said.unlisted[0].category_id
        what = "no category_id" if number is None else f"category_id {number!r:.40}, which is not"
        raise Unreadable(f"{said.unlisted[0]} has {what} among the file's categories; correct it there")
    if said.tumour and said.absence and not tumours:
        no, yes = (content.category(entries[0]) for entries in (said.absence, said.tumour))
        raise Unreadable(
            f"{said.absence[0]} is of category {no} and {said.tumour[0]} of category {yes}; remove one of "
            "the two, or name the categories that are tumour in ingest.categories"
        )
    return shapes.draw(said.tumour, _size(content.images[image_id]), f"image {image_id!r:.40}")


def _size(image: Image) -> tuple[int, int]:
    """Height and width, within the limits to scans."""
    sides = image.height, image.width
    if not all(type(side) is int or (type(side) is float and side.is_integer()) for side in sides):
        raise Unreadable(f"image {image.id!r:.40} has no height and width in whole pixels")
    header = Header(int(sides[0]), int(sides[1]), 1)
    return header.height, header.width
