"""Pictures that are in a set under several names, as `twins` joined them."""

from collections.abc import Iterator

from stages.checks.check import Finding
from stages.checks.slices import Slices


def duplicate(slices: Slices) -> Iterator[Finding]:
    """Not of corrections, which are meant to be of scans that are there already."""
    file = slices.rows.set_index("sample_id")["image"]
    for left, right in slices.same.identical:
        if right not in slices.corrections:
            yield Finding(right, file[right], f"its pixels are those of {left}")


def near_duplicate(slices: Slices) -> Iterator[Finding]:
    """Not what `duplicate` yields already, nor what is like the neighbours of the slice that it corrects."""
    by_id = slices.rows.set_index("sample_id")
    copies = slices.corrections.intersection(right for _, right in slices.same.identical)
    for left, right in slices.same.near:
        if copies.intersection((left, right)):
            continue
        first, second = by_id.loc[left], by_id.loc[right]
        if first["content"] != second["content"]:
            together = "both stay in one split"
            if slices.corrections.intersection((left, right)):
                together = "a correction trains only where the patients that it looks like do"
            text = f"it looks like {left} of patient {first['patient_id']}; {together}"
            yield Finding(right, str(second["image"]), text)


def run(slices: Slices) -> Iterator[Finding]:
    """One finding for the set."""
    runs = slices.same.runs
    if runs:
        left, right = runs[0]
        file = slices.rows.set_index("sample_id")["image"]
        text = (
            f"{len(runs)} pairs of pictures with consecutive numbers look alike, first {left} and "
            f"{right}: this set does not tell its patients, and such runs are taken for one"
        )
        yield Finding(right, file[right], text)
