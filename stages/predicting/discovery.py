"""The scans in what a user names: files, folders of a case or a series, folders of many. What is none of
them, and might have been taken for one, is listed too.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stages.core import natural
from stages.core.errors import UserError
from stages.formats.pointer import dangling
from stages.formats.suffixes import NIFTI, stem, suffix_of
from stages.predicting import folder, naming, results
from stages.predicting.folder import FLAT
from stages.predicting.scan import Scan, legible, volume_in

MASK = ("is a mask or an earlier result", "are masks or earlier results")
AGAIN = ("is in the list already", "are in the list already")
BACK = ("is a link back to a folder above", "are links back to folders above")
FORMAT = ("has a format that is not read", "have formats that are not read")
_UNREAD = (
    *(".mgz", ".mgh", ".nrrd", ".nhdr", ".mha", ".mhd", ".img", ".mnc", ".nii.bz2", ".nii.zst", ".bmp"),
    *(".gif", ".webp", ".jp2", ".heic", ".npy", ".npz", ".mat", ".h5", ".hdf5", ".zip"),
)
"""Of scans that somebody has to convert or unpack first."""
_NAMED = 3
"""Names in a note."""


@dataclass(frozen=True)
class Listing:
    """What was found. failed: folders and links that cannot be read, each with a sentence. left_out: files,
    folders and links that make no scan, each with one of the reasons above.
    """

    scans: list[Scan] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)
    left_out: list[tuple[Path, tuple[str, str]]] = field(default_factory=list)

    def notes(self) -> list[str]:
        """A sentence for each reason for which something was left out."""
        return [note for reason in (MASK, AGAIN, BACK, FORMAT) if (note := self._note(reason))]

    def _note(self, reason: tuple[str, str]) -> str:
        names = [legible(path.name or str(path)) for path, why in self.left_out if why == reason]
        if not names:
            return ""
        what, were = ("path", "was") if len(names) == 1 else ("paths", "were")
        if reason in (MASK, FORMAT):
            what = what.replace("path", "file")
        some = ", ".join(names[:_NAMED] + ["..."] * (len(names) > _NAMED))
        return f"{len(names)} {what} {reason[len(names) > 1]} and {were} left out ({some})"


def is_candidate(name: str) -> bool:
    """Whether a file may be a scan by its name alone, or one that somebody has to convert first."""
    lowered = name.lower()
    return bool(suffix_of(name)) or lowered.endswith(_UNREAD) or not Path(lowered).suffix[1:].isalpha()


def find(paths: Sequence[Path], sequences: Sequence[str] = ()) -> Listing:
    """All scans, in the order of `paths` and of names below them, each with a name of its own. sequences:
    names of those that a model takes, if it takes several.

    A file that is named is a scan, whatever it is called; of the files in a folder masks and earlier results
    are none. Links are followed, to each folder once. Raises `UserError` for a path that does not exist or
    holds nothing, and where there is no scan at all.
    """
    walk = _Walk([Path(_real(path)) for path in paths], sequences)
    for path in paths:
        walk.enter(path)
    listing = walk.listing()
    if listing.scans:
        return listing
    if listing.failed:
        raise UserError("{}: {}".format(*listing.failed[0]))
    raise UserError(f"no scan was found: {'; '.join(listing.notes())}; name a file itself to segment it")


class _Walk:
    """Through folders, each real one once."""

    def __init__(self, roots: list[Path], sequences: Sequence[str]) -> None:
        self.roots = roots
        self.sequences = sequences
        self.gathered = Listing()
        self.files: list[list[str]] = []
        """Of each scan, with links to its folder resolved, but none of the files themselves."""
        self.visited: set[str] = set()

    def listing(self) -> Listing:
        """Without scans that are in the list twice: by the same files, or by links to files of another."""
        own = {path: place for place, files in enumerate(self.files) for path in files if not _is_link(path)}
        scans: list[Scan] = []
        before: set[frozenset[str]] = set()
        for place, (scan, files) in enumerate(zip(self.gathered.scans, self.files, strict=True)):
            holders = {own.get(_real(path)) for path in files} if any(map(_is_link, files)) else {place}
            if frozenset(files) in before or not (len(holders) > 1 or holders & {place, None}):
                self.gathered.left_out.append((scan.path, AGAIN))
            else:
                scans.append(scan)
            before.add(frozenset(files))
        left_out = [
            (path, why) for path, why in self.gathered.left_out if why != MASK or _key(path) not in own
        ]
        return Listing(naming.apart(scans), self.gathered.failed, left_out)

    def enter(self, path: Path) -> None:
        """A path that the user names."""
        before = self._count()
        if _is_folder(path):
            self._folder(path, former=False, masks=False)
            if self._count() == before:
                raise UserError(f"{path} holds no scan: no PNG, JPEG, TIFF, NIfTI or DICOM file is in it")
            return
        lost = not _exists(path)
        if lost and not _is_link(path):
            raise UserError(f"{path} does not exist; name a scan or a folder of scans")
        if scan := folder.file(path):
            self._add(scan, _real(path.parent))
        elif lost:
            self.gathered.failed.append((path, dangling(path)))
        else:
            known = ", ".join(FLAT + NIFTI)
            raise UserError(f"{path} is no scan: its name does not end in {known}, nor is it a DICOM file")

    def _count(self) -> int:
        return len(self.gathered.scans) + len(self.gathered.failed) + len(self.gathered.left_out)

    def _add(self, scan: Scan, home: str) -> None:
        self.gathered.scans.append(scan)
        self.files.append([f"{home}{os.sep}{file.name}" for file in scan.files])

    def _folder(self, path: Path, former: bool, masks: bool) -> None:
        """former: it lies in a folder of earlier results. masks: in one of masks."""
        real = _real(path)
        if real in self.visited:
            self.gathered.left_out.append((path, AGAIN))
            return
        self.visited.add(real)
        try:
            visible = [entry.name for entry in os.scandir(path) if not entry.name.startswith(".")]
        except OSError as error:
            self.gathered.failed.append((path, f"it cannot be read ({error.strerror})"))
            return
        entries = [path / name for name in sorted(visible, key=lambda name: (natural.key(name), name))]
        below = {entry: None for entry in entries if _is_folder(entry) and not _is_volume(entry)}
        files = self._candidates([entry for entry in entries if entry not in below])
        former = former or results.is_former(path)
        beside = {stem(entry.name).casefold() for entry in entries}
        no_scans = {
            file
            for file in files
            if masks or results.is_mask(file, Path(real).name) or results.is_overlay(file, beside, former)
        }
        self.gathered.left_out.extend((file, MASK) for file in files if file in no_scans)
        for scan in folder.scans(path, [file for file in files if file not in no_scans], self.sequences):
            self._add(scan, real)
        for entry in below:
            if reason := self._leads_back(entry):
                self.gathered.left_out.append((entry, reason))
            else:
                self._folder(entry, former, masks or results.holds_masks(entry.name))

    def _candidates(self, files: list[Path]) -> list[Path]:
        """Files of formats that are read, each once: whoever unpacks `x.nii.gz` has `x.nii` beside it."""
        names = {file.name.lower() for file in files}
        candidates: list[Path] = []
        for file in files:
            suffix, name, there = suffix_of(file.name), file.name.lower(), _exists(file)
            if there and not (file.is_file() or _is_folder(file)):  # a socket or a pipe
                continue
            if suffix == ".nii.gz" and name.removesuffix(".gz") in names:
                self.gathered.left_out.append((file, AGAIN))
            elif suffix or (there and folder.is_dicom(file)):
                candidates.append(file)
            elif name.endswith(_UNREAD):
                self.gathered.left_out.append((file, FORMAT))
            elif not file.suffix[1:].isalpha():  # DICOM often has no suffix, or the last number of a UID
                if not there:
                    self.gathered.failed.append((file, dangling(file)))
                elif not os.access(file, os.R_OK):
                    self.gathered.failed.append((file, "it cannot be read (Permission denied)"))
        return candidates

    def _leads_back(self, path: Path) -> tuple[str, str] | None:
        """Why a folder is not entered, if so: it is a link to where the walk has been or will come."""
        if not _is_link(path):
            return None
        target = Path(_real(path))
        for root in self.roots:
            if root != target and root.is_relative_to(target):
                return BACK
            if target.is_relative_to(root) and not any(
                part.startswith(".") for part in target.relative_to(root).parts
            ):
                return AGAIN
        return None


def _is_volume(folder: Path) -> bool:
    try:
        return volume_in(folder) is not None
    except OSError:  # the walk comes to it and says why
        return False


# os.path: pathlib raises where a folder above may not be searched, and is slow over a link for each slice.
def _real(path: str | Path) -> str:
    return os.path.realpath(path)


def _key(path: Path) -> str:
    """A path with links resolved up to the file itself."""
    return f"{_real(path.parent)}{os.sep}{path.name}"


def _is_link(path: str | Path) -> bool:
    return os.path.islink(path)  # noqa: PTH114


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112


def _exists(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110
