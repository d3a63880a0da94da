"""Every source by the name that `ingest.source` gives it, and what the numbers in their masks mean."""

from functools import lru_cache

from stages.scan.task import Task
from stages.sources import brats, coco, corrections, labels, lgg, nifti, nnunet, pairs, task_text
from stages.sources.source import Source

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        *(lgg.SAMPLE, lgg.LGG, coco.COCO, pairs.PAIRS, brats.BRATS, nnunet.NNUNET, nifti.NIFTI),
        corrections.SOURCE,
    )
}

TASKS: dict[str, Task] = {task.name: task for source in SOURCES.values() for task in source.tasks}
"""By name, as a row of the manifest has it in `label_set`."""


def outline(name: str) -> str:
    """What masks of the source of that name outline; "" where nothing tells, as of a user's own."""
    card = SOURCES[name].card if name in SOURCES else None
    return card.outline if card else ""


@lru_cache
def task(label_set: str) -> Task:
    """By the `label_set` of a row: one of `TASKS`, or what `labels.text` or `task_text.text` wrote."""
    if label_set in TASKS:
        return TASKS[label_set]
    return task_text.parse(label_set) if label_set.startswith("{") else labels.parse(label_set)
