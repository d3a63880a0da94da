"""Pairs of an image and a mask: `images/x.png` and `masks/x.png`, or `x.png` and `x_mask.png` in one folder.

Any mixture of PNG, TIFF and JPEG. Each image is a case of one slice, or of as many as a TIFF has pages, and,
unless `patients.csv` says otherwise, a patient of its own: the largest set of this layout (figshare, 3,064
slices of 233 patients) does not tell. The table names images by their path, from the root or from its own
folder, or all of a name by it.
"""

from pathlib import Path, PurePosixPath

from stages.core import natural, record
from stages.core.errors import UserError
from stages.core.record import Record
from stages.formats import formats
from stages.sources import division, patients
from stages.sources.source import Card, Holding, Source

_IMAGES = {"images", "image"}
_MASKS = {"masks", "mask"}
_MASK_ENDING = "_mask"


def belongs(path: PurePosixPath) -> bool:
    """Pictures, and the table of patients."""
    suffix = formats.suffix_of(path.name)
    return path.name.lower() == patients.NAME or bool(suffix and not formats.FORMATS[suffix].volume)


def find(root: Path) -> Holding:
    """One record per image, or page of it, in natural order.

    Raises `UserError` where there is no pair at all, where two files make one slice, and where `patients.csv`
    does not tell of every image.
    """
    pairs: dict[str, dict[str, str]] = {}
    for path in sorted(root.rglob("*")):
        relative = PurePosixPath(path.relative_to(root).as_posix())
        if not path.is_file() or not formats.suffix_of(path.name):
            continue
        kind, key = _role(relative)
        files = pairs.setdefault(key, {})
        if kind in files:
            raise UserError(
                f"{files[kind]} and {relative} would both be the {kind} of {key}; rename or remove one"
            )
        files[kind] = relative.as_posix()
    if not any(len(files) == 2 for files in pairs.values()):
        raise UserError(
            "no image with its mask was found; "
            "name them images/x.png and masks/x.png, or x.png and x_mask.png"
        )
    patient_of = patients.read(root)
    ordered = sorted(pairs.items(), key=lambda pair: natural.key(pair[0]))
    return Holding([row for key, files in ordered for row in _records(root, key, files, patient_of)])


def _role(path: PurePosixPath) -> tuple[str, str]:
    """Whether a file is an image or a mask, and the key that both of a pair share: its path without that
    sign.
    """
    folders = [part for part in path.parts[:-1] if part.lower() not in _IMAGES | _MASKS]
    stem = path.name[: -len(formats.suffix_of(path.name))]
    ended = stem[1:].lower().endswith(_MASK_ENDING)
    is_mask = ended or any(part.lower() in _MASKS for part in path.parts[:-1])
    if ended:
        stem = stem[: -len(_MASK_ENDING)]
    return ("mask" if is_mask else "image"), "/".join([*folders, stem])


def _records(root: Path, key: str, files: dict[str, str], patient_of: dict[str, str] | None) -> list[Record]:
    image, mask = files.get("image", ""), files.get("mask", "")
    header = formats.legible_header(root / (image or mask))
    fields = formats.fields_of(header) | ({} if image else {"channels": 0})
    row = Record(
        sample_id=key,
        case_id=key,
        patient_id=patients.of(patient_of, key, image or mask),
        slice=1,
        image=record.reference(image),
        mask=record.reference(mask),
        source_split=division.of(PurePosixPath(image or mask)),
        modalities=formats.colours(fields["channels"]),
        patient_known=patient_of is not None,
        **fields,
    )
    return record.pages(row, header.slices) if header and header.slices > 1 else [row]


PAIRS = Source(
    name="pairs",
    layout="images/x.png with masks/x.png, or x.png with x_mask.png; PNG, TIFF or JPEG",
    belongs=belongs,
    find=find,
    card=Card(
        slices=3064,
        patients=None,
        sides=(512, 256),
        channels=1,
        top=255,
        about="Cheng, figshare 1512427 (2017)",
        data="pairs of image and mask; as published those of Cheng, figshare 1512427 (2017)",
        licence="the set's own, CC BY 4.0 as published",
        outline="the border of a tumour as it takes up contrast medium on T1",
    ),
    kaggle="nikhilroxtomar/brain-tumor-segmentation/versions/1",
)
