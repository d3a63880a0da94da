"""The layouts of nnU-Net and of the Medical Segmentation Decathlon.

`dataset.json` beside `imagesTr` and `labelsTr`: a file a sequence, `imagesTr/CASE_0000.nii.gz` and so on,
with `labelsTr/CASE.nii.gz`; or, as the Decathlon has it, one file a case with all sequences,
`imagesTr/CASE.nii.gz`. The names of sequences, the labels and the regions made of them are dataset.json's.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from stages.core import natural
from stages.core.errors import UserError
from stages.core.record import Record
from stages.formats import formats
from stages.scan.task import Task
from stages.sources import brats_editions, cases, dataset_json, labels, patients, volumes
from stages.sources.folder import files
from stages.sources.source import Holding, Source

IMAGES, LABELS = "imagesTr", "labelsTr"
_NAME = PurePosixPath(dataset_json.NAME)
_SIGNS = re.compile(r"[;\s]+")


def belongs(path: PurePosixPath) -> bool:
    """What says what the data are, and all that lies in the folders of training cases."""
    return path.name in (dataset_json.NAME, patients.NAME) or path.parent.name in (IMAGES, LABELS)


def find(root: Path, channels: Sequence[str | int] | None = None) -> Holding:
    """The slices of every case that has a label, in natural order.

    channels: names of the sequences in the order of their numbers, where dataset.json has none or others are
    wanted. Raises `UserError` where no dataset or several are there, where dataset.json lacks what is needed,
    and where the files of a case are not those that it names.
    """
    home = _home(root)
    said = dataset_json.content(root / home / _NAME, home / _NAME)
    if "dataset" in said:
        raise UserError(
            f"{home / _NAME} lists its files itself, under the key dataset, which is not read; "
            f"lay the files in {IMAGES} and {LABELS}"
        )
    here = files(root, lambda path: path.parent in (home / IMAGES, home / LABELS))
    ending = _ending(said, home, here)
    names = _channels(said, home, channels)
    present = {str(path) for path in here}
    labelled = sorted(_stems(here, LABELS, ending), key=lambda name: (natural.key(name), name))
    if not labelled:
        raise UserError(f"{home / LABELS} holds no file that ends in {ending}; check ingest.location")
    patient_of = patients.read(root)
    records: list[Record] = []
    for case in labelled:
        mask = str(home / LABELS / f"{case}{ending}")
        images = _images(root, present, f"{home / IMAGES / case}", ending, names)
        patient = patients.of(patient_of, case, mask) if patient_of else cases.patient_of(case)
        records += volumes.rows(root, cases.Named(case, patient, {}), images, mask, names)
    return Holding(records, notes=tuple(_notes(here, ending, labelled, patient_of is not None)))


def meaning(root: Path, records: Sequence[Record], task: Task | None) -> tuple[list[Record], list[str]]:
    """The records with what dataset.json says their labels mean, or with what the user says."""
    if task:
        return [replace(row, label_set=task.name) for row in records], []
    name = _home(root) / _NAME
    listed = dataset_json.labels_in(dataset_json.content(root / name, name), name)
    try:
        label_set = labels.text(labels.numbered(listed or {}))
    except ValueError as error:
        raise UserError(f"{name}: {error}; correct the file or set ingest.labels") from None
    return [replace(row, label_set=label_set) for row in records], []


def _home(root: Path) -> PurePosixPath:
    """The folder of the only dataset below `root`, relative to it."""
    listings = files(root, lambda path: path.name == dataset_json.NAME)
    homes = [path.parent for path in listings if (root / path.parent / LABELS).is_dir()]
    if len(homes) != 1:
        what = f"{homes[0]} and {homes[1]} are both data sets" if homes else "no dataset.json was found"
        raise UserError(
            f"{what}; set ingest.location to the folder that holds dataset.json, {IMAGES} and {LABELS}"
        )
    return homes[0]


def _ending(said: dict[str, Any], home: PurePosixPath, here: list[PurePosixPath]) -> str:
    """How names of files end: as dataset.json says, or as the labels do."""
    masks = [path for path in here if path.parent.name == LABELS]
    ending = said.get("file_ending") or (formats.suffix_of(masks[0].name) if masks else ".nii.gz")
    if ending not in formats.FORMATS:
        raise UserError(
            f"{home / _NAME}: files that end in {str(ending)[:20]!r} are not read; convert them to .nii.gz "
            "and correct file_ending"
        )
    return str(ending)


def _stems(here: list[PurePosixPath], folder: str, ending: str) -> list[str]:
    """Names of files in a folder without what they end in."""
    own = [path.name for path in here if path.parent.name == folder]
    return [name.removesuffix(ending) for name in own if name.endswith(ending) and name != ending]


def _channels(said: dict[str, Any], home: PurePosixPath, channels: Sequence[str | int] | None) -> list[str]:
    if channels is not None:
        return [str(name) for name in channels]
    listed = said.get("channel_names", said.get("modality"))
    numbers = sorted(listed, key=_number) if isinstance(listed, dict) else []
    if not numbers or [_number(key) for key in numbers] != list(range(len(numbers))):
        raise UserError(
            f"{home / _NAME}: channel_names must have a name for each channel, counted from 0; correct the "
            "file or set ingest.channels"
        )
    assert isinstance(listed, dict)
    names = [_SIGNS.sub("_", str(listed[key]).strip()) for key in numbers]
    if len(set(names)) < len(names) or not all(names):
        raise UserError(
            f"{home / _NAME}: its channels are called {', '.join(names)}; give each a name of its own there, "
            "or set ingest.channels"
        )
    return names


def _number(key: str) -> int:
    return int(key) if key.isdecimal() else -1


def _images(root: Path, present: set[str], case: str, ending: str, names: list[str]) -> list[str]:
    """The files of a case: one a channel, "" for one that is missing, or one with all; none: [""]."""
    own = [f"{case}_{number:04d}{ending}" for number in range(len(names))]
    if (more := f"{case}_{len(names):04d}{ending}") in present:
        raise UserError(
            f"{more} is there, and {len(names)} channels are named ({', '.join(names)}); correct "
            "channel_names in dataset.json or remove the file"
        )
    if f"{case}{ending}" in present:
        return [f"{case}{ending}"]
    if len(names) > 1 and own[0] in present and not present.intersection(own[1:]):
        header = formats.legible_header(root / own[0])
        if header and header.channels == len(names):  # a picture in colours
            return own[:1]
    return [name if name in present else "" for name in own] if present.intersection(own) else [""]


def _notes(here: list[PurePosixPath], ending: str, labelled: list[str], patients_known: bool) -> list[str]:
    notes = []
    known = set(labelled)
    images = _stems(here, IMAGES, ending)
    unlabelled = sorted({name for name in images if name not in known and name[:-5] not in known})
    if unlabelled:
        notes.append(cases.left_out("images without a label", unlabelled))
    if not patients_known and all(cases.patient_of(case) == case for case in labelled):
        notes.append(patients.untold("dataset.json does", len(labelled), " beside it"))
    return notes


NNUNET = Source(
    name="nnunet",
    layout=f"dataset.json with {IMAGES}/CASE_0000.nii.gz and {LABELS}/CASE.nii.gz",
    belongs=belongs,
    find=find,
    find_among=find,
    names="channels",
    tasks=brats_editions.MEANINGS,
    meaning=meaning,
    own_labels=True,
)
