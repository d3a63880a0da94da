"""Cases of volumes: what a scan is called where folders have one name, and whose it is."""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from stages.core import natural
from stages.core.errors import UserError
from stages.sources import bids

_SCAN = re.compile(
    r"(?P<since_2023>BraTS-[A-Z]+(?:-RT)?-\d+)-\d+|(?P<until_2019>(?:Brats1[789]|brats_2013|brats_tcia)_.+)_\d+",
    re.IGNORECASE,
)


@dataclass
class Case:
    """`home`: the folder that is the case's alone, of BIDS sub-<patient> or sub-<patient>/ses-<visit>.
    `files`: by role, a modality or "seg".
    """

    home: PurePosixPath
    files: dict[str, PurePosixPath] = field(default_factory=dict)

    @property
    def own(self) -> int:
        """How many of the last parts of `home` name the case."""
        return (
            2
            if bids.SESSION.fullmatch(self.home.name) and bids.SUBJECT.fullmatch(self.home.parent.name)
            else 1
        )

    @property
    def name(self) -> str:
        return "_".join(self.home.parts[-self.own :])


@dataclass(frozen=True)
class Named:
    """A case by the name and the patient that nobody else has."""

    case_id: str
    patient_id: str
    files: dict[str, PurePosixPath]


def patient_of(case_id: str) -> str:
    """The name of a case without the number of the scan, which some years of BraTS have at its end, or the
    visit, which BIDS has.
    """
    scan = _SCAN.fullmatch(case_id)
    if scan:
        return scan["since_2023"] or scan["until_2019"]
    about = bids.entities(f"{case_id}_")
    return f"sub-{about['sub']}" if about else case_id


def named(cases: list[Case]) -> list[Named]:
    """Cases in natural order of their names, which begin where their folders differ.

    Folders of one name are of several patients where each is all that the folder around it holds, as in p1/MR
    and p2/MR. Raises `UserError` where those hold more, which visits of one patient and patients of one
    hospital do alike.
    """
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        groups[case.name].append(case)
    labelled = [
        Named(case_id, _patient(case, case_id), case.files)
        for group in groups.values()
        for case, case_id in zip(group, _distinct_ids(group, cases), strict=True)
    ]
    return sorted(labelled, key=lambda case: (natural.key(case.case_id), case.case_id))


def _distinct_ids(group: list[Case], everything: list[Case]) -> list[str]:
    """An id for each of some cases of one name: the name alone, or with as many folders as it takes."""
    above = [case.home.parts[: -case.own] for case in group]
    for depth in range(1 + max(map(len, above))):
        ids = [
            "/".join([*parts[max(len(parts) - depth, 0) :], case.name])
            for case, parts in zip(group, above, strict=True)
        ]
        if len(set(ids)) == len(ids):
            break
    for parts in above:
        around = PurePosixPath(*parts[: len(parts) - depth + 1])
        clear = len(parts) < depth or any(bids.SUBJECT.fullmatch(part) for part in parts)
        several = depth and not clear and sum(around in other.home.parents for other in everything) > 1
        if several or len(set(ids)) < len(ids):
            first, second = [str(case.home) for case in group][:2]
            raise UserError(
                f"{first} and {second} have one name and different files, and nothing tells whether they are "
                "of one patient; give each patient's folder a name of its own, or name the folders as BIDS "
                "does: sub-<patient>/ses-<visit>"
            )
    return ids


def _patient(case: Case, case_id: str) -> str:
    """In a tree named as BIDS sub-<patient>; else by the folder that tells cases of one name apart."""
    above, _, _ = case_id.rpartition("/")
    for place, part in enumerate(case.home.parts):
        if bids.SUBJECT.fullmatch(part):
            before = [] if place < len(case.home.parts) - case.own else above.split("/") if above else []
            return "/".join([*before, part])
    return patient_of(case_id.split("/")[0])


def left_out(what: str, names: list[str]) -> str:
    """A sentence for the user, with the first two names."""
    some = ", ".join(names[:2] + ["..."] * (len(names) > 2))
    return f"{what} left out: {len(names)} ({some})"
