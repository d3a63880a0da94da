"""What a source must offer."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from stages.core.record import Record


@dataclass(frozen=True)
class Holding:
    """What a source holds. `unannotated`: sample_ids of images that nobody annotated, which are not therefore
    free of tumour. `notes`: sentences for the user, e.g. on what was skipped.
    """

    records: list[Record]
    unannotated: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """An adapter: which files of a download belong to the data set, and what slices they make.

    `belongs` judges a path relative to the download's root. `find` reads the folder that holds those
    files and raises `UserError` when they do not make a data set at all. `kaggle` is the data set to download
    where no location is given. `generate(root, patients, seed)` exists where the source can make its own
    data.
    """

    name: str
    layout: str  # for the message that says what was looked for
    belongs: Callable[[PurePosixPath], bool]
    find: Callable[[Path], Holding]
    kaggle: str | None = None
    generate: Callable[[Path, int | None, int], None] | None = None
