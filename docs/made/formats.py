"""Reference: suffixes of files, and every source with what its published set is."""

from docs.made import markdown
from stages.formats import suffixes
from stages.formats.formats import FORMATS
from stages.sources.sources import SOURCES

READ = {
    "TIFF": suffixes.TIFF,
    "PNG, JPEG": suffixes.RASTER,
    "NIfTI": suffixes.NIFTI,
    "DICOM": suffixes.DICOM,
}
"""Suffixes by format; `brainseg predict` reads all."""
HEAD = """# File formats and sources

What each format is taken to mean, and what is refused: [What is read, and how](what-is-read.md).

## Formats"""


def page() -> str:
    """The page, in Markdown."""
    rows = [
        (
            name,
            ", ".join(f"`{suffix}`" for suffix in ends),
            "yes" if set(ends) <= set(FORMATS) else "no",
            "yes",
        )
        for name, ends in READ.items()
    ]
    layouts = [(f"`{source.name}`", source.layout, source.kaggle or "–") for source in SOURCES.values()]
    cards = [
        (f"`{source.name}`", source.card.data, source.card.licence, source.card.outline, source.card.about)
        for source in SOURCES.values()
        if source.card
    ]
    return markdown.joined(
        [
            HEAD,
            markdown.table(("format", "suffixes", "training", "`brainseg predict`"), rows),
            "DICOM is also known by its content.",
            "## Sources",
            markdown.table(("`ingest.source`", "looks for", "Kaggle data set"), layouts),
            "## Published sets",
            markdown.table(("source", "data", "licence", "masks outline", "counts are from"), cards),
        ]
    )
