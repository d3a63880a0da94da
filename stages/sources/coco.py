"""The COCO layout: annotation files, each with the images it lists beside it or in a folder `images` there.

Roboflow exports augmented copies of one picture as `<name>_jpg.rf.<hash>.jpg`; all of a name are one patient.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from stages.core import natural, record
from stages.core.errors import UserError
from stages.core.record import Record
from stages.formats import annotations, formats
from stages.scan.header import Unreadable
from stages.sources import division
from stages.sources.choice import Choice
from stages.sources.source import Card, Holding, Source

_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff"}
_ROBOFLOW = re.compile(r"(?P<name>.+)_(?:jpe?g|png|bmp|tiff?|webp)\.rf\.(?P<hash>[0-9a-z]+)", re.IGNORECASE)
_HASH_DIGITS = 8
_OUTSIDE = re.compile(r"/|[a-z]:/|(?:.*/)?\.\.(?:/|$)", re.IGNORECASE)
_NO_NAME = re.compile(r".*[\x00-\x1f\x7f]|.{1025}|[./]*$", re.DOTALL)
"""Also what is longer than file systems take."""


@dataclass(frozen=True)
class _Listed:
    """An image that an annotation file lists; the names of both are relative to the root."""

    path: PurePosixPath
    listing: str
    image_id: str
    label_kind: str
    annotated: bool


def belongs(path: PurePosixPath) -> bool:
    """Images and annotation files."""
    return path.suffix.lower() in {*_SUFFIXES, ".json"}


def find(root: Path, categories: Sequence[str | int] | None = None) -> Holding:
    """One record per listed image, absent ones too, by folder and in natural order of names.

    `categories`: names of those that are tumour; None: what the names say. Raises `UserError` where nothing
    is listed or nothing of it exists, where an annotation file is damaged or names a file outside `root`,
    where an image is listed twice, and where it is unclear which categories are tumour.
    """
    choice = Choice(categories)
    files = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    listed: dict[PurePosixPath, _Listed] = {}
    foreign, notes = [], []
    for listing in sorted(name for name in files if name.lower().endswith(".json")):
        try:
            content = annotations.load(root / listing)
        except annotations.Foreign:
            foreign.append(listing)
            continue
        except Unreadable as error:
            raise UserError(f"{listing} is no COCO file: {error}; export it again or remove it") from None
        choice.add(listing, content)
        for entry in _entries(root, listing, content, files, choice.tumours):
            _refuse_second(listed.setdefault(entry.path, entry), entry)
        if content.orphans:
            notes.append(
                f"annotations in {listing} that belong to no image in it, ignored: {content.orphans}"
            )
    _refuse_nothing(listed, files)
    notes += choice.notes()
    pictures = {name for name in files if PurePosixPath(name).suffix.lower() in _SUFFIXES}
    notes += _ignored("JSON files that hold no COCO annotations", foreign)
    notes += _ignored("images that no annotation file lists", pictures - {str(path) for path in listed})
    names = _sample_ids(listed)
    ordered = sorted(listed.values(), key=lambda entry: _order(entry.path))
    return Holding(
        records=[_record(root, entry, names[entry.path], choice.reference) for entry in ordered],
        unannotated=frozenset(names[entry.path] for entry in ordered if not entry.annotated),
        notes=tuple(notes),
    )


def _entries(
    root: Path,
    listing: str,
    content: annotations.Annotations,
    files: Collection[str],
    tumours: Collection[str] | None,
) -> Iterator[_Listed]:
    folder = PurePosixPath(listing).parent
    for image_id, image in content.images.items():
        name = image.file_name.replace("\\", "/")
        if _NO_NAME.match(name):
            raise UserError(f"{listing}: file_name {name!r:.80} is no name of a file; correct the entry")
        path = folder / name
        if str(path) not in files and str(folder / "images" / name) in files:
            path = folder / "images" / name
        if _OUTSIDE.match(name) or not _within(root / path, root):
            raise UserError(
                f"{listing}: file_name {image.file_name!r:.80} lies outside its folder; correct the entry"
            )
        annotated = bool(content.statement(image_id, tumours))
        yield _Listed(path, listing, image_id, content.kind(image_id, tumours), annotated)


def _within(path: Path, root: Path) -> bool:
    """Whether a file lies below `root` once links are followed."""
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # links in a circle
        return False


def _refuse_second(first: _Listed, second: _Listed) -> None:
    """Raise `UserError` where two entries are of one image: neither has all of its annotations."""
    if first is second:
        return
    if first.listing == second.listing:
        ids = f"as images {first.image_id!r:.40} and {second.image_id!r:.40}"
        raise UserError(f"{first.listing} lists {first.path} twice, {ids}; merge the two entries")
    raise UserError(
        f"{first.listing} and {second.listing} both list {first.path}; remove one of the two files"
    )


def _refuse_nothing(listed: Collection[PurePosixPath], files: Collection[str]) -> None:
    if not listed:
        raise UserError(
            "no COCO annotation file that lists images was found; check ingest.source and ingest.location"
        )
    if not any(str(path) in files for path in listed):
        raise UserError(
            f"none of the {len(listed)} images that the annotation files list is there; "
            "put them beside their file, or into a folder images there"
        )


def _ignored(what: str, names: Collection[str]) -> list[str]:
    return [f"{what}, ignored: {len(names)}, the first is {min(names)!r}"] if names else []


def _order(path: PurePosixPath) -> tuple:
    return natural.key(str(path.parent)), natural.key(path.name), str(path)


def _sample_ids(paths: Iterable[PurePosixPath]) -> dict[PurePosixPath, str]:
    """A name for each image, as short as can be while no two have the same."""
    names = {path: _names(path) for path in paths}
    length = dict.fromkeys(names, 0)
    while True:
        chosen = {path: names[path][length[path]] for path in names}
        times = Counter(chosen.values())
        clashing = [path for path, name in chosen.items() if times[name] > 1]
        if not clashing:
            return chosen
        for path in clashing:
            length[path] = min(length[path] + 1, len(names[path]) - 1)


def _names(path: PurePosixPath) -> list[str]:
    """Names for an image, from the shortest to one that no other image can have."""
    copy = _ROBOFLOW.fullmatch(path.stem)
    short = f"{copy['name']}-{copy['hash'][:_HASH_DIGITS]}" if copy else path.stem
    full = f"{copy['name']}-{copy['hash']}" if copy else path.stem
    return [short, full, str(path.parent / full), str(path)]


def _record(root: Path, entry: _Listed, sample_id: str, choice: str) -> Record:
    copy = _ROBOFLOW.fullmatch(entry.path.stem)
    fields = formats.header_fields(root / entry.path) | {
        "spacing_mm": ""
    }  # a resolution in a JPEG is that of a screen
    return Record(
        sample_id=sample_id,
        case_id=sample_id,
        patient_id=copy["name"] if copy else sample_id,
        slice=1,
        image=record.reference(str(entry.path)),
        mask=f"{record.reference(entry.listing)}#{record.reference(entry.image_id)}{choice}",
        source_split=division.of(entry.path),
        label_kind=entry.label_kind,
        modalities=formats.colours(fields["channels"]),
        patient_known=False,
        **fields,
    )


COCO = Source(
    name="coco",
    layout="<split>/_annotations.coco.json with the images it lists beside it or in <split>/images",
    belongs=belongs,
    find=find,
    find_among=find,
    names="categories",
    card=Card(
        slices=2146,
        patients=None,
        sides=(640,),
        channels=3,
        top=255,
        about="Kaggle, brain-tumor-image-dataset-semantic-segmentation",
        data="images with COCO annotations, as exported by Roboflow",
        licence="the set's own, CC BY 4.0 as published",
        outline="what annotators marked as tumour, by boxes where there is no polygon",
    ),
    kaggle="pkdarabi/brain-tumor-image-dataset-semantic-segmentation/versions/1",
)
