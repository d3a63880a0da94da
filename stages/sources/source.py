"""What a source must offer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from stages.core.record import Record
from stages.scan.task import TUMOUR, Task


@dataclass(frozen=True)
class Holding:
    """What a source holds. `unannotated`: sample_ids of images that nobody annotated, which are not therefore
    free of tumour. `notes`: sentences for the user, e.g. on what was skipped.
    """

    records: list[Record]
    unannotated: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Card:
    """What a published set is said to hold, from its own page or paper, so that a subset or another set shows
    at once; None where it does not tell. And what its scans are, under which licence, and what its masks
    outline, which other sets do in another way.
    """

    slices: int | None
    patients: int | None
    sides: tuple[int, ...]  # widths and heights in pixels
    channels: int
    top: float | None  # highest value a pixel can have
    about: str  # where the counts are from
    data: str
    licence: str
    outline: str


@dataclass(frozen=True)
class Source:
    """An adapter: which files of a download belong to the data set, what slices they make and what the
    numbers in their masks mean.

    `belongs` judges a path relative to the download's root. `find` reads the folder that holds those
    files and raises `UserError` when they do not make a data set at all; its records name one of `tasks`
    each, as `label_set`. `meaning` exists where only the masks tell which it is: it reads those of some
    records below a folder, and gives the records with their `label_set`, the one that the user names if any,
    and sentences for the user; it raises `UserError` where the numbers are in doubt. `kaggle` is the data set
    to download where no location is given. `find_among(root, names)` exists where the user may name what
    counts, by the param `names`: categories of annotations, or channels; as `find`, of those alone.
    `own_labels`: the user may also say which numbers of its masks mean what. `card`: of the published set;
    None where everybody has scans of their own. `generate(root, patients, seed)` exists where the source can
    make its own data.
    """

    name: str
    layout: str  # for the message that says what was looked for
    belongs: Callable[[PurePosixPath], bool]
    find: Callable[[Path], Holding]
    card: Card | None = None
    tasks: tuple[Task, ...] = (TUMOUR,)
    meaning: Callable[[Path, Sequence[Record], Task | None], tuple[list[Record], list[str]]] | None = None
    kaggle: str | None = None
    find_among: Callable[[Path, Sequence[str | int] | None], Holding] | None = None
    names: Literal["categories", "channels"] | None = None
    own_labels: bool = False
    generate: Callable[[Path, int | None, int], None] | None = None
