"""The layouts of BraTS: a folder per case that holds one volume per modality and one of labels.

Recognised by words in file names, of any year: `BraTS20_Training_001_flair.nii` (2017 to 2021),
`BraTS-GLI-00000-000-t2f.nii.gz` (since 2023), `Flair_subtrMeanDivStd.nii.gz` with `OTMultiClass.nii.gz` (2015
as made for DeepMedic). A volume makes one record per axial slice.
"""

import re
from pathlib import Path, PurePosixPath

from stages.core import natural, record
from stages.core.errors import UserError
from stages.core.record import Record
from stages.formats import nifti
from stages.formats.file import File
from stages.scan.header import Header, Unreadable
from stages.scan.task import Task
from stages.sources import division
from stages.sources.source import Card, Holding, Source

MODALITIES = ("flair", "t1", "t1ce", "t2")
_CLASSES = {1: "necrosis", 2: "oedema", 3: "enhancing"}
_REGIONS = {"whole_tumour": [1, 2, 3], "tumour_core": [1, 3], "enhancing_tumour": [3]}
TASK = Task("brats", _CLASSES, _REGIONS, {1: 1, 2: 2, 3: 3, 4: 3})
"""BraTS 2017 to 2021 number enhancing tumour 4 and have no 3 (Baid, arXiv 2107.02314); since 2023 it is 3."""
TASK_2015 = Task("brats2015", _CLASSES, _REGIONS, {1: 1, 2: 2, 3: 1, 4: 3})
"""Until 2015, 3 was core that does not enhance, later counted as necrosis (Menze, IEEE TMI 34, 2015)."""
_WORDS = {
    "flair": ("flair", "t2f"),
    "t1": ("t1", "t1n"),
    "t1ce": ("t1ce", "t1c", "t1gd"),
    "t2": ("t2", "t2w"),
    "seg": ("seg", "segm", "otmulticlass"),
}
_ROLE = {word: role for role, words in _WORDS.items() for word in words}
_SUFFIXES = (".nii", ".nii.gz")
_SEPARATOR = r"[_.\-\s]"
_SCAN = re.compile(
    r"(?P<since_2023>BraTS-[A-Z]+-\d+)-\d+|(?P<until_2019>(?:Brats1[789]|brats_2013|brats_tcia)_.+)_\d+",
    re.IGNORECASE,
)

Case = dict[str, PurePosixPath]
"""Files of a case by role: a modality, or "seg"."""


def belongs(path: PurePosixPath) -> bool:
    """Volumes whose names tell their role; not brain masks."""
    return bool(_placed(path)[1])


def role_of(path: PurePosixPath) -> str:
    """What a file of a case is by its name: a modality, "seg", or "" where its name does not tell."""
    return _placed(path)[1]


def patient_of(case_id: str) -> str:
    """The name of a case without the number of the scan, which some years have at its end."""
    scan = _SCAN.fullmatch(case_id)
    return scan["since_2023"] or scan["until_2019"] if scan else case_id


def find(root: Path) -> Holding:
    """The slices of every case that has a segmentation, in natural order.

    All rows name the modalities that any of these cases has; where a case lacks one, its place in `image` is
    empty. Raises `UserError` where no case has a segmentation, and where two files of a case have one role.
    """
    cases, copies = _cases(root)
    labelled = {case_id: files for case_id, files in cases.items() if "seg" in files}
    modalities = [
        modality for modality in MODALITIES if any(modality in files for files in labelled.values())
    ]
    if not modalities:
        raise UserError(
            f"none of the {len(cases)} folders with volumes holds both modalities and their "
            "segmentation; set ingest.location to training data with a folder for each case"
        )
    left_out = {
        "cases without a segmentation": [case_id for case_id in cases if case_id not in labelled],
        "folders with the name of an earlier case": copies,
    }
    return Holding(
        [row for case_id, files in labelled.items() for row in _records(root, case_id, files, modalities)],
        notes=tuple(f"{what} left out: {len(at)} ({_some(at)})" for what, at in left_out.items() if at),
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:2] + ["..."] * (len(names) > 2))


