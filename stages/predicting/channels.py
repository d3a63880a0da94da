"""Give a model the channels it was trained on, or say in a sentence which are missing."""

import numpy as np

from stages.framing import transform
from stages.inference.spec import Input
from stages.scan.header import Unreadable
from stages.sources import brats_cases

_NO_SEQUENCES = {"gray", "red", "green", "blue"}
"""Channels of pictures that do not tell their sequence."""
_COLOURS = ["red", "green", "blue"]
_GRAY = ["gray"]


def pick(roles: tuple[str, ...], model_input: Input) -> list[int] | None:
    """Positions of the model's modalities among those that a scan's files tell, in the model's order; None
    where the names of one of both mean nothing. Raises `Unreadable` where one is missing.
    """
    names = (
        model_input.modalities
        if model_input.channels == _GRAY and model_input.modalities
        else model_input.channels
    )
    if not roles or _NO_SEQUENCES.issuperset(names):
        return None
    known = [brats_cases.sequence(role) for role in roles]
    places = {name: known.index(own) for name in names if (own := brats_cases.sequence(name)) in known}
    missing = [name for name in names if name not in places]
    if missing:
        raise Unreadable(
            f"modality {', '.join(missing)} is missing: the scan has {', '.join(roles)}, "
            f"the model takes {', '.join(names)}"
        )
    return [places[name] for name in names]


def sequences(model_input: Input) -> list[str]:
    """The names of what a model takes, [] of pictures."""
    names = model_input.modalities or model_input.channels
    return [] if _NO_SEQUENCES.issuperset(names) else list(names)


def series(volumes: int, files: int, model_input: Input) -> None:
    """Raise `Unreadable` where a file of so many volumes cannot be what a model takes, nor one of several
    files for a sequence each.
    """
    names = model_input.modalities or model_input.channels
    if volumes == 1 or (files == 1 and volumes in (len(model_input.channels), len(names))):
        return
    needed = "one" if files > 1 or len(names) == 1 else f"one of each of {', '.join(names)}"
    raise Unreadable(f"it is a series of {volumes} volumes, {needed} is needed")


def untold(roles: tuple[str, ...], model_input: Input, volumes: int = 1, files: int = 1) -> tuple[str, ...]:
    """A remark where a model takes sequences by name and nothing says that a scan, or each of its files or of
    the volumes in its only file, is of them.
    """
    names = model_input.modalities or model_input.channels
    if roles or _NO_SEQUENCES.issuperset(names):
        return ()
    if files > 1:
        return (f"its files have numbers, which were taken for {', '.join(names)} in this order",)
    if len(names) > 1 and volumes > 1:
        taken = names if volumes == len(names) else model_input.channels
        return (f"nothing tells the sequence of its volumes, so they were taken for {', '.join(taken)}",)
    return (f"nothing tells its sequence, so it was taken for {names[0]}",) if len(names) == 1 else ()


def arranged(
    voxels: np.ndarray, model_input: Input, picked: bool = False, raster: bool = False, blended: str = ""
) -> np.ndarray:
    """Channels of a scan (S, H, W, n) as the model takes them: (S, H, W, C), or (S, H, W, 1) of their mean.

    Three equal channels are one grey channel for a model that takes one. For a model of three sequences they
    are these, of which sets hold copies (10 patients of LGG).

    picked: the n channels are those of `pick`. raster: a PNG or JPEG, in which three equal channels may as
    well be how programs save a grey picture. blended: why three channels cannot be three sequences, if so.
    Raises `Unreadable`.
    """
    if picked:
        return transform.to_channels(voxels, None) if model_input.channels == _GRAY else voxels
    if voxels.shape[3] == 3 and bool((voxels == voxels[..., :1]).all()):
        blank = bool((voxels == voxels.flat[0]).all())
        if raster and not blank and not blended and _takes_three(model_input):
            raise Unreadable(_ambiguous(model_input))
        if not _takes_several(model_input) or (raster and not blank):
            voxels = voxels[..., :1]
    if voxels.shape[3] == 1 and _COLOURS in (model_input.modalities, model_input.channels):
        voxels = np.repeat(voxels, 3, axis=3)  # how a grey picture is saved in colours
    return transform.to_channels(voxels, _positions(voxels.shape[3], model_input, blended))


def _takes_several(model_input: Input) -> bool:
    """Whether a model takes several sequences: colours are none."""
    return len(model_input.channels) > 1 and not _NO_SEQUENCES.issuperset(model_input.channels)


def _takes_three(model_input: Input) -> bool:
    """Whether three channels may be a scan's sequences to a model of several."""
    return _takes_several(model_input) and 3 in (len(model_input.modalities), len(model_input.channels))


def _positions(count: int, model_input: Input, blended: str) -> list[int] | None:
    """Positions of the model's channels among a scan's, None for their mean."""
    gray, modalities = model_input.channels == _GRAY, model_input.modalities
    if blended and count == 3 and not _NO_SEQUENCES.issuperset(modalities or model_input.channels):
        raise Unreadable(
            _photo(model_input) if len(model_input.channels) == 1 else _blended(model_input, blended)
        )
    if count == len(modalities) or (gray and (count == 1 or not modalities)):
        return None if gray else [modalities.index(name) for name in model_input.channels]
    if count == len(model_input.channels):
        return list(range(count))
    if count in (3, 4) and len(modalities or model_input.channels) == 1:
        raise Unreadable(_photo(model_input))
    names = modalities or model_input.channels
    raise Unreadable(
        f"it has {count} {'channel' if count == 1 else 'channels'}, "
        f"the model takes {len(names)} ({', '.join(names)})"
    )


def _photo(model_input: Input) -> str:
    name = model_input.channels[0]
    return f"it is a colour picture, the model takes one grey sequence ({name}); save it as grey"


def _blended(model_input: Input, blended: str) -> str:
    names = ", ".join(model_input.modalities or model_input.channels)
    return f"{blended}, so its channels cannot be {names}; save these as the channels of a TIFF or PNG"


def _ambiguous(model_input: Input) -> str:
    names = ", ".join(model_input.modalities or model_input.channels)
    return (
        "its three channels are equal: it is a grey picture saved in colours, which is one sequence, or its "
        f"sequences are copies; where they are {names}, save them as the channels of a TIFF"
    )
