"""Names as BIDS has them (bids-specification.readthedocs.io): subjects, sessions, entities."""

import re
from pathlib import PurePosixPath

from stages.formats import suffixes

SUBJECT = re.compile(r"sub-[a-z0-9]+", re.IGNORECASE)
SESSION = re.compile(r"ses-[a-z0-9]+", re.IGNORECASE)
_LESION = ("lesion", "tumor", "tumour")
"""Words in BIDS names of masks (`label-lesion`, `desc-T1lesion`) that are not of brain or tissues."""
_MASKS = ("mask", "dseg", "seg", "roi")
ANATOMISTS = ("fmriprep", "smriprep", "freesurfer", "fastsurfer")
"""Programs whose folders below derivatives/ hold segmentations of tissues (1, 2, 3: grey, white, fluid)."""


def entities(name: str) -> dict[str, str]:
    """`sub-01_ce-gd_T1w` -> {"sub": "01", "ce": "gd"}; empty for a name that is not as BIDS has them."""
    parts = name.split("_")[:-1]
    if not parts or not SUBJECT.fullmatch(parts[0]) or not all("-" in part for part in parts):
        return {}
    return {key.lower(): value for key, _, value in (part.partition("-") for part in parts)}


def is_lesion(about: dict[str, str], suffix: str) -> bool:
    """Whether a mask with these entities is one of lesions: one without any is, unless it is but a "mask"."""
    values = [about[key].lower() for key in ("label", "desc", "atlas") if key in about]
    return any(word in value for word in _LESION for value in values) or (not values and suffix != "mask")


def is_anatomy(path: PurePosixPath) -> bool:
    """Whether a file is of a program that segments tissues."""
    return "derivatives" in path.parts and any(part.lower().startswith(ANATOMISTS) for part in path.parts)


def role(path: PurePosixPath) -> str:
    """What a volume named as BIDS has it is: "seg" for a mask of lesions; a sequence by its suffix and the
    entities that tell it apart, `ce-gd_T1w`; "" for other masks and for what somebody made of scans.
    """
    *parts, suffix = suffixes.stem(path.name).split("_")
    if suffix in _MASKS:
        return "seg" if is_lesion(entities(suffixes.stem(path.name)), suffix) and not is_anatomy(path) else ""
    if "derivatives" in path.parts:
        return ""
    own = [part for part in parts if part.partition("-")[0].lower() not in ("sub", "ses")]
    return "_".join([*own, suffix])


def home(folder: PurePosixPath, name: str) -> PurePosixPath:
    """The folder that stands for a file's case: its own, or by BIDS's names that of the subject or session,
    also of a lesion mask below derivatives/<program>.
    """
    parts = list(folder.parts)
    subject = next((place for place, part in enumerate(parts) if SUBJECT.fullmatch(part)), None)
    about = entities(name)
    if about and subject is None:  # all files in one folder
        parts, subject = [*parts, f"sub-{about['sub']}"], len(parts)
        parts += [f"ses-{about['ses']}"] if "ses" in about else []
    if subject is None:
        return folder
    session = [part for part in parts[subject + 1 : subject + 2] if SESSION.fullmatch(part)]
    below = parts[subject + 1 + len(session) :]
    if below not in ([], ["anat"]):
        return folder
    if not session and "ses" in about:
        session = [f"ses-{about['ses']}"]
    before = parts[:subject]
    if "derivatives" in before:
        place = before.index("derivatives")
        before = before[:place] + before[place + 2 :]
    return PurePosixPath(*before, parts[subject], *session)
