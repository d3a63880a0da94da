"""The layouts of BraTS: a folder per case that holds one volume per modality and one of labels.

Recognised by words in file names, of any year: `BraTS20_Training_001_flair.nii` (2017 to 2021),
`BraTS-GLI-00000-000-t2f.nii.gz` (since 2023), `Flair_subtrMeanDivStd.nii.gz` with `OTMultiClass.nii.gz` (2015
as made for DeepMedic), and by those of BIDS. A volume makes one record per axial slice.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from stages.core import traits
from stages.core.errors import UserError
from stages.core.record import Record
from stages.scan.task import Task
from stages.sources import brats_cases, brats_editions, brats_labels, cases, dataset_json, volumes
from stages.sources.brats_cases import MODALITIES, role_of
from stages.sources.cases import Named
from stages.sources.source import Card, Holding, Source


def belongs(path: PurePosixPath) -> bool:
    """Volumes whose names tell their role, not brain masks; and what says what the labels mean."""
    return bool(role_of(path)) or path.name == dataset_json.NAME


def find(root: Path) -> Holding:
    """The slices of every case that has a segmentation, in natural order; `label_set` as names tell it.

    All rows name the modalities that any of these cases has; where a case lacks one, its place in `image` is
    empty. Raises `UserError` where no case has a segmentation, where two files of a case have one role, and
    where folders of one name may be of one patient or of several.
    """
    every, copies = brats_cases.gathered(root)
    labelled = [case for case in every if "seg" in case.files]
    modalities = [modality for modality in MODALITIES if any(modality in case.files for case in labelled)]
    if not modalities:
        raise UserError(
            f"none of the {len(every)} folders with volumes holds both modalities and their "
            "segmentation; set ingest.location to training data with a folder for each case"
        )
    left_out = {
        "cases without a segmentation": [case.name for case in every if "seg" not in case.files],
        "folders with the name of an earlier case": copies,
    }
    return Holding(
        [row for case in cases.named(labelled) for row in _records(root, case, modalities)],
        notes=tuple(cases.left_out(what, at) for what, at in left_out.items() if at),
    )


def meaning(root: Path, records: Sequence[Record], labels: Task | None) -> tuple[list[Record], list[str]]:
    """`brats_labels.settled`, with what dataset.json says where the user says nothing."""
    said = {} if labels else dataset_json.editions(root, list(dict.fromkeys(row.mask for row in records)))
    return brats_labels.settled(root, records, labels, said)


def _records(root: Path, case: Named, modalities: list[str]) -> list[Record]:
    images = [str(case.files.get(modality, "")) for modality in modalities]
    label_set = brats_editions.edition_of(case.files["seg"]).label_set
    rows = volumes.rows(root, case, images, str(case.files["seg"]), modalities)
    grades = [part for part in case.files["seg"].parts if part in ("HGG", "LGG")]  # folders until 2019
    known = traits.text({"grade": grades[0] if grades else ""})
    return [replace(row, label_set=label_set, traits=known) for row in rows]


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
        outline="tumour with the oedema around it, and the parts of its core, on four sequences",
    ),
    tasks=brats_editions.MEANINGS,
    meaning=meaning,
    kaggle="awsaf49/brats20-dataset-training-validation/versions/1",
)
