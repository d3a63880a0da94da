"""The LGG layout: a folder per scan with `<case>_<N>.tif` and `<case>_<N>_mask.tif` (Buda et al. 2019).

Channels are pre-contrast T1, FLAIR and post-contrast T1. N is a number: slice 10 follows slice 9. A file of
several pages is a case by itself. The Kaggle download holds the whole set twice, in two folders; the first
copy of a case counts. Two folders of one name that differ are two scans, and nobody can tell which of them a
result is of.
"""

import csv
import filecmp
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from stages.core import natural, record, traits
from stages.core.errors import UserError
from stages.core.record import Record
from stages.formats import formats
from stages.sources.source import Card, Holding, Source

MODALITIES = ("pre", "flair", "post")

_SLICE = re.compile(r"^(?P<case>.+)_(?P<slice>\d+)(?P<mask>_mask)?\.tiff?$", re.IGNORECASE)
_SITE = re.compile(r"^(?:TCGA|SAMPLE)_(?P<site>[A-Z0-9]{2})_")
"""Tissue source site, the second part of a TCGA barcode."""
_SCAN = re.compile(r"^(?P<patient>[^_]+_[^_]+_[^_]+)_\d{8}$")


def belongs(path: PurePosixPath) -> bool:
    """Slices, masks and the table of patients."""
    return bool(_SLICE.match(path.name)) or path.name == "data.csv"


def patient_of(case_id: str) -> str:
    """`TCGA_CS_4943_20000902` is a scan of patient `TCGA_CS_4943`; any other name is a patient of its own."""
    scan = _SCAN.match(case_id)
    return scan["patient"] if scan else case_id


