"""What the numbers in masks mean: brought to one set of classes, and the regions to learn from them."""

from dataclasses import dataclass, replace

import numpy as np

from stages.scan.header import Unreadable


@dataclass(frozen=True)
class Task:
    """What the numbers of a data set's masks mean, and what is learnt from them.

    classes: names by number, from 1; 0 is background. regions: unions of classes, one channel of a network
    each. numbers: which class each number in a file stands for; None: a mask of 0 and one other number, which
    is class 1. exclusive: regions never share a pixel, so that of several the most probable has it; else the
    smaller are painted over the wider ones. noun: what a labelled pixel shows, for heads of tables.
    """

    name: str
    classes: dict[int, str]
    regions: dict[str, list[int]]
    numbers: dict[int, int] | None = None
    exclusive: bool = False
    noun: str = "tumour"

    def alike(self, other: "Task") -> bool:
        """Whether both make the same of their files, whose numbers may differ, as from year to year."""
        return replace(self, name="", numbers=None) == replace(other, name="", numbers=None)


_BRATS = {1: "necrosis", 2: "oedema", 3: "enhancing"}
_BRATS_REGIONS = {"whole_tumour": [1, 2, 3], "tumour_core": [1, 3], "enhancing_tumour": [3]}

_FULL = (1, 255, 65535)
"""What programs write for "yes" into a mask."""

TUMOUR = Task("tumour", {1: "tumour"}, {"tumour": [1]})
BRATS = Task("brats", _BRATS, _BRATS_REGIONS, {1: 1, 2: 2, 3: 3, 4: 3})
"""BraTS 2017 to 2021 number enhancing tumour 4 and have no 3 (Baid, arXiv 2107.02314); since 2023 it is 3."""
BRATS_2015 = Task("brats2015", _BRATS, _BRATS_REGIONS, {1: 1, 2: 2, 3: 1, 4: 3})
"""Until 2015, 3 was core that does not enhance, later counted as necrosis (Menze, IEEE TMI 34, 2015)."""

TASKS = {task.name: task for task in (TUMOUR, BRATS, BRATS_2015)}


def harmonise(mask: np.ndarray, task: Task) -> np.ndarray:
    """Numbers of a mask file, any dtype and shape -> classes, uint8.

    Raises `Unreadable` where the file holds numbers that the label set does not have.
    """
    return _binary(mask) if task.numbers is None else _classes(mask, task.numbers)


def _binary(mask: np.ndarray) -> np.ndarray:
    # Comparisons with the highest value are many times faster than np.unique on a whole mask.
    some, highest = mask != 0, mask.max(initial=0)
    if highest not in (0, *_FULL) or not np.array_equal(some, mask == highest if highest else some & False):
        raise Unreadable("the mask holds other values than 0 and one label (1, or 255, or 65535 in 16 bits)")
    return some.astype(np.uint8)


def _classes(mask: np.ndarray, numbers: dict[int, int]) -> np.ndarray:
    if mask.dtype.kind == "f":
        whole = np.rint(mask)
        with np.errstate(invalid="ignore"):  # infinity less itself is NaN, and refused with it
            off = np.abs(mask - whole)
        # Resampling tools leave 1.9999 for 2; what is further off is no label.
        if not (off < 0.01).all():
            raise Unreadable("the mask holds values that are no whole numbers")
        mask = whole
    low, high = mask.min(initial=0), mask.max(initial=0)
    known = {0: 0, **numbers}
    if low < 0 or high > max(known):
        raise Unreadable(_unknown(low if low < 0 else high, known))
    table = np.full(max(known) + 1, 255, dtype=np.uint8)
    for number, value in known.items():
        table[number] = value
    classes = table[mask.astype(np.uint8)]
    if (classes == 255).any():
        raise Unreadable(_unknown(int(mask[classes == 255].flat[0]), known))
    return classes


def _unknown(value: float, known: dict[int, int]) -> str:
    numbers = ", ".join(str(number) for number in sorted(known))
    return f"the mask holds label {value:.10g}, known are {numbers}"
