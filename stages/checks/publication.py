"""A set beside the one that was published."""

from collections.abc import Iterator

from stages.checks.check import Finding
from stages.checks.slices import Slices
from stages.core import tables
from stages.sources.sources import SOURCES


def subset(slices: Slices) -> Iterator[Finding]:
    """One finding where the source's published set is larger, or smaller."""
    rows = slices.rows[~tables.joined(slices.rows)]
    card = SOURCES[str(rows["source"].iloc[0])].card
    patients = rows["patient_id"].nunique()
    if card is None or card.slices is None:
        return
    if len(rows) == card.slices and patients == (card.patients or patients):
        return
    whole = f"{card.slices:,} slices" + (f" of {card.patients} patients" if card.patients else "")
    here = f"{len(rows):,}" + (f" of {patients}" if card.patients else "")
    text = f"the published set has {whole}, here are {here}: results do not compare ({card.about})"
    first = rows.iloc[0]
    yield Finding(first["sample_id"], first["image"], text)