def find(root: Path) -> Holding:
    """One record per slice, in natural order of case and slice.

    Raises `UserError` where there are none, where two files make one slice, and where two folders of one case
    differ.
    """
    pairs: dict[str, dict[int, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    home: dict[str, Path] = {}
    copies: list[Path] = []
    for path, match in _slices(root):
        case = match["case"]
        if home.setdefault(case, path.parent) != path.parent:
            copies.append(path)
            continue
        kind, name = "mask" if match["mask"] else "image", path.relative_to(root).as_posix()
        first = pairs[case][int(match["slice"])].setdefault(kind, name)
        if first != name:
            raise UserError(f"{first} and {name} are both the {kind} of one slice; rename or remove one")
    for path in copies:
        _refuse_another(home[_case(path)] / path.name, path, root)
    if not any("image" in files for slices in pairs.values() for files in slices.values()):
        raise UserError("no <case>_<number>.tif was found; check ingest.source and ingest.location")
    known, notes = _patients(root)
    records = [
        row
        for case in sorted(pairs, key=lambda name: (natural.key(name), name))
        for number in sorted(pairs[case])
        for row in _records(root, case, number, pairs[case][number])
    ]
    return Holding([replace(row, traits=known.get(row.patient_id, "")) for row in records], notes=notes)


_TRAITS = {"gender": "gender", "neoplasm_histologic_grade": "grade"}
"""Columns of the table of patients, whose values are codes that nothing explains; they stay as they are."""


def _patients(root: Path) -> tuple[dict[str, str], tuple[str, ...]]:
    """What data.csv tells of each patient (`core.traits`), and a sentence where it cannot be read."""
    path = min(root.rglob("data.csv"), key=lambda path: (len(path.parts), str(path)), default=None)
    if path is None:
        return {}, ()
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (UnicodeDecodeError, csv.Error):
        rows = []
    if rows and "Patient" not in rows[0]:
        rows = []
    if not rows:
        name = path.relative_to(root).as_posix()
        return {}, (
            f"{name} is no table of patients with a column Patient: sex, age and grade are not known",
        )
    return {row["Patient"]: _traits_of(row) for row in rows if row["Patient"]}, ()


def _traits_of(row: dict[str, str]) -> str:
    of_codes = {name: row.get(column) or "" for column, name in _TRAITS.items()}
    age = traits.age_group(row.get("age_at_initial_pathologic") or "")
    return traits.text(of_codes | {"age": age})


def _slices(root: Path) -> Iterator[tuple[Path, re.Match[str]]]:
    """Files that are called as slices, in natural order, those nearer to `root` first. Folder by folder:
    paths of a large set with what they are ordered by take a gigabyte.
    """
    folders = [(Path(folder), names) for folder, _, names in os.walk(root)]
    folders.sort(key=lambda each: (len(each[0].parts), natural.key(f"{each[0]}/"), str(each[0])))
    for folder, names in folders:
        for name in sorted(names, key=lambda name: (natural.key(name), name)):
            if match := _SLICE.match(name):
                yield folder / name, match


def _case(path: Path) -> str:
    match = _SLICE.match(path.name)
    assert match
    return match["case"]


def _refuse_another(first: Path, second: Path, root: Path) -> None:
    """Raise `UserError` where a file in the second folder of a case is not the first one's."""
    if first.is_file() and filecmp.cmp(first, second, shallow=False):
        return
    one, other = (path.parent.relative_to(root).as_posix() for path in (first, second))
    what = f"{second.name} differs" if first.is_file() else f"{second.name} is only in {other}"
    raise UserError(
        f"{one} and {other} are both case {_case(second)}, and {what}; rename one with its files if they are "
        "two scans, else remove one"
    )


def _records(root: Path, case: str, number: int, files: dict[str, str]) -> list[Record]:
    image, mask = files.get("image", ""), files.get("mask", "")
    header = formats.legible_header(root / (image or mask))
    fields = formats.fields_of(header) | ({} if image else {"channels": 0})
    row = Record(
        sample_id=f"{case}_{number}",
        case_id=case,
        patient_id=patient_of(case),
        slice=number,
        image=record.reference(image),
        mask=record.reference(mask),
        modalities=_modalities(fields["channels"]),
        site=site["site"] if (site := _SITE.match(case)) else "",
        **fields,
    )
    if header is None or header.slices == 1:
        return [row]
    stack = f"{case}_{number}"
    if PurePosixPath(image or mask).parent.name != case:  # a number that may as well be the patient's
        row = replace(row, patient_id=stack, patient_known=False)
    return record.pages(replace(row, case_id=stack), header.slices)


def _modalities(channels: int) -> str:
    """Names of the channels; only of three do we know what they are, or of none, the unreadable."""
    if channels in (0, len(MODALITIES)):
        return ";".join(MODALITIES)
    return "gray" if channels == 1 else ";".join(f"channel{n}" for n in range(1, channels + 1))


def _generate(root: Path, patients: int | None, seed: int) -> None:
    from stages.sources import sample  # SciPy and OpenCV: only where scans are drawn

    sample.write(root, patients or sample.PATIENTS, seed)


LGG = Source(
    name="lgg",
    layout="kaggle_3m/<case>/<case>_<number>.tif with <case>_<number>_mask.tif beside it",
    belongs=belongs,
    find=find,
    card=Card(
        slices=3929,
        patients=110,
        sides=(256,),
        channels=3,
        top=255,
        about="Buda et al., Computers in Biology and Medicine 109 (2019)",
        data="LGG MRI segmentation: scans of TCGA-LGG (The Cancer Imaging Archive), masks by Buda, Saha and "
        "Mazurowski, Computers in Biology and Medicine 109 (2019)",
        licence="CC BY-NC-SA 4.0",
        outline="the abnormality on FLAIR, oedema included",
    ),
    kaggle="mateuszbuda/lgg-mri-segmentation/versions/2",
)
SAMPLE = Source(
    name="sample",
    layout=LGG.layout,
    belongs=belongs,
    find=find,
    card=Card(
        slices=None,
        patients=None,
        sides=(192,),
        channels=3,
        top=255,
        about="generated",
        data="scans generated by this program",
        licence="none: they show nobody",
        outline="the tumour as it was drawn",
    ),
    generate=_generate,
)
