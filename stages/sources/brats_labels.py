"""What the numbers in the masks of a set mean, by its names and by the numbers themselves.

Names of cases tell the edition, and an edition which numbers it has. Where masks hold others, or the numbers
mean other things in two editions of one name, the user is asked: a guess would train on the wrong tissue.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from stages.core import record
from stages.core.errors import UserError
from stages.core.record import Record
from stages.scan.task import TUMOUR, Task
from stages.sources import mask_numbers
from stages.sources.brats_editions import (
    BINARY,
    BY_NAME,
    MEANINGS,
    NUMBERED,
    SINCE_2023,
    TASK,
    TASK_2024,
    UNTOLD,
    Edition,
    class_of,
    described,
    edition_of,
    listed,
    reads,
)


def settled(
    root: Path, records: Sequence[Record], labels: Task | None, said: dict[str, Edition]
) -> tuple[list[Record], list[str]]:
    """The records with the meaning that the numbers in their masks bear out, and sentences on what no name
    tells.

    labels: what the user says that they mean. said: what a file of the data set says, by mask. A mask that
    cannot be read counts as empty: validation says what is wrong with it. Raises `UserError` where numbers
    contradict what they should be, or may mean one thing or another.
    """
    masks = list(dict.fromkeys(row.mask for row in records))
    numbers = dict(zip(masks, mask_numbers.of(root, masks), strict=True))
    if labels is None:
        chosen, notes = _chosen(numbers, said)
    else:
        chosen, notes = dict.fromkeys(masks, labels.name), []
        for mask, own in numbers.items():
            if not reads(labels, own):
                raise _doubt(
                    f"{_file(mask)} holds {listed(own)}, and {described(labels)} has other ones", [own]
                )
    return [replace(row, label_set=chosen[row.mask]) for row in records], notes


def _chosen(numbers: dict[str, frozenset[int]], said: dict[str, Edition]) -> tuple[dict[str, str], list[str]]:
    groups: dict[Edition, dict[str, frozenset[int]]] = defaultdict(dict)
    for mask, own in numbers.items():
        groups[said.get(mask) or edition_of(_file(mask))][mask] = own
    chosen: dict[str, str] = {}
    notes: list[str] = []
    for about, masks in groups.items():
        label_set, sentences = _meaning(about, masks, about in said.values())
        chosen |= dict.fromkeys(masks, label_set)
        notes += sentences
    before = [
        mask
        for about, masks in groups.items()
        for mask in masks
        if about.readings[0] == SINCE_2023 and chosen[mask] == TASK.name
    ]
    if before and TASK_2024.name in chosen.values():  # as BraTS-GLI of 2025
        chosen |= dict.fromkeys(before, TASK_2024.name)
        notes.append(
            f"cases from before treatment ({len(before)}) are read as {TASK_2024.name} too, without a cavity"
        )
    return chosen, notes


def _meaning(about: Edition, masks: dict[str, frozenset[int]], said: bool) -> tuple[str, list[str]]:
    """The label set of the masks of an edition, and what the user should know of it."""
    union = frozenset[int]().union(*masks.values())
    single = len(union) == 1 and union <= BINARY
    if about == UNTOLD and single:
        sentence = f"the masks hold one label, which is read as {TUMOUR.name}"
        return TUMOUR.name, [_note(sentence, masks)]
    if single and not said and about.label_set != TUMOUR.name:
        raise _doubt(
            f"the masks of {about.title} hold {listed(union)} alone, as masks of a whole tumour do", [union]
        )
    classes = union & NUMBERED
    fitting = [label_set for own, label_set in about.readings if classes <= own]
    if not fitting:
        raise _doubt(_contradiction(about, masks), masks.values())
    if len({tuple(class_of(name, number) for number in sorted(classes)) for name in fitting}) > 1:
        raise _doubt(
            f"the masks of {about.title} hold {listed(union)}, which meant other things in another year",
            masks.values(),
        )
    if said:
        return fitting[0], [f"the labels of cases ({len(masks)}) mean what {about.title} says: {fitting[0]}"]
    if about == UNTOLD and union:
        sentence = f"their labels are read as {described(BY_NAME[fitting[0]])}"
        return fitting[0], [_note(sentence, masks)]
    return fitting[0], []


def _note(sentence: str, masks: dict[str, frozenset[int]]) -> str:
    first = _file(next(iter(masks))).parent
    return (
        f"the names of {len(masks)} cases ({first}{', ...' if len(masks) > 1 else ''}) tell no edition of "
        f"BraTS; {sentence}; set ingest.labels if they mean something else"
    )


def _contradiction(about: Edition, masks: dict[str, frozenset[int]]) -> str:
    expected = " or ".join(listed(own) for own, _ in about.readings)
    for mask, own in masks.items():
        if not any(own & NUMBERED <= known for known, _ in about.readings):
            return f"{_file(mask)} holds {listed(own)}, and {about.title} has {expected}"
    union = frozenset[int]().union(*masks.values())
    return f"the masks together hold {listed(union)}, and {about.title} has {expected}"


def _doubt(what: str, numbers: Iterable[frozenset[int]]) -> UserError:
    """With the meanings that can be read from all masks at hand."""
    every = list(numbers)
    choices = [described(task) for task in MEANINGS if all(reads(task, own) for own in every)]
    return UserError(f"{what}; set ingest.labels to what they mean: {', '.join(choices)}")


def _file(mask: str) -> PurePosixPath:
    return PurePosixPath(record.names(mask)[0])
