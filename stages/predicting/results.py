"""Masks and earlier results among files that are to be segmented: recognised by their names."""

import re
from collections.abc import Set
from pathlib import Path

from stages.formats.suffixes import NIFTI, stem, suffix_of
from stages.predicting.scan import role_of
from stages.predicting.writing import SUMMARY

_WORDS = (
    r"[a-z+]*mask|masks|[a-z+]*seg|segm|segmentations?|labels?|labelmap|roi|outer|ground_?truth|otmulticlass"
)
_MASK = re.compile(rf"(?:.*[_.\-\s])?(?:{_WORDS})(?:[_.\-\s]\d+)?", re.IGNORECASE | re.DOTALL)
"""The last word of a name, before a number: `x_mask`, `brainmask`, `x_dseg`, `x-label`, `x_mask_2`."""
_FOLDER = re.compile(r"masks?|labels?(?:tr|ts|va)?|segs?|segmentations|annotations|ground_?truth", re.I)
"""The whole name: `lgg-mri-segmentation` is a folder of scans."""
_OVERLAY = "_overlay"
_HEAD_BYTES = 4096
"""Of a summary, which begins with the model's hash and the decision rule."""


def is_mask(path: Path, case: str) -> bool:
    """Whether a file of the folder `case` is a mask by its name, in which the folder's says nothing."""
    own = stem(path.name)
    rest = own[len(case) :] if own.startswith(case) and own[len(case) :][:1] in tuple("_.- ") else own
    if _MASK.fullmatch(rest.lstrip("_.- ")):
        return True
    return suffix_of(path.name) in NIFTI and role_of(case, path.name) == "seg"


def is_overlay(path: Path, beside: Set[str], former: bool) -> bool:
    """Whether a file is a picture of a mask: one with its mask among the names `beside` it, without suffix
    and in lower case, or in a `former` folder of results.
    """
    own = stem(path.name).casefold()
    return own.endswith(_OVERLAY) and (former or f"{own.removesuffix(_OVERLAY)}_mask" in beside)


def holds_masks(folder: str) -> bool:
    """Whether a folder is one of masks by its name: `masks` beside `images`, `labelsTr` beside `imagesTr`."""
    return bool(_FOLDER.fullmatch(folder))


def is_former(folder: Path) -> bool:
    """Whether results were written into a folder: it holds a summary. Only its beginning is read."""
    try:
        with (folder / SUMMARY[0]).open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    return b'"model_hash"' in head and b'"decision"' in head
