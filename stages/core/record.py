"""What a source tells of each slice."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

_RESERVED = str.maketrans({"%": "%25", ";": "%3B", "#": "%23"})


CORRECTIONS = "corrections"
"""The source of masks that people accepted or corrected, of its folder in data/raw and its name in a row."""


@dataclass(frozen=True, slots=True)  # of which there may be a million
class Record:
    """One 2D slice as the source holds it; one row of `data/manifest.csv`.

    An image without a mask has an empty `mask`, a mask without an image an empty `image`, a file whose header
    cannot be read `width = height = channels = 0`: finding fault is the validate stage's work, not the
    adapter's.
    """

    sample_id: str
    case_id: str  # one scan
    patient_id: str  # the unit that must never straddle a split
    slice: int  # position in the case; in a volume file counted from 0, from the feet up
    image: str  # files relative to data/raw, one per modality, ";"-separated; empty where one is missing;
    # or "<file>#<page>", counted from 0
    mask: str  # a file, "<file>#<page>", or "<annotation file>#<image id>"
    width: int
    height: int
    channels: int
    spacing_mm: str  # "slice;row;column", empty where the source does not tell
    source_split: str = ""
    label_kind: str = "mask"  # mask | polygon | box
    modalities: str = ""  # names of the channels in their order, ";"-separated
    label_set: str = "tumour"  # what the numbers in the mask mean: sources.sources.task
    site: str = ""  # hospital or scanner, where the source tells
    patient_known: bool = True  # False where patient_id is but the name of a picture
    source: str = ""  # ingest.source
    traits: str = ""  # of the patient, where the source tells: core.traits


def reference(*names: str) -> str:
    """File names as one field of a table; the signs that have a meaning there are escaped as in a URL."""
    return ";".join(name.translate(_RESERVED) for name in names)


def names(reference: str) -> list[str]:
    """The file names of `reference`, without the part behind "#"; empty ones are missing files."""
    return [unquote(name.split("#")[0]) for name in reference.split(";")]


def pages(row: Record, number: int) -> list[Record]:
    """The rows of a case that is a stack of so many pages in the files of `row`, of which one may lack."""
    return [
        replace(
            row,
            sample_id=f"{row.sample_id}_{page:03d}",
            slice=page,
            image=f"{row.image}#{page}" if row.image else "",
            mask=f"{row.mask}#{page}" if row.mask else "",
        )
        for page in range(number)
    ]


def page(reference: str) -> int | None:
    """Which page of its file a row's slice is, counted from 0; None where the file is of one slice, or its
    slices are counted by the row's `slice`.
    """
    _, _, number = reference.partition("#")
    return int(number) if number.isdecimal() else None


def files(records: Iterable[Any]) -> set[str]:
    """All files that some records, or other rows with `image` and `mask`, need, relative to data/raw."""
    return {name for row in records for name in names(row.image) + names(row.mask) if name}
