"""Volumes with a label beside them, and BIDS.

`x.nii.gz` with `x_seg.nii.gz` or `x_mask.nii.gz`, or a file a sequence, `x_t1.nii.gz`, `x_flair.nii.gz`,
with the same; or by BIDS's names `sub-01/ses-1/anat/sub-01_ses-1_FLAIR.nii.gz`, with the lesion's mask beside
it or below derivatives/. Files do not tell what the numbers in such masks mean: `ingest.labels` does, unless
there is but one, or a `dseg.tsv` of BIDS.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from stages.core import natural
from stages.core.errors import UserError
from stages.core.record import Record
from stages.formats import formats, suffixes
from stages.scan.task import Task
from stages.sources import bids, brats_editions, cases, label_tables, mask_numbers, patients, volumes
from stages.sources.cases import Case, Named
from stages.sources.folder import files
from stages.sources.source import Holding, Source

LESION = Task("lesion", {1: "lesion"}, {"lesion": [1]}, noun="lesion")
"""Masks of 0 and one other number."""
_MASK = re.compile(r"(?P<case>.+)[_-](seg|mask)", re.IGNORECASE)
_SEPARATOR = re.compile(r"[_-]")
_ALONE = "image"
"""What stands for the name of a case's only sequence while files are sorted."""


def belongs(path: PurePosixPath) -> bool:
    """Volumes, and tables of patients and of labels."""
    volume = bool(suffixes.suffix_of(path.name, suffixes.NIFTI))
    return volume or path.name == patients.NAME or path.name.endswith(label_tables.ENDING)


def find(root: Path, channels: Sequence[str | int] | None = None) -> Holding:
    """The slices of every case that has a mask, in natural order.

    channels: which sequences to take, by the names that the files have, or, where a case is one file, what
    to call those in it. Raises `UserError` where no case has a mask, where two files of a case have one role,
    and where the cases have no sequence in common.
    """
    everything = _gathered(root)
    labelled = [case for case in everything if "seg" in case.files and len(case.files) > 1]
    if not labelled:
        raise UserError(
            f"none of the {len(everything)} volumes has a mask beside it (x.nii.gz with x_seg.nii.gz or "
            "x_mask.nii.gz, or a lesion mask by BIDS's names); check ingest.source and ingest.location"
        )
    names, notes = _sequences(labelled, channels)
    patient_of = patients.read(root)
    records: list[Record] = []
    for case in cases.named(labelled):
        mask = str(case.files["seg"])
        if patient_of:
            case = replace(case, patient_id=patients.of(patient_of, case.case_id, mask))
        images, own = _images(root, case, names, channels)
        records += volumes.rows(root, case, images, mask, own)
    without = sorted(case.name for case in everything if "seg" not in case.files)
    if without:
        notes.append(cases.left_out("volumes without a mask", without))
    ids = {(row.case_id, row.patient_id) for row in records}
    if not patient_of and all(case == patient for case, patient in ids):
        notes.append(patients.untold("names do", len(ids)))
    return Holding(records, notes=tuple(notes))


def meaning(root: Path, records: Sequence[Record], task: Task | None) -> tuple[list[Record], list[str]]:
    """The records with what the user says their labels mean, or a table of BIDS; masks of one number are of a
    lesion. Raises `UserError` where masks hold several numbers and nothing says what they are.
    """
    if task:
        return [replace(row, label_set=task.name) for row in records], []
    masks = list(dict.fromkeys(row.mask for row in records))
    said = label_tables.by_mask(root, masks)
    untold = [mask for mask in masks if mask not in said]
    numbers = mask_numbers.of(root, untold)
    union = frozenset[int]().union(*numbers)
    if len(union) > 1:
        raise UserError(
            f"the masks hold {brats_editions.listed(union)}, and nothing says what they mean; set "
            "ingest.labels to names with their numbers, such as {oedema: 2, core: [1, 3]}, or to "
            f"{', '.join(known.name for known in brats_editions.MEANINGS)}"
        )
    return [replace(row, label_set=said.get(row.mask, LESION.name)) for row in records], []


