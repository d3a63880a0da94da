"""A whole `Task` as a text for a row of the manifest, of masks whose numbers are those of the classes."""

import json
import re
from dataclasses import replace
from typing import Any

from pydantic_core import from_json

from stages.scan.task import Task

MOST = 254
"""Classes of a task: a mask has eight bits, and 255 stands for what it should not hold."""
_WORD = re.compile(r"[0-9A-Za-z_]+")
"""Names of classes and regions become keys of metrics and names of columns."""
_NUMBER = re.compile(r"[1-9][0-9]{0,2}")


def content(task: Task) -> dict[str, Any]:
    """What a task says but for its name and the numbers of its files, for JSON."""
    return {
        "classes": {str(number): name for number, name in sorted(task.classes.items())},
        "regions": task.regions,
        "exclusive": task.exclusive,
        "noun": task.noun,
    }


def text(task: Task) -> str:
    """For the `label_set` of a row: compact JSON, which begins with "{" as no other meaning does."""
    return json.dumps(content(task), separators=(",", ":"))


def parse(label_set: str) -> Task:
    """The task that `text` wrote. Raises ValueError for other text."""
    return of_content(from_json(label_set), label_set)


def of_content(said: Any, name: str = "") -> Task:
    """The task of what `content` gave; name: of the task, the text by default. Raises ValueError with what is
    wrong.
    """
    if not isinstance(said, dict):
        raise ValueError("it has no keys")
    if missing := [key for key in ("classes", "regions", "exclusive", "noun") if key not in said]:
        raise ValueError(f"it lacks {missing[0]}")
    classes, regions, exclusive, noun = (said[key] for key in ("classes", "regions", "exclusive", "noun"))
    if type(exclusive) is not bool:
        raise ValueError("exclusive is neither true nor false")
    if not isinstance(classes, dict) or not 0 < len(classes) <= MOST:
        raise ValueError(f"classes must have a name for each number, of 1 to {MOST}")
    if not all(_NUMBER.fullmatch(number) for number in classes):
        raise ValueError("classes are numbered from 1 on")
    if not isinstance(regions, dict) or not regions or not all(map(_numbers, regions.values())):
        raise ValueError("regions must have a list of numbers of classes each")
    for word in (*classes.values(), *regions, noun):
        if not isinstance(word, str) or not _WORD.fullmatch(word):
            raise ValueError(f"{word!r:.40} is no name of letters, digits and underscores")
    by_number = {int(number): classes[number] for number in sorted(classes, key=int)}
    own = {number: number for number in by_number}
    try:
        task = Task("", by_number, regions, own, exclusive, noun)
    except ValueError as error:
        raise ValueError(str(error).removeprefix(": ")) from None
    return replace(task, name=name or text(task))


def _numbers(region: Any) -> bool:
    return isinstance(region, list) and all(type(number) is int for number in region)


def differences(one: Task, other: Task) -> str:
    """In what two tasks that are not alike differ, in words: "class 1 is tumour, and lesion" and so on."""
    differing = [
        f"{kind} {key} is {_shown(ours.get(key))} and {_shown(theirs.get(key))}"
        for kind, ours, theirs in (
            ("class", one.classes, other.classes),
            ("region", one.regions, other.regions),
        )
        for key in dict.fromkeys([*ours, *theirs])
        if ours.get(key) != theirs.get(key)
    ]
    if one.exclusive != other.exclusive:
        differing.append("the classes of one exclude each other and those of the other do not")
    if one.noun != other.noun:
        differing.append(f"a labelled pixel shows {one.noun} and {other.noun}")
    return "; ".join(differing)


def _shown(value: Any) -> str:
    if value is None:
        return "not there"
    return value if isinstance(value, str) else f"made of {', '.join(map(str, value))}"
