"""Which numbers the masks of a set hold, where no name tells what they mean."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stages.core import progress, record, workers
from stages.formats import formats
from stages.formats.file import File
from stages.scan.header import Unreadable

_MOST = 65535
"""Of the numbers in a mask."""


def of(root: Path, masks: Sequence[str]) -> list[frozenset[int]]:
    """The numbers in each mask, as records below `root` name it. In worker processes, with progress."""
    with workers.pool() as pool:
        paths = [root / record.names(mask)[0] for mask in masks]
        return list(progress.track(pool.map(within, paths, chunksize=4), "labels", len(paths)))


def within(path: Path) -> frozenset[int]:
    """The numbers from 1 to 65535 in a mask's file; none where it cannot be read."""
    try:
        voxels = File.at(path).read(formats.format_of(path.name).decode_mask).voxels
    except Unreadable:
        return frozenset()
    held: set[int] = set()
    for plane in voxels:  # sorting what is labelled in a plane is cheap, in a volume it is not
        labelled = plane[(plane > 0) & (plane <= _MOST)]
        if labelled.dtype.kind == "f":
            labelled = np.rint(labelled)  # as `scan.task.harmonise` does
        held |= {int(number) for number in np.unique(labelled)}
    return frozenset(held - {0})
