"""Masks that people accepted or corrected: the folder that `brainseg serve --corrections` fills.

A folder for each scan, called by the first digits of its hash, with correction.json, the image and its mask:
as NIfTI where the scan has a grid, else as TIFF with a page a slice. Written here, read here.
"""

from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from stages.core import atomic
from stages.core.errors import UserError
from stages.core.record import CORRECTIONS, Record
from stages.formats import formats, nifti, tiff
from stages.scan.header import Header, Unreadable
from stages.scan.volume import Grid
from stages.sources import correction, patients, task_text, volumes
from stages.sources.cases import Named
from stages.sources.correction import SHORT, SUFFIXES, Correction, Stored
from stages.sources.folder import files
from stages.sources.source import Holding, Source

_FILES = {correction.NAME, *(f"{kind}{end}" for kind in ("image", "mask") for end in SUFFIXES)}
_WAY_OUT = "save the mask anew in the browser, or remove this correction's folder"


def belongs(path: PurePosixPath) -> bool:
    """The files of corrections, and the table of patients."""
    return path.name in _FILES or path.name.lower() == patients.NAME


def find(root: Path) -> Holding:
    """The slices of every correction, the earliest first.

    Raises `UserError` where anything is not as `write` leaves it, and where the tasks differ.
    """
    stored = every(root)
    patient_of = patients.read(root)
    records: list[Record] = []
    for home, each in stored.items():
        patient = patients.of(patient_of, each.correction.name, each.correction.name) if patient_of else None
        records += rows(root, home, each, patient)
    notes = () if patient_of else (patients.untold("corrections do", len(stored)),)
    return Holding(records, notes=notes)


def every(root: Path) -> dict[PurePosixPath, Stored]:
    """The corrections below a folder by their own folders, the earliest first, held against their files.

    Raises `UserError` as `find` does.
    """
    named = files(root, belongs)
    homes = sorted({path.parent for path in named if path.name in _FILES})
    if not homes:
        raise UserError(f"no {correction.NAME} was found; check that this is the folder of corrections")
    present = set(named)
    stored = {home: _stored(root, home, present) for home in homes}
    first: dict[str, PurePosixPath] = {}
    for home in homes:
        other = first.setdefault(home.name, home)
        if other != home:
            raise UserError(
                f"{other} and {home} are both corrections of one scan; remove the one that is out of date"
            )
    for home in homes[1:]:
        one, task = stored[homes[0]].correction.task, stored[home].correction.task
        if not task.alike(one):
            raise UserError(
                f"{homes[0]} and {home} are of models that segment something else "
                f"({task_text.differences(one, task)}); keep them in folders apart"
            )
    return dict(sorted(stored.items(), key=lambda item: (item[1].correction.when, item[0].name)))


def name(each: Correction) -> str:
    """How the case of a correction is called, and its patient where nobody tells one."""
    return f"correction-{each.folder}"


def rows(root: Path, home: PurePosixPath, stored: Stored, patient: str | None) -> list[Record]:
    """A row a slice of a correction in the folder `home` below `root`. patient: None where nobody tells."""
    own = stored.correction
    case = Named(name(own), name(own) if patient is None else patient, {})
    slices = volumes.rows(root, case, [str(home / stored.image)], str(home / stored.mask), own.channels)
    mm = own.spacing.text() if own.spacing else ""
    label_set = task_text.text(own.task)
    return [
        replace(row, spacing_mm=mm, label_set=label_set, source_split="", patient_known=patient is not None)
        for row in slices
    ]


def write(folder: Path, each: Correction, voxels: np.ndarray, labels: np.ndarray, grid: Grid | None) -> Path:
    """Write a correction, in the place of an earlier one of the same scan; returns its own folder.

    voxels: (S, H, W, C) of any numeric dtype. labels: (S, H, W) uint8, numbers of the task's classes. Both
    are read back bit for bit, but truth values as uint8, and of NIfTI float64 as float32. grid: None where
    the scan has none. Raises ValueError where these do not fit each other.
    """
    end = SUFFIXES[0] if grid else SUFFIXES[1]
    stored = Stored(each, f"image{end}", f"mask{end}", len(voxels))
    said = correction.content(stored)
    correction.parse(said)
    if voxels.ndim != 4 or labels.shape != voxels.shape[:3] or labels.dtype != np.uint8:
        raise ValueError(f"labels {labels.shape} {labels.dtype} do not fit voxels {voxels.shape}")
    if voxels.shape[3] != len(each.channels) or (grid and grid.size != labels.shape):
        raise ValueError(f"voxels {voxels.shape} do not fit {len(each.channels)} channels or their grid")
    if labels.max(initial=0) > len(each.task.classes):
        raise ValueError(f"label {labels.max()} is no class of {len(each.task.classes)}")
    numbers = voxels.astype(np.uint8) if voxels.dtype == np.bool_ else voxels
    with atomic.directory(folder / each.folder) as part:
        for path, array in ((part / stored.image, numbers), (part / stored.mask, labels[..., np.newaxis])):
            if grid:
                nifti.write(array, grid, path)
            else:
                tiff.write(array, path)
        atomic.json_file(said, part / correction.NAME)
    return folder / each.folder


def _stored(root: Path, home: PurePosixPath, present: set[PurePosixPath]) -> Stored:
    """A correction whose files are there and are what it says they are. Raises `UserError`."""
    file = home / correction.NAME
    if file not in present:
        raise UserError(f"{home} has no {correction.NAME}; {_WAY_OUT}")
    try:
        stored = correction.read(root / file)
    except ValueError as error:
        raise UserError(f"{file}: {error}; {_WAY_OUT}") from None
    if home.name != stored.correction.folder:
        raise UserError(
            f"{file} is of scan {stored.correction.folder}..., and its folder is called {home.name!r}; call "
            f"the folder by the first {SHORT} digits of its scan, or remove it"
        )
    for kind in (stored.image, stored.mask):
        if home / kind not in present:
            raise UserError(f"{file} names {kind}, which is not beside it; {_WAY_OUT}")
    image, mask = (_header(root, home / kind) for kind in (stored.image, stored.mask))
    _refuse_others(home, stored, image, mask)
    return stored


def _header(root: Path, file: PurePosixPath) -> Header:
    try:
        return formats.read_header(root / file)
    except Unreadable as error:
        raise UserError(f"{file}: {error}; {_WAY_OUT}") from None


def _refuse_others(home: PurePosixPath, stored: Stored, image: Header, mask: Header) -> None:
    """Raise `UserError` where the files' headers are not what correction.json says."""
    channels = stored.correction.channels
    for file, header in ((stored.image, image), (stored.mask, mask)):
        if header.slices != stored.slices:
            raise UserError(
                f"{home / file} has {header.slices} slices, and {correction.NAME} says "
                f"{stored.slices}; {_WAY_OUT}"
            )
    if image.channels != len(channels):
        raise UserError(
            f"{home / stored.image} has {image.channels} channels, and {correction.NAME} names "
            f"{len(channels)} ({', '.join(channels)}); {_WAY_OUT}"
        )
    if (image.height, image.width) != (mask.height, mask.width):
        raise UserError(
            f"{home / stored.mask} has {mask.width}x{mask.height} pixels, and {stored.image} "
            f"{image.width}x{image.height}; {_WAY_OUT}"
        )


SOURCE = Source(
    name=CORRECTIONS,
    layout="<16 digits of a scan's hash>/correction.json with image and mask",
    belongs=belongs,
    find=find,
    tasks=(),
)
