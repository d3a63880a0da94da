"""Every source by the name that `ingest.source` gives it, and what the numbers in their masks mean."""

from stages.scan.task import Task
from stages.sources import brats, coco, lgg, pairs
from stages.sources.source import Source

SOURCES: dict[str, Source] = {
    source.name: source for source in (lgg.SAMPLE, lgg.LGG, coco.COCO, pairs.PAIRS, brats.BRATS)
}

TASKS: dict[str, Task] = {task.name: task for source in SOURCES.values() for task in source.tasks}
"""By the `label_set` of a row of the manifest."""
