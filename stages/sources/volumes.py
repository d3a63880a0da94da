"""The rows of a case that is volumes: one a slice."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from stages.core import record
from stages.core.record import Record
from stages.formats import formats
from stages.sources import division
from stages.sources.cases import Named


def rows(
    root: Path, case: Named, images: Sequence[str], mask: str, modalities: Sequence[str]
) -> list[Record]:
    """A row a slice of a case below `root`; of one whose first file cannot be read one row without a size:
    validate reads it again and says why.

    images: a file for each of `modalities`, "" for one that is missing, or one file with all of them.
    """
    first = next(filter(None, images), mask)
    header = formats.legible_header(root / first)
    whole = Record(
        sample_id=case.case_id,
        case_id=case.case_id,
        patient_id=case.patient_id,
        slice=0,
        image=record.reference(*images),
        mask=record.reference(mask),
        **formats.fields_of(header) | {"channels": len(modalities) if header else 0},
        source_split=division.of(PurePosixPath(mask).parent),
        modalities=";".join(modalities),
    )
    number = header.slices if header else 1
    if number > 1 and not formats.is_volume(whole.image):  # pages of a TIFF
        return record.pages(whole, number)
    return [replace(whole, sample_id=f"{case.case_id}_{place:03d}", slice=place) for place in range(number)]
