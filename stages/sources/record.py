"""What a source tells of each slice."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Record:
    """One 2D slice as the source holds it; one row of `data/manifest.csv`.

    An image without a mask has an empty `mask`, a mask without an image an empty `image`, a file whose header
    cannot be read `width = height = channels = 0`: finding fault is the validate stage's work, not the
    adapter's.
    """

    sample_id: str
    case_id: str  # one scan
    patient_id: str  # the unit that must never straddle a split
    slice: int  # position in the case
    image: str  # files relative to data/raw, one per modality, ";"-separated
    mask: str
    width: int
    height: int
    channels: int
    spacing_mm: str  # "slice;row;column", empty where the source does not tell
    source_split: str = ""
    label_kind: str = "mask"  # mask | polygon | box
    modalities: str = ""  # names of the channels in their order, ";"-separated
