"""Find the scans in what a user names: files, folders of a case or a series, folders of many of these."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from stages.core import natural
from stages.core.errors import UserError

FLAT = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
VOLUMES = (".nii.gz", ".nii")
DICOM = (".dcm", ".ima")
_MAGIC_AT, _MAGIC = 128, b"DICM"


@dataclass(frozen=True)
class Scan:
    """Something to segment, not read yet.

    kind: "flat" (one picture), "nifti" (one volume), "brats" (a volume for each modality), "dicom" (a series)
    or "lgg" (a TIFF a slice). `files` are in the order of slices (lgg) or of `roles`, the modalities that
    file names tell. `name` begins the names of what is written.
    """

    path: Path
    kind: str
    files: tuple[Path, ...]
    name: str
    roles: tuple[str, ...] = ()


def find(paths: list[Path]) -> list[Scan]:
    """All scans, in the order of `paths` and of names below them.

    Raises `UserError` for a path that does not exist, one without any scan, and two scans of one name.
    """
    scans: list[Scan] = []
    for path in paths:
        if not path.exists():
            raise UserError(f"{path} does not exist; name a scan or a folder of scans")
        here = list(_in_folder(path)) if path.is_dir() else _file(path)
        if not here:
            raise UserError(f"{path} holds no scan: no PNG, JPEG, TIFF, NIfTI or DICOM file is in it")
        scans += here
    named: dict[str, Scan] = {}
    for scan in scans:
        other = named.setdefault(scan.name.casefold(), scan)  # some file systems know no capitals
        if other is not scan:
            raise UserError(
                f"{other.path} and {scan.path} would both write {scan.name}_mask; "
                "segment them into two folders"
            )
    return scans


def suffix_of(path: Path) -> str:
    """The suffix that tells the format, in lower case; "" for any other."""
    low = path.name.lower()
    return next((suffix for suffix in FLAT + VOLUMES + DICOM if low.endswith(suffix)), "")


def stem(path: Path) -> str:
    """The name without the suffix of its format."""
    return path.name[: len(path.name) - len(suffix_of(path))]


def _file(path: Path) -> list[Scan]:
    suffix = suffix_of(path)
    if suffix in VOLUMES:
        return [_volume(path)]
    if suffix in FLAT:
        return [Scan(path, "flat", (path,), stem(path))]
    if suffix in DICOM or _is_dicom(path):
        return [Scan(path, "dicom", (path,), stem(path))]
    known = ", ".join(FLAT + VOLUMES)
    raise UserError(f"{path} is no scan: its name does not end in {known}, nor is it a DICOM file")


def _in_folder(folder: Path) -> Iterator[Scan]:
    try:
        visible = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
    except OSError as error:
        raise UserError(f"{folder} cannot be read ({error.strerror}); name the scans in it") from None
    entries = sorted(visible, key=lambda entry: (natural.key(entry.name), entry.name))
    files = [folder / entry.name for entry in entries if entry.is_file()]
    series = [path for path in files if suffix_of(path) in DICOM or (not suffix_of(path) and _is_dicom(path))]
    if series:
        yield Scan(folder, "dicom", tuple(series), folder.resolve().name)
    yield from _volumes(folder, [path for path in files if suffix_of(path) in VOLUMES])
    yield from _pictures(folder, [path for path in files if suffix_of(path) in FLAT])
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):  # a link may lead back
            yield from _in_folder(folder / entry.name)


def _volumes(folder: Path, files: list[Path]) -> Iterator[Scan]:
    """A BraTS case where no two files have the same role, else a scan each; segmentations are none."""
    if not files:
        return
    roles = {path: role for path in files if (role := _role(path)) != "seg"}
    named = {role: path for path, role in roles.items() if role}
    if named and len(named) == sum(map(bool, roles.values())):
        yield Scan(folder, "brats", tuple(named.values()), folder.resolve().name, tuple(named))
    else:
        yield from (_volume(path) for path in roles)


def _volume(path: Path) -> Scan:
    role = _role(path)
    return Scan(path, "nifti", (path,), stem(path), (role,) if role not in ("", "seg") else ())


def _role(path: Path) -> str:
    from stages.sources import brats  # nibabel takes a fifth of a second: only for volumes

    return brats.role_of(PurePosixPath(path.resolve().parent.name) / path.name)


def _pictures(folder: Path, files: list[Path]) -> Iterator[Scan]:
    """An LGG case, whose files are named as the folder with a number, and every other picture by itself.

    `x_mask` is the label of `x` beside it, no scan.
    """
    stems = {stem(path) for path in files}
    case, numbered = folder.resolve().name, {}
    for path in files:
        own = stem(path)
        if own.endswith("_mask") and own.removesuffix("_mask") in stems:
            continue
        before, _, number = own.rpartition("_")
        if before == case and number.isdecimal() and suffix_of(path) in (".tif", ".tiff"):
            numbered[path] = int(number)
        else:
            yield Scan(path, "flat", (path,), own)
    if numbered:
        yield Scan(folder, "lgg", tuple(sorted(numbered, key=lambda path: numbered[path])), case)


def _is_dicom(path: Path) -> bool:
    if path.name.upper() == "DICOMDIR":  # a table of contents
        return False
    try:
        with path.open("rb") as file:
            file.seek(_MAGIC_AT)
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False
