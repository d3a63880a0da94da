"""Categories of COCO files, and what their names say of a tumour.

Not every category is one: detectors are taught with boxes of `no_tumor`, and outlines of the head come in
the same files as those of what grows in it.
"""

import re
from enum import Enum
from typing import Any

from pydantic import BaseModel, ConfigDict

from stages.formats.ids import Id, Name


class Meaning(Enum):
    """Of an annotation: it outlines a tumour, says that the image shows none, or is of something else."""

    TUMOUR = "tumour"
    ABSENCE = "absence"
    OTHER = "other"


class Category(BaseModel):
    """An entry of `categories`."""

    model_config = ConfigDict(strict=True)
    id: Id
    name: Name
    supercategory: Any = None

    @property
    def key(self) -> str:
        return key(self.name)

    def __str__(self) -> str:
        return " ".join(self.name.split())[:40]


def key(name: str) -> str:
    """What of a name counts: neither case nor spaces, hyphens or underscores."""
    return re.sub(r"[\s_\-\u2010-\u2015]+", "", name).casefold()


_FINDING = (
    r"(?:tumou?r(?:s|ous|al)?|lesions?|cancer(?:s|ous)?|mass(?:es)?|abnormal(?:ity|ities)?|anomal(?:y|ies)"
    r"|patholog(?:y|ies)|disease|findings?)"
)
_ABSENCE = re.compile(
    rf"(?:brain|mri)?(?:no|non|not|without)(?:an?|any)?(?:brain)?{_FINDING}(?:detected|found|present)?"
    rf"|(?:brain)?{_FINDING}(?:free|negative|absent)|negatives?|negative(?:{_FINDING}|cases?)"
    r"|(?:normal|healthy)(?:brain|head|mri|scan|slice|case|control)?s?|brain(?:normal|healthy)"
    r"|no|none|nothing|empty|absent|controls?"
)
_OTHER = re.compile(
    r"background|(?:whole|full|entire)?(?:brain|head|skull)(?:region|area|mask|outline|contour|tissue)?s?"
    r"|scalp|cranium|bones?|face|eyes?|orbits?|cerebrum|cerebellum|brainstem|cortex|csf|cerebrospinalfluid"
    r"|(?:lateral)?ventricles?|(?:white|gr[ae]y)matter|(?:normal|healthy)?tissue|artifacts?|artefacts?"
)


def meaning(name: str) -> Meaning:
    """What a category's name says; one that is not known is a tumour's, such as `glioma` or `object`."""
    if _ABSENCE.fullmatch(key(name)):
        return Meaning.ABSENCE
    return Meaning.OTHER if _OTHER.fullmatch(key(name)) else Meaning.TUMOUR


def numbered_tumour(category: Category) -> bool:
    """Whether a name is a mere number that the file calls a kind of tumour.

    The published set has "0" and "1" in supercategory "Tumor". Of the 69 boxes whose outline figshare has,
    those of "0" hold 96 % of it and those of "1" 97 %.
    """
    parent = category.supercategory
    return (
        category.key.isdecimal()
        and isinstance(parent, str)
        and re.fullmatch(r"tumou?rs?", key(parent)) is not None
    )
