"""The scans that the files of one folder make: none of them is left out, none is in two scans."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from stages.formats import suffixes
from stages.formats.suffixes import DICOM, NIFTI, stem, suffix_of
from stages.predicting.scan import Scan, role_of, writable
from stages.sources import brats_cases

FLAT = suffixes.RASTER + suffixes.TIFF
_MAGIC_AT, _MAGIC = 128, b"DICM"


def file(path: Path) -> Scan | None:
    """The scan that a file is by itself, None where it is none."""
    suffix = suffix_of(path.name)
    if suffix in NIFTI:
        return _volume(path, _role_at(path))
    if suffix in FLAT:
        return Scan.at(path, "flat", [path])
    return Scan.at(path, "dicom", [path]) if suffix in DICOM or is_dicom(path) else None


def scans(folder: Path, files: list[Path], sequences: Sequence[str] = ()) -> Iterator[Scan]:
    """Scans in the order of `files`, all of which are of a format that is read: a DICOM series, volumes,
    pictures. sequences: names of those that a model takes.
    """
    ends = {path: suffix_of(path.name) for path in files}
    series = [path for path, end in ends.items() if end in DICOM or not end]
    if series:
        yield Scan.at(folder, "dicom", series)
    volumes = [path for path, end in ends.items() if end in NIFTI]
    for scan, own in _called_as_asked(folder, volumes, sequences):
        yield scan
        volumes = [path for path in volumes if path not in own]
    yield from _volumes(folder, volumes)
    yield from _pictures(folder, [path for path, end in ends.items() if end in FLAT])


def _called_as_asked(
    folder: Path, files: list[Path], sequences: Sequence[str]
) -> Iterator[tuple[Scan, list[Path]]]:
    """Cases of one file for each of several sequences, with these files: `x_<sequence>`, where BraTS has not
    all of them, or as nnU-Net numbers them `x_0000`, `x_0001`, whose names then do not tell.
    """
    if len(sequences) < 2:
        return
    by_stem = {stem(path.name).lower(): path for path in files}
    namings: list[tuple[list[str], tuple[str, ...]]] = [([f"{n:04d}" for n in range(len(sequences))], ())]
    if not brats_cases.knows(sequences):
        namings.append(([name.lower() for name in sequences], tuple(sequences)))
    for endings, roles in namings:
        for first in by_stem:
            case = first.removesuffix(f"_{endings[0]}")
            own = [by_stem[f"{case}_{end}"] for end in endings if f"{case}_{end}" in by_stem]
            if case != first and len(own) == len(sequences):
                name = stem(own[0].name)[: len(case)]
                scan = Scan.at(folder, "brats", own, roles)
                yield Scan(folder / name, scan.kind, scan.files, writable(name), roles), own


def _volumes(folder: Path, files: list[Path]) -> Iterator[Scan]:
    """A BraTS case of the files that tell different modalities and are called alike but for these; each
    other file is a scan.
    """
    own = brats_cases.rest_of(folder.resolve().name).casefold()
    groups: dict[str | Path, dict[Path, str]] = {}
    for path in files:
        role = _role_at(path)
        rest = brats_cases.rest_of(path.name).casefold()
        key = path if role in ("", "seg") else "" if rest == own else rest
        groups.setdefault(key, {})[path] = role
    for key, roles in groups.items():
        whole = not key or (len(groups) == 1 and isinstance(key, str))
        if isinstance(key, Path) or len(set(roles.values())) < len(roles) or (len(roles) == 1 and not whole):
            yield from (_volume(path, role) for path, role in roles.items())
            continue
        case = Scan.at(folder, "brats", roles, tuple(roles.values()))
        if not whole:
            name = brats_cases.rest_of(next(iter(roles)).name)
            case = Scan(folder / name, case.kind, case.files, writable(name), case.roles)
        yield case


def _volume(path: Path, role: str) -> Scan:
    return Scan.at(path, "nifti", [path], (role,) if role not in ("", "seg") else ())


def _role_at(path: Path) -> str:
    return role_of(path.parent.resolve().name, path.name)


def _pictures(folder: Path, files: list[Path]) -> Iterator[Scan]:
    """An LGG case, whose files are named as the folder with a number, and every other picture by itself."""
    cases = {folder.name or folder.resolve().name, folder.resolve().name}  # a link, or "."
    numbers = {path: number for path in files if (number := _number(path, cases)) is not None}
    if len(set(numbers.values())) < len(numbers):  # nobody can tell which of two files is the slice
        numbers = {}
    yield from (Scan.at(path, "flat", [path]) for path in files if path not in numbers)
    if numbers:
        yield Scan.at(folder, "lgg", sorted(numbers, key=lambda path: numbers[path]))


def _number(path: Path, cases: set[str]) -> int | None:
    """The slice of a case that a file is, None where it is none."""
    before, _, number = stem(path.name).rpartition("_")
    named = before in cases and number.isdecimal() and suffix_of(path.name) in suffixes.TIFF
    return int(number) if named else None


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM by its content, and no table of contents."""
    if path.name.upper() == "DICOMDIR":
        return False
    try:
        with path.open("rb") as stream:
            stream.seek(_MAGIC_AT)
            return stream.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False
