"""What a data set of its own kind says its labels mean: names with the numbers of a mask, as nnU-Net writes
them into dataset.json, and the one line of it that a row of the manifest holds.
"""

import re
from collections.abc import Mapping
from typing import Any

from stages.scan.task import Task

_BACKGROUND, _IGNORE = "background", "ignore"
_SIGNS = re.compile(r"[^0-9A-Za-z]+")

Numbers = dict[str, tuple[int, ...]]
"""By name the numbers of a mask that a region is made of."""


def numbered(labels: Mapping[str, Any]) -> Numbers:
    """The labels of nnU-Net ({name: number, or numbers of a region}) or of the Decathlon ({number: name}),
    without the background. Of names only letters and digits stay, since they become keys of metrics.

    Raises ValueError with what is wrong: a name without a number, two names that become one, no label but the
    background, and nnU-Net's label for what nobody annotated, on which nothing here can be trained.
    """
    numbers: Numbers = {}
    for key, value in labels.items():
        name, own = (value, [int(key)]) if isinstance(value, str) and key.isdecimal() else (key, value)
        own = own if isinstance(own, list | tuple) else [own]
        if not own or not all(type(number) is int and 0 <= number < 255 for number in own):
            raise ValueError(f"label {str(name)[:40]!r} has no number from 0 to 254")
        if name.lower() == _IGNORE:
            raise ValueError(
                f"label {own[0]} is {name!r}, and voxels that nobody annotated cannot be told apart"
            )
        plain = _SIGNS.sub("_", name).strip("_")
        if set(own) <= {0} or name.lower() == _BACKGROUND:
            if set(own) != {0} or name.lower() != _BACKGROUND:
                raise ValueError(f"label {own[0]} is {name[:40]!r}, and 0 alone is the background")
            continue
        if 0 in own:
            raise ValueError(f"region {name[:40]!r} holds 0, the background")
        if not plain or plain in numbers:
            raise ValueError(f"label {name[:40]!r} has a name that is no word, or that another one has")
        numbers[plain] = tuple(sorted(set(own)))
    if not numbers:
        raise ValueError("no label is named but the background")
    return numbers


def text(numbers: Numbers) -> str:
    """For the `label_set` of a row: "edema=1;core=2,3"."""
    return ";".join(f"{name}={','.join(map(str, own))}" for name, own in numbers.items())


def parse(label_set: str) -> Task:
    """The meaning that `text` wrote.

    Where each name has one number of its own these are classes that exclude each other. Else they are
    regions, and a class is called as the smallest region that holds it, with its number where others are
    called so too, or where that region holds more. Raises ValueError for other text.
    """
    numbers: Numbers = {}
    for part in label_set.split(";"):
        name, _, own = part.partition("=")
        if not name or not re.fullmatch(r"\d+(,\d+)*", own):
            raise ValueError(f"{label_set[:80]!r} is no meaning of labels")
        numbers[name] = tuple(map(int, own.split(",")))
    every = sorted({number for own in numbers.values() for number in own})
    class_of = {number: place for place, number in enumerate(every, 1)}
    exclusive = sum(map(len, numbers.values())) == len(every) == len(numbers)
    return Task(
        name=label_set,
        classes={class_of[number]: _called(number, numbers) for number in every},
        regions={name: [class_of[number] for number in own] for name, own in numbers.items()},
        numbers=class_of,
        exclusive=exclusive and len(numbers) > 1,
        noun=next(iter(numbers)) if len(numbers) == 1 else "label",
    )


def _called(number: int, numbers: Numbers) -> str:
    size, name = min((len(own), name) for name, own in numbers.items() if number in own)
    called = name if size == 1 else f"{name}_{number}"
    return f"{called}_only" if size > 1 and called in numbers else called
