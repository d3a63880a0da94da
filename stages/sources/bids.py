"""Names as BIDS has them (bids-specification.readthedocs.io): subjects, sessions, entities."""

import re
from pathlib import PurePosixPath

SUBJECT = re.compile(r"sub-[a-z0-9]+", re.IGNORECASE)
SESSION = re.compile(r"ses-[a-z0-9]+", re.IGNORECASE)
LESION = ("lesion", "tumor", "tumour")
"""How labels in BIDS names of masks begin (`label-lesion`, `desc-tumor`) that are not of brain or tissues."""
ANATOMISTS = ("fmriprep", "smriprep", "freesurfer", "fastsurfer")
"""Programs whose folders below derivatives/ hold segmentations of tissues (1, 2, 3: grey, white, fluid)."""


def entities(name: str) -> dict[str, str]:
    """`sub-01_ce-gd_T1w` -> {"sub": "01", "ce": "gd"}; empty for a name that is not as BIDS has them."""
    parts = name.split("_")[:-1]
    if not parts or not SUBJECT.fullmatch(parts[0]) or not all("-" in part for part in parts):
        return {}
    return {key.lower(): value for key, _, value in (part.partition("-") for part in parts)}


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
