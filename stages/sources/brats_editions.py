"""The editions of BraTS and what their masks mean: other things from year to year and from task to task."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from stages.scan.task import TUMOUR, Task

_CLASSES = {1: "necrosis", 2: "oedema", 3: "enhancing"}
_REGIONS = {"whole_tumour": [1, 2, 3], "tumour_core": [1, 3], "enhancing_tumour": [3]}
TASK = Task("brats", _CLASSES, _REGIONS, {1: 1, 2: 2, 3: 3, 4: 3})
"""BraTS 2017 to 2021 number enhancing tumour 4 and have no 3 (Baid, arXiv 2107.02314); since 2023 it is 3 and
there is no 4: glioma, meningioma (LaBella, arXiv 2305.07642), metastases (Moawad, arXiv 2306.00838), Africa
(Adewole, arXiv 2305.19369), and children in 2023 alone (Kazerooni, arXiv 2305.17033).
"""
TASK_2015 = Task("brats2015", _CLASSES, _REGIONS, {1: 1, 2: 2, 3: 1, 4: 3})
"""Until 2015, 3 was core that does not enhance, later counted as necrosis (Menze, IEEE TMI 34, 2015)."""
TASK_2024 = Task(
    "brats2024",
    _CLASSES | {4: "resection_cavity"},
    _REGIONS | {"resection_cavity": [4]},
    {1: 1, 2: 2, 3: 3, 4: 4},
)
"""After treatment, 4 is the cavity that surgery left, no part of the tumour: glioma since 2024 (de Verdier,
arXiv 2405.18368), metastases since 2025 (Maleki, arXiv 2504.12527).
"""
TASK_PED = Task(
    "brats_ped",
    {1: "enhancing", 2: "non_enhancing", 3: "cyst", 4: "oedema"},
    {"whole_tumour": [1, 2, 3, 4], "tumour_core": [1, 2, 3], "enhancing_tumour": [1], "cyst": [3]},
    {1: 1, 2: 2, 3: 3, 4: 4},
)
"""Children since 2024 (Kazerooni, arXiv 2404.15009). The cyst is a region too: what is none of its own comes
back from no model, and its volume would be told as 0.
"""
DECATHLON = Task("decathlon", _CLASSES, _REGIONS, {1: 2, 2: 1, 3: 3})
"""Task01_BrainTumour of the Medical Segmentation Decathlon (Antonelli, Nature Communications 13, 2022), and
BraTS as nnU-Net converts it: 1 is oedema, 2 the core that does not enhance.
"""
MEANINGS = (TASK, TASK_2015, TASK_2024, TASK_PED, DECATHLON, TUMOUR)

Reading = tuple[frozenset[int], str]
"""Numbers that masks hold, and the name of what they mean then."""


@dataclass(frozen=True)
class Edition:
    """`readings`: what its masks may hold, the usual reading first."""

    title: str
    readings: tuple[Reading, ...]

    @property
    def label_set(self) -> str:
        """The usual one."""
        return self.readings[0][1]


_BEFORE_2023 = (frozenset({1, 2, 4}), TASK.name)
SINCE_2023 = (frozenset({1, 2, 3}), TASK.name)
_CAVITY = (frozenset({1, 2, 3, 4}), TASK_2024.name)
UNTOLD = Edition("BraTS", (_BEFORE_2023, SINCE_2023))
"""Of names that tell no edition; its masks must be as those of one of the two."""
_EDITIONS = {
    r"otmulticlass|brats_2013_|brats_tcia_": Edition(
        "BraTS until 2015", ((frozenset({1, 2, 3, 4}), TASK_2015.name),)
    ),
    r"brats1[789]_|brats20_|brats2021_|upenn-gbm-": Edition("BraTS 2017 to 2021", (_BEFORE_2023,)),
    r"brats-gli-\d+-[1-9]\d\d(?!\d)": Edition("BraTS-GLI after treatment", (_CAVITY,)),
    r"brats-mets?-\d": Edition("BraTS-MET", (SINCE_2023, _CAVITY)),
    r"brats-peds?-\d": Edition("BraTS-PED", ((frozenset({1, 2, 3, 4}), TASK_PED.name), SINCE_2023)),
    r"brats-men-rt-\d": Edition("BraTS-MEN-RT", ((frozenset({1}), TUMOUR.name),)),
    r"brats-(gli|men|ssa|goat)-\d": Edition("BraTS since 2023", (SINCE_2023,)),
}
BY_NAME = {task.name: task for task in MEANINGS}
BINARY = frozenset({1, 255, 65535})
"""What programs write for the whole tumour."""
NUMBERED = frozenset({1, 2, 3, 4})


def edition(names: Iterable[str]) -> Edition:
    """By the first of some names, of a mask or of folders, that tells it."""
    for name in names:
        for pattern, known in _EDITIONS.items():
            if re.match(pattern, name, re.IGNORECASE):
                return known
    return UNTOLD


def edition_of(mask: PurePosixPath) -> Edition:
    """By the names of a mask and of the folders around it, the innermost first."""
    return edition([mask.name, *reversed(mask.parent.parts)])


def reads(task: Task, numbers: frozenset[int]) -> bool:
    """Whether a mask may hold these numbers. What is no number of any edition is left to validation."""
    if task.numbers is None:
        return len(numbers) < 2 and numbers <= BINARY
    if (numbers and numbers <= BINARY - NUMBERED) or (task == TASK and numbers >= {3, 4}):
        return False
    return numbers & NUMBERED <= task.numbers.keys()


def class_of(label_set: str, number: int) -> str:
    """The name of the class that a number in a mask stands for."""
    task = BY_NAME[label_set]
    return task.classes[task.numbers[number] if task.numbers else 1]


def described(task: Task) -> str:
    """A meaning's name and numbers, as a user may choose it."""
    if task.numbers is None:
        return f"{task.name} (one label)"
    return f"{task.name} ({', '.join(f'{number} {class_of(task.name, number)}' for number in task.numbers)})"


def listed(numbers: frozenset[int]) -> str:
    """For sentences: "labels 1, 2 and 4"."""
    *most, last = [str(number) for number in sorted(numbers)] or ["none"]
    return f"labels {', '.join(most)} and {last}" if most else f"label {last}"
