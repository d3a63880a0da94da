"""Corrections that join another set: `ingest.also`. They are for training; the split draws without them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from stages.core import progress
from stages.core.errors import UserError
from stages.core.record import CORRECTIONS, Record
from stages.formats.suffixes import stem
from stages.sources import corrections, ingestion, location, patients, sources, task_text
from stages.sources.correction import Stored

KEY = "ingest.also"
"""Of params.yaml."""


def join(base: Sequence[Record], place: Path, raw: Path) -> tuple[list[Record], str]:
    """Bring the corrections of the folder `place` to data/raw/corrections/; returns their rows and a sentence
    for the user. base: the rows of the set, below the folder `raw`.

    A correction whose name tells a patient of the set is that patient's. Raises `UserError` where they do not
    fit the set, or are no corrections.
    """
    home = raw / CORRECTIONS
    if home.exists():
        raise UserError(
            f"the scans of the set have a folder {CORRECTIONS} of their own, where those of {KEY} go; "
            f"rename it, or keep it elsewhere"
        )
    if not place.is_dir():
        raise UserError(
            f"{KEY} {place} is no folder; set it to one that `brainseg serve --corrections` filled"
        )
    home.mkdir()
    location.bring(corrections.SOURCE, place, home, lambda items: progress.track(items, CORRECTIONS), KEY)
    with ingestion.naming(place, KEY):
        stored = corrections.every(home)
        _refuse_strangers(base, stored)
        patient_of = patients.read(home)
        rows = [row for folder, each in stored.items() for row in _rows(base, home, folder, each, patient_of)]
        _refuse_names(base, rows)
    return rows, _sentence(base, rows)


def patient(name: str, known: Mapping[str, str]) -> str | None:
    """Whose a scan is that its user knew by `name`, perhaps a path; None where that does not tell.

    known: patients by their own names and those of their cases. The name of the file, or a folder's from it
    outwards, is one of these or begins with one, which ends where a word ends; the longest counts.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    parts = [*path.parts[:-1], stem(path.name)]
    for first in reversed(range(len(parts))):
        rest = "/".join(parts[first:])
        if own := [word for word in known if _begins(rest, word)]:
            return known[max(own, key=len)]
    return None


def _begins(text: str, word: str) -> bool:
    after = text[len(word) : len(word) + 1]
    return text.startswith(word) and not (word[-1:].isalnum() and after.isalnum())


def _rows(
    base: Sequence[Record], raw: Path, folder: PurePosixPath, each: Stored, patient_of: dict[str, str] | None
) -> list[Record]:
    """The rows of a correction, with what the set knows of its patient, and files below data/raw."""
    first = {row.patient_id: row for row in reversed(base)}
    known = {row.case_id: row.patient_id for row in base} | {who: who for who in first}
    said = each.correction.name
    whose = patients.of(patient_of, said, said) if patient_of else patient(said, known)
    rows = corrections.rows(raw, folder, each, whose)
    own = first.get(whose or "")
    return [
        replace(
            row,
            image=f"{CORRECTIONS}/{row.image}",
            mask=f"{CORRECTIONS}/{row.mask}",
            site=own.site if own else "",
            patient_known=own.patient_known if own else row.patient_known,
        )
        for row in rows
    ]


def _refuse_strangers(base: Sequence[Record], stored: Mapping[PurePosixPath, Stored]) -> None:
    """Raise `UserError` where corrections have channels, or a task, that the set does not have."""
    offered = dict.fromkeys(row.modalities for row in base)
    task = sources.task(base[0].label_set)
    for folder, each in stored.items():
        own = each.correction
        if not any(set(own.channels) <= set(names.split(";")) for names in offered):
            raise UserError(
                f"{folder} has the channels {', '.join(own.channels)}, and the scans of the set "
                f"{' or '.join(names.replace(';', ', ') for names in offered)}; remove it from {KEY}, or "
                "join it to the set that its model was trained on"
            )
        if not own.task.alike(task):
            raise UserError(
                f"{folder} is of a model that segments something else: in the set and there "
                f"{task_text.differences(task, own.task)}; remove it from {KEY}, or join it to the set that "
                "its model was trained on"
            )


def _refuse_names(base: Sequence[Record], rows: Sequence[Record]) -> None:
    """Raise `UserError` where the set calls a case, a slice or another patient as a correction is called."""
    taken = {name for row in base for name in (row.case_id, row.sample_id)}
    patients_of_set = {row.patient_id for row in base}
    for row in rows:
        own_patient = {row.case_id} & patients_of_set
        if clash := own_patient | {row.case_id, row.sample_id} & taken:
            raise UserError(f"the set has a scan called {min(clash)}, as a correction is called; rename it")


def _sentence(base: Sequence[Record], rows: Sequence[Record]) -> str:
    scans = {row.case_id: row.patient_id for row in rows}
    patients_of_set = {row.patient_id for row in base}
    strangers = sum(who not in patients_of_set for who in scans.values())
    text = (
        f"{len(scans)} corrections ({len(rows)} slices) join the set for training, "
        f"{len(scans) - strangers} of patients of the set"
    )
    if not strangers:
        return text
    return (
        f"{text}; of the other {strangers} only equal pictures tell whether they show a patient who is "
        f"tested, unless {patients.NAME} beside them (columns file and patient) tells whose they are"
    )
