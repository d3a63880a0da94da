"""What a check is, and what it finds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Each = Literal["slice", "case", "set"]
"""What the function of a check judges at a time."""


class Finding(NamedTuple):
    """What is wrong: the slice, the file to look at, and a sentence."""

    sample_id: str
    file: str
    explanation: str


@dataclass(frozen=True)
class Check:
    """`name` is what findings.csv has in its column check.

    severity: "critical" makes a slice unusable, "warning" is for a person to look at, "info" is worth
    knowing. function: yields findings on each row of manifest and measurements (`each` "slice"), on the rows
    of each case ("case"), or on all of them, a `slices.Slices` ("set"). threshold: in the unit that `reason`
    has, None where the check needs no number, or takes a param.
    """

    name: str
    title: str
    severity: Literal["critical", "warning", "info"]
    function: Callable[[Any], Iterator[Finding]]
    reason: str
    threshold: float | None = None
    each: Each = "set"