def _cases(root: Path) -> tuple[dict[str, Case], list[str]]:
    """Cases in natural order, and the folders that have the name of an earlier one and do not count."""
    home: dict[str, PurePosixPath] = {}
    cases: dict[str, Case] = {}
    copies: dict[str, None] = {}
    paths = (PurePosixPath(path.relative_to(root).as_posix()) for path in root.rglob("*") if path.is_file())
    for path in sorted(paths, key=lambda path: (len(path.parts), natural.key(str(path)), str(path))):
        folder, role = _placed(path)
        if not role:
            continue
        if home.setdefault(folder.name, folder) != folder:
            copies[str(folder)] = None
            continue
        files = cases.setdefault(folder.name, {})
        other = files.setdefault(role, path)
        # Whoever unpacks x.nii.gz by hand has x.nii beside it; only different names are a puzzle.
        if _stem(other.name) != _stem(path.name):
            raise UserError(
                f"{other} and {path} are both the {role} of case {folder.name}; remove one of them"
            )
    ordered = sorted(cases, key=lambda name: (natural.key(name), name))
    return {case_id: cases[case_id] for case_id in ordered}, list(copies)


def _placed(path: PurePosixPath) -> tuple[PurePosixPath, str]:
    """The folder of the case that a file belongs to, and the file's role in it, "" where it has none."""
    if not path.name.lower().endswith(_SUFFIXES):
        return path.parent, ""
    named = path.parent if path.parent.name.lower().endswith(_SUFFIXES) else path
    folder = named.parent
    # The name of a case may hold words too ("study_t1"); they say nothing of its files.
    rest = re.sub(f"^{re.escape(folder.name.lower())}(?={_SEPARATOR})", "", _stem(named.name))
    words = re.split(_SEPARATOR, rest)
    roles = {_ROLE[word] for word in words if word in _ROLE}
    if roles == {"flair", "t2"}:  # "t2_flair" is how many scanners call it
        roles = {"flair"}
    clear = len(roles) == 1 and bool(folder.name) and not any(word.endswith("mask") for word in words)
    return folder, roles.pop() if clear else ""


def _stem(name: str) -> str:
    return re.sub(r"\.nii(\.gz)?$", "", name.lower())


def _records(root: Path, case_id: str, files: Case, modalities: list[str]) -> list[Record]:
    slots = [str(files.get(modality, "")) for modality in modalities]
    first = next(filter(None, slots), str(files["seg"]))
    header: Header | None
    try:
        header = File.at(root / first).read(nifti.read_header)
    except Unreadable:
        header = None  # one row without a size: validate reads the file again and says why
    old = _stem(files["seg"].name).startswith("otmulticlass") or case_id.lower().startswith(
        ("brats_2013_", "brats_tcia_")
    )
    return [
        Record(
            sample_id=f"{case_id}_{position:03d}",
            case_id=case_id,
            patient_id=patient_of(case_id),
            slice=position,
            image=record.reference(*slots),
            mask=record.reference(str(files["seg"])),
            width=header.width if header else 0,
            height=header.height if header else 0,
            channels=len(modalities) if header else 0,
            spacing_mm=header.spacing_mm.text() if header and header.spacing_mm else "",
            source_split=division.of(files["seg"].parent),
            modalities=";".join(modalities),
            label_set=(TASK_2015 if old else TASK).name,
        )
        for position in range(header.slices if header else 1)
    ]


BRATS = Source(
    name="brats",
    layout="a folder per case with <case>_flair, _t1, _t1ce, _t2 and _seg, .nii or .nii.gz",
    belongs=belongs,
    find=find,
    card=Card(
        slices=369 * 155,
        patients=369,
        sides=(240,),
        channels=4,
        top=None,
        about="BraTS 2020 training data, 369 volumes of 155 slices",
        data="BraTS volumes (Menze et al., IEEE TMI 34, 2015; Baid et al., arXiv 2107.02314)",
        licence="the set's own terms, which want registration and citation; CC BY-NC-SA 3.0 for the set "
        "of 2015",
    ),
    tasks=(TASK, TASK_2015),
    kaggle="awsaf49/brats20-dataset-training-validation/versions/1",
)
