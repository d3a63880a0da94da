"""From a source's name and place to the records of its slices: what `stages.ingest` is made of."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from stages.core import progress
from stages.core.errors import UserError
from stages.core.record import Record
from stages.formats import formats
from stages.scan.task import Task
from stages.sources import fetching, folder, kaggle, labels, location, remote
from stages.sources.source import Holding, Source


def place(source: Source, name: str | None, project: Path) -> Path | None:
    """The folder or archive that `ingest.location` names, relative to `project`, downloaded where it is on
    Kaggle or at an address; None where the source generates its own scans.
    """
    if name is None and source.generate is not None:
        return None
    if name is None and source.kaggle is None:
        raise UserError(f"ingest.source {source.name} has no set to download; set ingest.location to yours")
    if name is not None and remote.is_remote(name):
        return fetching.fetch(name, partial(location.belongs, source))
    handle = kaggle.parse(name or f"kaggle:{source.kaggle}")
    return kaggle.download(handle) if handle else project / Path(str(name)).expanduser()


Labels = str | Mapping[str, Any] | None
"""What the user says of the numbers in masks: the name of a meaning, names with their numbers, or nothing."""


def finder(
    source: Source, categories: Sequence[str | int] | None, channels: Sequence[str] | None, said: Labels
) -> Callable[[Path], Holding]:
    """The source's `find`, with what the numbers in its masks mean.

    categories: of annotations that are tumour; channels: names of sequences; None of all: what the files say.
    Raises `UserError` where a source has no such thing.
    """
    chosen: dict[str, Sequence[str | int] | None] = {"categories": categories, "channels": channels}
    for key, names in chosen.items():
        if names is not None and source.names != key:
            raise UserError(
                f"ingest.{key} is for {_FOR[key]}; set it to null for ingest.source: {source.name}"
            )
    find_among, names = source.find_among, chosen[source.names] if source.names else None
    task = _meaning(source, said)

    def find(raw: Path) -> Holding:
        scans = find_among(raw, names) if find_among and names is not None else source.find(raw)
        if source.meaning is None:
            return scans
        records, notes = source.meaning(raw, scans.records, task)
        return replace(scans, records=records, notes=(*scans.notes, *notes))

    return find


_FOR = {
    "categories": "sets whose annotations have categories",
    "channels": "volumes whose sequences the user may choose or name",
}


def _meaning(source: Source, said: Labels) -> Task | None:
    if said is None:
        return None
    known = {task.name: task for task in source.tasks}
    choices = f"choose null or {', '.join(known)}" if known else "set it to null"
    if isinstance(said, str):
        if said not in known:
            raise UserError(f"ingest.labels {said} is no meaning of source {source.name}; {choices}")
        return known[said]
    if not source.own_labels:
        raise UserError(
            f"ingest.labels has names with numbers, which source {source.name} does not take; {choices}"
        )
    try:
        return labels.parse(labels.text(labels.numbered(said)))
    except ValueError as error:
        raise UserError(f"ingest.labels: {error}; correct it in params.yaml") from None


def bring(source: Source, place: Path | None, raw: Path, patients: int | None, seed: int) -> None:
    """Fill `raw` from a place, or let the source generate its own scans, of so many patients (None: all)."""
    if place is not None:
        location.bring(source, place, raw, lambda items: progress.track(items, "ingest"))
    elif source.generate is not None:
        source.generate(raw, patients, seed)


@contextmanager
def addressing(place: Path | None, name: str | None) -> Iterator[None]:
    """A `UserError` inside the block about files that were fetched names the address they are from, as it
    stands in params.yaml, and no folder of a cache.
    """
    try:
        yield
    except UserError as error:
        if name is None or not remote.is_remote(name):
            raise
        raise UserError(str(error).replace(str(place), name)) from None


@contextmanager
def naming(place: Path | None, key: str = folder.LOCATION) -> Iterator[None]:
    """A `UserError` inside the block says where its user has the files, by the key of params.yaml that names
    the place. What reads our copies of them knows only a temporary folder, and names files by their path in
    it.
    """
    try:
        yield
    except UserError as error:
        raise UserError(f"{key} {place}: {error}" if place else str(error)) from None


def annotated(scans: Holding, negative: bool) -> tuple[list[Record], list[str]]:
    """The slices that have a label, with those without one where they count as `negative`; and a sentence
    where some are left out.
    """
    if negative:
        return scans.records, []
    kept = [record for record in scans.records if record.sample_id not in scans.unannotated]
    way_out = "set ingest.unannotated: negative if they show no tumour"
    if not kept:
        raise UserError(f"none of the {len(scans.records)} images has an annotation; {way_out}")
    left_out = len(scans.records) - len(kept)
    return kept, [f"{left_out} images without annotation are left out; {way_out}"] if left_out else []


def limited(records: list[Record], patients: int | None, seed: int) -> list[Record]:
    """At most so many patients, drawn with the seed; None: all."""
    names = sorted({record.patient_id for record in records})
    if patients is None or patients >= len(names):
        return records
    drawn = set(random.Random(seed).sample(names, patients))
    return [record for record in records if record.patient_id in drawn]


def prune(raw: Path, needed: set[str]) -> None:
    """Remove scans of which no slice is made, such as a set's second copy; tables stay."""
    for path in raw.rglob("*"):
        name = path.relative_to(raw).as_posix()
        if formats.suffix_of(path.name) and path.is_file() and name not in needed:
            path.unlink()
