"""A correction.json: whose scan a person accepted or corrected the mask of, and what its files hold.

Whoever can write into the folder may have written anything: nothing of it is used before it was checked.
"""

import codecs
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from stages.scan import spacing
from stages.scan.header import MAX_CHANNELS, MAX_SLICES
from stages.scan.spacing import Spacing
from stages.scan.task import Task
from stages.sources import task_text

NAME = "correction.json"
SCHEMA = 1
MAX_BYTES = 1 << 20
"""What programs write has some hundred bytes."""
SHORT = 16
"""Digits of a scan's hash by which its folder is called."""
SUFFIXES = (".nii.gz", ".tif")
_UNPRINTABLE = {"Cc", "Cs"}
"""Unicode's control characters, and halves of characters."""
_MM = re.compile(r"[0-9.eE+-]+(;[0-9.eE+-]+){2}")


@dataclass(frozen=True)
class Correction:
    """scan: SHA-256 of the scan's files. name: as its user knew it, perhaps a path. verdict: accepted, or
    corrected. model: hash of the model that made the mask, version: of it, where it has one. who: free text.
    when: in UTC, as 2026-11-28T04:30:00Z. channels: names of the image's, in their order. spacing: None where
    the scan does not tell it.
    """

    scan: str
    name: str
    verdict: str
    model: str
    version: str | None
    who: str
    when: str
    channels: tuple[str, ...]
    spacing: Spacing | None
    task: Task

    @property
    def folder(self) -> str:
        return self.scan[:SHORT]


@dataclass(frozen=True)
class Stored:
    """A correction and its files, by their names in its folder; slices: of both."""

    correction: Correction
    image: str
    mask: str
    slices: int


def content(stored: Stored) -> dict[str, Any]:
    """What correction.json holds. Signs of free texts that nobody can see become "_"."""
    correction = stored.correction
    return {
        "schema": SCHEMA,
        "scan": correction.scan,
        "name": _visible(correction.name),
        "verdict": correction.verdict,
        "model": correction.model,
        "version": correction.version,
        "who": _visible(correction.who),
        "when": correction.when,
        "channels": list(correction.channels),
        "image": stored.image,
        "mask": stored.mask,
        "slices": stored.slices,
        "spacing_mm": correction.spacing.text() if correction.spacing else "",
        "task": task_text.content(correction.task),
    }


def read(path: Path) -> Stored:
    """What the file says. Raises ValueError with what is wrong."""
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"it is larger than the {MAX_BYTES >> 20} MiB that are allowed")
    try:
        said = from_json(path.read_bytes().removeprefix(codecs.BOM_UTF8))
    except ValueError:
        raise ValueError("it is no readable JSON") from None
    return parse(said)


def parse(said: Any) -> Stored:
    """What `content` gave. Raises ValueError with what is wrong."""
    if not isinstance(said, dict):
        raise ValueError("it has no keys")
    for key, (fits, words) in _RULES.items():
        if key not in said:
            raise ValueError(f"it lacks {key}")
        if not fits(said[key]):
            raise ValueError(f"{key} must be {words}, not {said[key]!r:.60}")
    image, mask = said["image"], said["mask"]
    if image.removeprefix("image") != mask.removeprefix("mask"):
        raise ValueError(f"{image} and {mask} are of two formats")
    try:
        task = task_text.of_content(said["task"])
    except ValueError as error:
        raise ValueError(f"task: {error}") from None
    own = {key: said[key] for key in ("scan", "name", "verdict", "model", "version", "who", "when")}
    mm = spacing.parse(said["spacing_mm"])
    correction = Correction(**own, channels=tuple(said["channels"]), spacing=mm, task=task)
    return Stored(correction, image, mask, said["slices"])


def printable(text: str) -> bool:
    """Whether all signs of a text can stand in a table and in the name of a file."""
    return not any(unicodedata.category(sign) in _UNPRINTABLE for sign in text)


def _visible(text: str) -> str:
    return "".join(sign if printable(sign) else "_" for sign in text)


def _text(value: Any) -> bool:
    return isinstance(value, str) and printable(value)


def _matches(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and bool(re.fullmatch(pattern, value))


def _one_of(*values: Any) -> Callable[[Any], bool]:
    return lambda value: any(type(value) is type(known) and value == known for known in values)


def _channels(value: Any) -> bool:
    named = isinstance(value, list) and all(_text(name) and name and ";" not in name for name in value)
    return named and 0 < len(value) <= MAX_CHANNELS and len(set(value)) == len(value)


def _spacing(value: Any) -> bool:
    if value == "":
        return True
    if not isinstance(value, str) or not _MM.fullmatch(value):
        return False
    try:
        mm = spacing.parse(value)
    except ValueError:
        return False
    return mm is not None and all(0.01 <= distance <= 100 for distance in mm)


_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "schema": (_one_of(SCHEMA), f"{SCHEMA}, which this version of the program reads"),
    "scan": (_matches("[0-9a-f]{64}"), "a SHA-256, 64 hexadecimal digits"),
    "name": (_text, "a text without control characters"),
    "verdict": (_one_of("accepted", "corrected"), "accepted or corrected"),
    "model": (_text, "a text without control characters"),
    "version": (lambda value: value is None or _text(value), "null or a text without control characters"),
    "who": (_text, "a text without control characters"),
    "when": (
        _matches("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"),
        "a time such as 2026-11-28T04:30:00Z",
    ),
    "channels": (_channels, "a list of different names without semicolons"),
    "image": (_one_of(*(f"image{end}" for end in SUFFIXES)), "image.nii.gz or image.tif"),
    "mask": (_one_of(*(f"mask{end}" for end in SUFFIXES)), "mask.nii.gz or mask.tif"),
    "slices": (
        lambda value: type(value) is int and 0 < value <= MAX_SLICES,
        f"a whole number from 1 to {MAX_SLICES}",
    ),
    "spacing_mm": (_spacing, 'mm between slices, rows and columns, as "3;1;1", or empty'),
    "task": (lambda value: isinstance(value, dict), "classes, regions, exclusive and noun"),
}
"""What each key must hold, in the order of the file, and how to say that."""
