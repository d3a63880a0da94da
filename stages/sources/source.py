"""What a source must offer."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from stages.sources.record import Record


@dataclass(frozen=True)
class Source:
    """An adapter: which files of a download belong to the data set, and what slices they make.

    `wanted` judges a path relative to the download's root. `records` reads the folder that holds the wanted
    files and raises `UserError` when they do not make a data set at all. `generate(root, patients, seed)`
    exists where the source can make its own data.
    """

    name: str
    layout: str  # for the message that says what was looked for
    wanted: Callable[[PurePosixPath], bool]
    records: Callable[[Path], list[Record]]
    kaggle: str | None = None
    generate: Callable[[Path, int | None, int], None] | None = None
