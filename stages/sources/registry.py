"""Every source by the name that `ingest.source` gives it."""

from stages.sources import lgg
from stages.sources.source import Source

SOURCES: dict[str, Source] = {
    "sample": lgg.SAMPLE,
    "lgg": lgg.LGG,
}
