"""The scans in what a user names or hands over: files, folders of a case or a series, folders of many."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Self

from stages.core import natural
from stages.core.errors import UserError
from stages.formats import suffixes
from stages.formats.file import File
from stages.formats.suffixes import DICOM, NIFTI, stem, suffix_of

KINDS = ("flat", "nifti", "brats", "dicom", "lgg")
FLAT = suffixes.RASTER + suffixes.TIFF
_MAGIC_AT, _MAGIC = 128, b"DICM"


@dataclass(frozen=True)
class Scan:
    """Something to segment, not read yet.

    kind: "flat" (one picture), "nifti" (one volume), "brats" (a volume for each modality), "dicom" (a series)
    or "lgg" (a TIFF a slice). `files` are in the order of slices (lgg) or of `roles`, the modalities that
    file names tell. `name` begins the names of what is written. `path`: as the user knows the scan.
    """

    path: Path
    kind: str
    files: tuple[File, ...]
    name: str
    roles: tuple[str, ...] = ()

    @classmethod
    def at(cls, path: Path, kind: str, files: Iterable[Path], roles: tuple[str, ...] = ()) -> Self:
        """A scan in `files`, called as the file or folder `path`."""
        name = path.resolve().name if path.is_dir() else stem(path.name)
        return cls(path, kind, tuple(map(File.at, files)), name, roles)


def received(kind: str, name: str, parts: Sequence[tuple[str, bytes]]) -> Scan:
    """A scan from names and contents of its files, in any order. Of the names folders are dropped: masks are
    named after them, and must not lead out of the folder of masks.

    Raises `UserError` where these files make no scan of this kind.
    """
    if name in ("", "..") or _plain(name) != name:
        raise UserError(f"{name!r:.80} is no name for a scan; name it without folders")
    if kind not in KINDS or not parts or (kind in ("flat", "nifti") and len(parts) > 1):
        raise UserError(f"{len(parts)} files make no scan of kind {kind}; kinds are {', '.join(KINDS)}")
    files = [File.of(_plain(part), content) for part, content in parts]
    files.sort(key=lambda file: (natural.key(file.name), file.name))
    if kind not in ("nifti", "brats"):
        return Scan(Path(name), kind, tuple(files), name)
    roles = {file: role for file in files if (role := _role(name, file.name)) != "seg"}
    if kind == "nifti":
        return Scan(Path(name), kind, tuple(files), name, tuple(filter(None, roles.values())))
    by_role = {role: file for file, role in roles.items() if role}
    if not by_role or len(by_role) < sum(map(bool, roles.values())):
        raise UserError(f"the names of the files of {name} do not tell one modality each; name them as BraTS")
    return Scan(Path(name), kind, tuple(by_role.values()), name, tuple(by_role))


def _plain(name: str) -> str:
    """A file name without its folders, as either system separates them."""
    return PureWindowsPath(name.replace("\0", "")).name


def find(paths: list[Path]) -> list[Scan]:
    """All scans, in the order of `paths` and of names below them.

    Raises `UserError` for a path that does not exist, one without any scan, and two scans of one name.
    """
    scans: list[Scan] = []
    for path in paths:
        if not path.exists():
            raise UserError(f"{path} does not exist; name a scan or a folder of scans")
        inside = list(_in_folder(path)) if path.is_dir() else [_file(path)]
        if not inside:
            raise UserError(f"{path} holds no scan: no PNG, JPEG, TIFF, NIfTI or DICOM file is in it")
        scans += inside
    by_name: dict[str, Scan] = {}
    for scan in scans:
        other = by_name.setdefault(scan.name.casefold(), scan)  # some file systems know no capitals
        if other is not scan:
            raise UserError(
                f"{other.path} and {scan.path} would both write {scan.name}_mask; "
                "segment them into two folders"
            )
    return scans


def _file(path: Path) -> Scan:
    suffix = suffix_of(path.name)
    if suffix in NIFTI:
        return _volume(path)
    if suffix in FLAT:
        return Scan.at(path, "flat", [path])
    if suffix in DICOM or _is_dicom(path):
        return Scan.at(path, "dicom", [path])
    known = ", ".join(FLAT + NIFTI)
    raise UserError(f"{path} is no scan: its name does not end in {known}, nor is it a DICOM file")


def _in_folder(folder: Path) -> Iterator[Scan]:
    try:
        visible = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
    except OSError as error:
        raise UserError(f"{folder} cannot be read ({error.strerror}); name the scans in it") from None
    entries = sorted(visible, key=lambda entry: (natural.key(entry.name), entry.name))
    files = [folder / entry.name for entry in entries if entry.is_file()]
    ends = {path: suffix_of(path.name) for path in files}
    series = [path for path, end in ends.items() if end in DICOM or (not end and _is_dicom(path))]
    if series:
        yield Scan.at(folder, "dicom", series)
    yield from _volumes(folder, [path for path, end in ends.items() if end in NIFTI])
    yield from _pictures(folder, [path for path, end in ends.items() if end in FLAT])
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):  # a link may lead back
            yield from _in_folder(folder / entry.name)


def _volumes(folder: Path, files: list[Path]) -> Iterator[Scan]:
    """A BraTS case where no two files have the same role, else a scan each; segmentations are none."""
    if not files:
        return
    roles = {path: role for path in files if (role := _role_at(path)) != "seg"}
    by_role = {role: path for path, role in roles.items() if role}
    if by_role and len(by_role) == sum(map(bool, roles.values())):
        yield Scan.at(folder, "brats", by_role.values(), tuple(by_role))
    else:
        yield from (_volume(path) for path in roles)


def _volume(path: Path) -> Scan:
    role = _role_at(path)
    return Scan.at(path, "nifti", [path], (role,) if role not in ("", "seg") else ())


def _role_at(path: Path) -> str:
    return _role(path.resolve().parent.name, path.name)


def _role(case: str, name: str) -> str:
    from stages.sources import brats  # nibabel takes a fifth of a second: only for volumes

    return brats.role_of(PurePosixPath(case) / name)


def _pictures(folder: Path, files: list[Path]) -> Iterator[Scan]:
    """An LGG case, whose files are named as the folder with a number, and every other picture by itself.

    `x_mask` is the label of `x` beside it, no scan.
    """
    stems = {stem(path.name) for path in files}
    case, numbered = folder.resolve().name, {}
    for path in files:
        own = stem(path.name)
        if own.endswith("_mask") and own.removesuffix("_mask") in stems:
            continue
        before, _, number = own.rpartition("_")
        if before == case and number.isdecimal() and suffix_of(path.name) in suffixes.TIFF:
            numbered[path] = int(number)
        else:
            yield Scan.at(path, "flat", [path])
    if numbered:
        yield Scan.at(folder, "lgg", sorted(numbered, key=lambda path: numbered[path]))


def _is_dicom(path: Path) -> bool:
    if path.name.upper() == "DICOMDIR":  # a table of contents
        return False
    try:
        with path.open("rb") as file:
            file.seek(_MAGIC_AT)
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False
