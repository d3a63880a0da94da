"""What the dataset.json of a data set says of its labels, as nnU-Net and the Decathlon write it."""

import codecs
import re
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic_core import from_json

from stages.core import record
from stages.core.errors import UserError
from stages.scan.task import Task
from stages.sources.brats_editions import MEANINGS, Edition

NAME = "dataset.json"
MAX_BYTES = 16 << 20
"""A list of a million cases has about as much."""
_WAY_OUT = "correct the file or set ingest.labels"
_CORE, _WHOLE, _TUMOUR = "core", "whole", "tumour"
_SYNONYMS = {
    "enhancing": "enhancing|enhancing tumor|enhancing tissue|enhancing core|enhancing lesion|enhanced tumor|"
    "gd enhancing tumor|active tumor|et",
    "non_enhancing": "non enhancing|non enhancing tumor|non enhancing core|non enhancing tumor core|"
    "non enhancing component|non enh|nonenh|net|netc|nc",
    "necrosis": "necrosis|necrotic|necrotic core|necrotic tumor|necrotic tumor core|necrotic non enhancing|"
    "necrotic non enhancing tumor|necrotic non enhancing core|necrotic non enhancing tumor core|ncr|ncr net",
    "oedema": "edema|ed|edematous tissue|peritumoral edema|peritumoral edematous invaded tissue|"
    "invaded tissue|peritumoral invaded tissue|surrounding non enhancing flair hyperintensity|"
    "flair hyperintensity|snfh",
    "cyst": "cyst|cysts|cystic|cystic component|cc",
    "resection_cavity": "resection cavity|cavity|surgical cavity|postoperative cavity|rc",
    _CORE: "tumor core|core|tc",
    _WHOLE: "whole tumor|whole|complete tumor|wt",
    _TUMOUR: "tumor|lesion|gross tumor volume|gtv|glioma|meningioma|metastasis",
}
_MEANS = {synonym: name for name, synonyms in _SYNONYMS.items() for synonym in synonyms.split("|")}
_ALSO = {"necrosis": ("non_enhancing", _CORE), "non_enhancing": ("necrosis", _CORE), "cyst": (_CORE,)}
"""What else a class is called where an edition has but one of them."""


def editions(root: Path, masks: list[str]) -> dict[str, Edition]:
    """By mask, as a record has it: what the nearest dataset.json around it says, where it names labels.

    Raises `UserError` where the file is damaged, or its names tell no meaning that is known.
    """
    files: dict[PurePosixPath, Edition | None] = {}
    said = {}
    for mask in masks:
        for folder in PurePosixPath(record.names(mask)[0]).parents:
            if folder not in files:
                path = root / folder / NAME
                files[folder] = _edition(path, folder / NAME) if path.is_file() else None
            if about := files[folder]:
                said[mask] = about
                break
    return said


def _edition(path: Path, name: PurePosixPath) -> Edition | None:
    labels = labels_in(content(path, name), name)
    if labels is None:
        return None
    try:
        named = _by_number(labels)
    except ValueError as error:
        raise UserError(f"{name}: {error}; {_WAY_OUT}") from None
    for task in MEANINGS:
        if _fits(named, task):
            return Edition(str(name), ((frozenset(named), task.name),))
    listed = ", ".join(f"{number} {what}" for number, what in sorted(named.items()))
    raise UserError(f"{name} has labels that no known set has ({listed}); {_WAY_OUT}")


def content(path: Path, name: PurePosixPath) -> dict[str, Any]:
    """What the file says, by key; name: as its user knows it. Raises `UserError` where it is no such file."""
    if path.stat().st_size > MAX_BYTES:
        raise UserError(f"{name} is larger than the {MAX_BYTES >> 20} MiB that are allowed; {_WAY_OUT}")
    try:
        said = from_json(path.read_bytes().removeprefix(codecs.BOM_UTF8))
    except ValueError:
        raise UserError(f"{name} is not readable JSON; {_WAY_OUT}") from None
    if not isinstance(said, dict):
        raise UserError(f"{name} is no dataset.json: it has no keys; {_WAY_OUT}")
    return said


def labels_in(said: dict[str, Any], name: PurePosixPath) -> dict[str, Any] | None:
    """The `labels`; None where there are none, as in lists of cases that other programs write. Raises
    `UserError` where they are no names with numbers.
    """
    labels = said.get("labels")
    if labels is not None and not (isinstance(labels, dict) and labels):
        raise UserError(f"{name}: labels must have a name for each number; {_WAY_OUT}")
    return labels


def _by_number(labels: dict[str, Any]) -> dict[int, str]:
    """What each number but 0 is: a class, or what the regions that hold it leave of it. Raises ValueError."""
    names: dict[int, set[str]] = {}
    for number, name, several in _pairs(labels):
        if number == 0:
            continue
        what = _MEANS.get(_plain(name))
        if what is None:
            raise ValueError(f"it calls label {number} {name[:40]!r}, a name that is not known here")
        names.setdefault(number, set()).add(_WHOLE if what == _TUMOUR and several else what)
    if not names:
        raise ValueError("it names no label but the background")
    return {number: _narrowest(number, own, alone=len(names) == 1) for number, own in names.items()}


def _pairs(labels: dict[str, Any]) -> list[tuple[int, str, bool]]:
    """Number, name, and whether the name is of several numbers, of either way to write them."""
    pairs = []
    for key, value in labels.items():
        if isinstance(value, str) and key.isdecimal():
            pairs.append((int(key), value, False))
            continue
        numbers = value if isinstance(value, list) else [value]
        if not numbers or not all(type(number) is int and number >= 0 for number in numbers):
            raise ValueError(f"label {key[:40]!r} has no number")
        pairs += [(number, key, len(numbers) > 1) for number in numbers]
    return pairs


def _narrowest(number: int, names: set[str], alone: bool) -> str:
    """Of a class and the regions around it the class; of the core alone what does not enhance."""
    classes = names - {_CORE, _WHOLE}
    if len(classes) > 1:
        raise ValueError(f"it calls label {number} both {' and '.join(sorted(classes))}")
    if classes:
        return classes.pop()
    if _CORE in names:
        return _CORE
    return _TUMOUR if alone else "oedema"


def _fits(named: dict[int, str], task: Task) -> bool:
    if task.numbers is None:
        return list(named.values()) == [_TUMOUR] and set(named) <= {1, 255}
    if not named.keys() <= task.numbers.keys():
        return False
    classes = {number: task.classes[task.numbers[number]] for number in named}
    return set(classes.values()) == set(task.classes.values()) and all(
        what == classes[number] or what in _ALSO.get(classes[number], ()) for number, what in named.items()
    )


def _plain(name: str) -> str:
    """In small letters, American spelling, without signs and filling words."""
    words = re.sub(r"[^a-z0-9]+", " ", name.lower().replace("tumour", "tumor").replace("oedema", "edema"))
    words = re.sub(r"\bnonenhancing\b", "non enhancing", words)
    return " ".join(word for word in words.split() if word not in ("the", "and", "of", "brain", "region"))
