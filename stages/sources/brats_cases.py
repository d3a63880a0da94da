"""Cases of BraTS and of BIDS by names of files and folders: a file's role, which files are one case, whose it
is.
"""

import filecmp
import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath

from stages.core import natural
from stages.core.errors import UserError
from stages.formats import suffixes
from stages.sources import bids
from stages.sources.cases import Case
from stages.sources.folder import files

MODALITIES = ("flair", "t1", "t1ce", "t2")
_WORDS = {
    "flair": ("flair", "t2f", "t2flair"),
    "t1": ("t1", "t1n", "t1w"),
    "t1ce": ("t1ce", "t1c", "t1gd", "t1wce", "t1post"),
    "t2": ("t2", "t2w"),
    "seg": ("seg", "segm", "dseg", "otmulticlass", "gtv"),
}
_ROLE = {word: role for role, words in _WORDS.items() for word in words}
_CONTRAST = ("ce", "gd", "gad", "gado", "gadolinium", "contrast", "postcontrast")
_WITHOUT = ("pre", "no", "non", "without")
_SUFFIXES = (".nii", ".nii.gz")
_SEPARATOR = r"[_.\-\s]"


def role_of(path: PurePosixPath) -> str:
    """What a file of a case is by its name: a modality, "seg", or "" where its name does not tell."""
    return _placed(path)[1]


def sequence(name: str) -> str:
    """What a sequence that somebody calls `name` is called here, `T1w` and `ce-gd_T1w` too; of one that BraTS
    does not have its name in small letters.
    """
    return role_of(PurePosixPath("case") / f"sub-x_{name}.nii") or name.lower()


def knows(sequences: Sequence[str]) -> bool:
    """Whether BraTS has all of these sequences, however they are called."""
    return all(sequence(name) in MODALITIES for name in sequences)


def rest_of(name: str) -> str:
    """A file's name without its suffix and the words for its role, which files of one case share."""
    whole = suffixes.stem(name)
    if bids.entities(whole):
        return "_".join(part for part in whole.split("_")[:-1] if not part.lower().startswith("ce-"))
    words = re.split(f"({_SEPARATOR}+)", whole)  # each with what separates it from the next
    before = ["", *(word.lower() for word in words[:-2:2])]
    kept = [
        (separator, word)
        for word, separator, last in zip(words[::2], ["", *words[1::2]], before, strict=True)
        if not (word.lower() in (*_ROLE, *_CONTRAST) or (word.lower() == "post" and _ROLE.get(last) == "t1"))
    ]
    return "".join(f"{separator}{word}" for separator, word in kept).strip("_.- \t")


def stem(name: str) -> str:
    """A file's name in small letters without the suffix of NIfTI."""
    return re.sub(r"\.nii(\.gz)?$", "", name.lower())


def gathered(root: Path) -> tuple[list[Case], list[str]]:
    """Cases by what lies below a folder, and the folders that are byte for byte copies of an earlier one.

    Raises `UserError` where two files of a case have one role.
    """
    cases: dict[PurePosixPath, Case] = {}
    paths = files(root, lambda path: bool(role_of(path)))
    for path in sorted(paths, key=lambda path: (len(path.parts), natural.key(str(path)), str(path))):
        folder, role = _placed(path)
        home = bids.home(folder, path.name)
        case = cases.setdefault(home, Case(home))
        other = case.files.setdefault(role, path)
        # Whoever unpacks x.nii.gz by hand has x.nii beside it; only different names are a puzzle.
        if (_placed(other)[0], stem(other.name)) != (folder, stem(path.name)):
            raise UserError(f"{other} and {path} are both the {role} of case {case.name}; remove one of them")
    kept: dict[str, list[Case]] = defaultdict(list)
    copies = []
    for case in cases.values():
        if any(_copy(root, case, earlier) for earlier in kept[case.name]):
            copies.append(str(case.home))
        else:
            kept[case.name].append(case)
    return [case for group in kept.values() for case in group], copies


def _copy(root: Path, case: Case, earlier: Case) -> bool:
    """Whether all files of a case are those of an earlier one of its name, byte for byte."""
    return case.files.keys() <= earlier.files.keys() and all(
        filecmp.cmp(root / path, root / earlier.files[role], shallow=False)  # which compares sizes first
        for role, path in case.files.items()
    )


def _placed(path: PurePosixPath) -> tuple[PurePosixPath, str]:
    """The folder that a file of a case lies in, and the file's role in it, "" where it has none."""
    if not path.name.lower().endswith(_SUFFIXES):
        return path.parent, ""
    at = path.parent if path.parent.name.lower().endswith(_SUFFIXES) else path
    folder = at.parent
    if bids.is_anatomy(path):
        return folder, ""
    if entities := bids.entities(at.name):
        return folder, _bids_role(entities, stem(at.name).rpartition("_")[2])
    # The name of a case may hold words too ("study_t1"); they say nothing of its files.
    rest = re.sub(f"^{re.escape(folder.name.lower())}(?={_SEPARATOR})", "", stem(at.name))
    words = re.split(_SEPARATOR, rest)
    roles = {_ROLE[word] for word in words if word in _ROLE}
    if roles == {"flair", "t2"}:  # "t2_flair" is how many scanners call it
        roles = {"flair"}
    if roles == {"t1"} and _contrast(words):
        roles = {"t1ce"}
    clear = len(roles) == 1 and bool(folder.name) and not any(word.endswith("mask") for word in words)
    return folder, roles.pop() if clear else ""


def _contrast(words: list[str]) -> bool:
    """Whether words beside "t1" say that it was taken with a contrast agent."""
    return any(
        (word in _CONTRAST and before not in _WITHOUT) or (word == "post" and _ROLE.get(before) == "t1")
        for before, word in pairwise(["", *words])
    )


def _bids_role(entities: dict[str, str], suffix: str) -> str:
    role = "seg" if suffix == "mask" else _ROLE.get(suffix, "")
    if role == "seg":
        return role if bids.is_lesion(entities, suffix) else ""
    return "t1ce" if role == "t1" and "ce" in entities else role
