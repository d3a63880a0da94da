"""The channels of a set as a model takes them, or a sentence that says why it cannot."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from stages.core.errors import UserError
from stages.inference.spec import Input
from stages.sources import brats_cases

_PICTURES = {"gray", "red", "green", "blue"}
"""Channels of files that do not tell their sequence."""
_SAME = {"pre": "t1", "post": "t1ce"}
"""LGG's names: T1 before and after contrast medium (Buda 2019)."""


@dataclass(frozen=True)
class Channels:
    """taken: names of the set's channels in the model's order, or "gray" for the mean of all. sentences: what
    had to be assumed.
    """

    taken: list[str] | Literal["gray"]
    sentences: tuple[str, ...] = ()


def match(model_input: Input, offered: Sequence[str]) -> Channels:
    """Which channels of a set a model takes. offered: the different `modalities` of its scans. Raises
    `UserError` where the set lacks a channel, or its scans differ in theirs.
    """
    if len(offered) > 1:
        raise UserError(
            f"the scans differ in their modalities ({offered[0]} and {offered[1]}); score each kind by itself"
        )
    names = offered[0].split(";")
    if model_input.channels == ["gray"]:
        return _mean(model_input, names)
    if set(names) <= _PICTURES and not set(model_input.channels) <= _PICTURES:
        return _untold(model_input, names)
    own = {_sequence(name): name for name in names}
    lacking = [name for name in model_input.channels if _sequence(name) not in own]
    if lacking:
        raise UserError(
            f"the model takes {', '.join(model_input.channels)} and the scans have {', '.join(names)}: "
            f"{lacking[0]} is missing; score it on scans that have it, or train with preprocess.channels set "
            "to what both have"
        )
    taken = [own[_sequence(name)] for name in model_input.channels]
    renamed = [
        f"its {theirs} is taken for {ours}"
        for ours, theirs in zip(model_input.channels, taken, strict=True)
        if ours != theirs
    ]
    return Channels(taken, tuple(renamed))


def _mean(model_input: Input, names: list[str]) -> Channels:
    """Of a model that takes the mean of a scan's channels."""
    ours = model_input.modalities
    if not ours or len(names) == 1 or sorted(map(_sequence, ours)) == sorted(map(_sequence, names)):
        alike = not ours or sorted(ours) == sorted(names)
        return Channels("gray", () if alike else (f"{', '.join(names)} is taken for {', '.join(ours)}",))
    raise UserError(
        f"the model takes the mean of {', '.join(ours)} and the scans have {', '.join(names)}; score it on "
        "scans that have the same"
    )


def _untold(model_input: Input, names: list[str]) -> Channels:
    """Of pictures, whose files do not tell their sequences."""
    if len(names) != len(model_input.channels):
        raise UserError(
            f"the model takes {', '.join(model_input.channels)} and the scans have {', '.join(names)}, whose "
            "sequence nothing tells; score it on scans that have as many channels"
        )
    ours, theirs = ", ".join(model_input.channels), ", ".join(names)
    return Channels(names, (f"nothing tells the sequence of {theirs}, which is taken for {ours}",))


def _sequence(name: str) -> str:
    return _SAME.get(name, brats_cases.sequence(name))