def _gathered(root: Path) -> list[Case]:
    """Cases by the names of files, each with its mask as "seg" and its sequences by name."""
    paths = files(root, lambda path: bool(suffixes.suffix_of(path.name, suffixes.NIFTI)))
    plain = [path for path in paths if not bids.entities(suffixes.stem(path.name))]
    by_home: dict[PurePosixPath, Case] = {}
    for path in paths:
        if path not in plain and (role := bids.role(path)):
            _put(by_home, bids.home(path.parent, path.name), role, path)
    masks = {path: match["case"] for path in plain if (match := _MASK.fullmatch(suffixes.stem(path.name)))}
    for path, name in masks.items():
        _put(by_home, path.parent / name, "seg", path)
    for path in plain:
        if path not in masks:
            home, role = _place(path, by_home)
            _put(by_home, home, role, path)
    return list(by_home.values())


def _place(path: PurePosixPath, by_home: dict[PurePosixPath, Case]) -> tuple[PurePosixPath, str]:
    """The case that a volume is of, and its sequence: of `x_a_t1` that of `x_a_seg` before `x_seg`'s."""
    stem = suffixes.stem(path.name)
    if path.parent / stem in by_home:
        return path.parent / stem, _ALONE
    for separator in reversed(list(_SEPARATOR.finditer(stem))):
        if path.parent / stem[: separator.start()] in by_home:
            return path.parent / stem[: separator.start()], stem[separator.end() :]
    return path.parent / stem, _ALONE


def _put(by_home: dict[PurePosixPath, Case], home: PurePosixPath, role: str, path: PurePosixPath) -> None:
    case = by_home.setdefault(home, Case(home))
    other = case.files.setdefault(role, path)
    # Whoever unpacks x.nii.gz by hand has x.nii beside it; only different names are a puzzle.
    if (other.parent, suffixes.stem(other.name)) != (path.parent, suffixes.stem(path.name)):
        what = "mask" if role == "seg" else role
        raise UserError(f"{other} and {path} are both the {what} of case {case.name}; remove one of them")


def _sequences(labelled: list[Case], channels: Sequence[str | int] | None) -> tuple[list[str], list[str]]:
    """The sequences to take of all cases, and a note on what is left out; none where each is one file."""
    counts = Counter(role for case in labelled for role in case.files if role != "seg")
    if set(counts) == {_ALONE}:
        return [], []
    present = ", ".join(f"{name} ({number})" for name, number in sorted(counts.items()))
    if channels is not None:
        names = [str(name) for name in channels]
        for name in names:
            if name not in counts:
                raise UserError(f"ingest.channels names {name!r:.40}, which no case has; there are {present}")
        return names, []
    names = sorted((name for name, number in counts.items() if number == len(labelled)), key=natural.key)
    if not names:
        raise UserError(
            f"no sequence is there for all of the {len(labelled)} cases that have a mask: {present}; choose "
            "with ingest.channels, and cases that lack one are reported"
        )
    left_out = sorted(set(counts) - set(names))
    note = f"sequences that some cases lack are left out: {', '.join(left_out)}; ingest.channels takes them"
    return names, [note] if left_out else []


def _images(
    root: Path, case: Named, names: list[str], channels: Sequence[str | int] | None
) -> tuple[list[str], list[str]]:
    """The files of a case and what their channels are called."""
    if names:
        return [str(case.files.get(name, "")) for name in names], names
    file = str(case.files[_ALONE])
    if channels is not None:
        return [file], [str(name) for name in channels]
    header = formats.legible_header(root / file)
    return [file], formats.colours(header.channels if header else 1).split(";")


NIFTI = Source(
    name="nifti",
    layout="x.nii.gz with x_seg.nii.gz or x_mask.nii.gz, or BIDS",
    belongs=belongs,
    find=find,
    find_among=find,
    names="channels",
    tasks=(LESION, *brats_editions.MEANINGS),
    meaning=meaning,
    own_labels=True,
)
