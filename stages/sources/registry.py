"""Every source by the name that `ingest.source` gives it."""

from stages.sources import brats, coco, lgg, pairs
from stages.sources.source import Source

SOURCES: dict[str, Source] = {
    one.name: one for one in (lgg.SAMPLE, lgg.LGG, coco.COCO, pairs.PAIRS, brats.BRATS)
}
