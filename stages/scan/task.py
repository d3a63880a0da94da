"""What the numbers in masks mean: brought to one set of classes, and the regions to learn from them.

Which numbers a data set has is said in its source's entry.
"""

from dataclasses import dataclass, replace

import numpy as np

from stages.scan.header import Unreadable

_UNKNOWN = 255
"""Stands for a number that a mask should not hold while its classes are looked up, in eight bits."""


@dataclass(frozen=True)
class Task:
    """What the numbers of a data set's masks mean, and what is learnt from them.

    classes: names by number, from 1; 0 is background. regions: unions of classes, one channel of a network
    each. numbers: which class each number in a file stands for, 0 for what is not learnt; None: a mask of 0
    and one other number, which is class 1. exclusive: regions never share a pixel, so that of several the
    most probable has it; else the smaller are painted over the wider ones. noun: what a labelled pixel
    shows, for heads of tables.

    Raises ValueError where classes are not numbered from 1 on, a region or a number is of none of them, a
    class is of no region or no number, or exclusive regions share one.
    """

    name: str
    classes: dict[int, str]
    regions: dict[str, list[int]]
    numbers: dict[int, int] | None = None
    exclusive: bool = False
    noun: str = "tumour"

    def __post_init__(self) -> None:
        parts = [number for region in self.regions.values() for number in region]
        if sorted(self.classes) != list(range(1, len(self.classes) + 1)):
            raise ValueError(f"{self.name}: classes are numbered from 1 on, not {sorted(self.classes)}")
        if set(parts) != set(self.classes) or not all(self.regions.values()):
            raise ValueError(
                f"{self.name}: regions must be made of classes {sorted(self.classes)}, all of them"
            )
        if self.exclusive and len(parts) != len(self.classes):
            raise ValueError(f"{self.name}: exclusive regions must not share a class")
        if self.numbers is not None:
            if set(self.numbers.values()) - {0} != set(self.classes):
                raise ValueError(f"{self.name}: numbers must stand for all of {sorted(self.classes)}")
            if not all(0 < number < _UNKNOWN for number in self.numbers):
                raise ValueError(f"{self.name}: numbers in a mask are from 1 to {_UNKNOWN - 1}")

    def alike(self, other: "Task") -> bool:
        """Whether both make the same of their files, whose numbers may differ, as from year to year."""
        return replace(self, name="", numbers=None) == replace(other, name="", numbers=None)


_FULL = (1, 255, 65535)
"""What programs write for "yes" into a mask."""

TUMOUR = Task("tumour", {1: "tumour"}, {"tumour": [1]})
"""What most sets have: one class, whatever number their files write for it."""


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
    table = np.full(max(known) + 1, _UNKNOWN, dtype=np.uint8)
    for number, value in known.items():
        table[number] = value
    classes = table[mask.astype(np.uint8)]
    if (classes == _UNKNOWN).any():
        raise Unreadable(_unknown(int(mask[classes == _UNKNOWN].flat[0]), known))
    return classes


def _unknown(value: float, known: dict[int, int]) -> str:
    numbers = ", ".join(str(number) for number in sorted(known))
    return f"the mask holds label {value:.10g}, known are {numbers}"
