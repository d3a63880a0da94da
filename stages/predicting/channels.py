"""Give a model the channels it was trained on, or say in a sentence which are missing."""

import numpy as np

from stages.framing import transform
from stages.inference.spec import Input
from stages.scan.header import Unreadable

_NO_SEQUENCES = {"gray", "red", "green", "blue"}
"""Channels of pictures that do not tell their sequence."""
_COLOURS = ["red", "green", "blue"]
_GRAY = ["gray"]


def pick(told: tuple[str, ...], wanted: Input) -> list[int] | None:
    """Positions of the model's modalities among those that a scan's files tell, in the model's order; None
    where the names of one of both mean nothing. Raises `Unreadable` where one is missing.
    """
    names = wanted.modalities if wanted.channels == _GRAY and wanted.modalities else wanted.channels
    if not told or _NO_SEQUENCES.issuperset(names):
        return None
    missing = [name for name in names if name not in told]
    if missing:
        raise Unreadable(
            f"modality {', '.join(missing)} is missing: the scan has {', '.join(told)}, "
            f"the model takes {', '.join(names)}"
        )
    return [told.index(name) for name in names]


def arranged(
    voxels: np.ndarray, wanted: Input, picked: bool = False, flat: bool = False, blended: str = ""
) -> np.ndarray:
    """Channels of a scan (S, H, W, n) as the model takes them: (S, H, W, C), or (S, H, W, 1) of their mean.

    picked: the n channels are those of `pick`. flat: a lone picture, in which three equal channels are one
    grey channel. blended: why three channels cannot be three sequences, if so. Raises `Unreadable`.
    """
    if picked:
        return transform.to_channels(voxels, None) if wanted.channels == _GRAY else voxels
    if flat and voxels.shape[3] == 3 and _is_grey(voxels, len(wanted.modalities) == 3):
        voxels = voxels[..., :1]
    if voxels.shape[3] == 1 and _COLOURS in (wanted.modalities, wanted.channels):
        voxels = np.repeat(voxels, 3, axis=3)  # how a grey picture is saved in colours
    return transform.to_channels(voxels, _positions(voxels.shape[3], wanted, blended))


def _positions(count: int, wanted: Input, blended: str) -> list[int] | None:
    """Positions of the model's channels among a scan's, None for their mean."""
    gray, modalities = wanted.channels == _GRAY, wanted.modalities
    if blended and count == 3 and not _NO_SEQUENCES.issuperset(modalities or wanted.channels):
        raise Unreadable(_photo(wanted) if len(wanted.channels) == 1 else _blended(wanted, blended))
    if count == len(modalities) or (gray and (count == 1 or not modalities)):
        return None if gray else [modalities.index(name) for name in wanted.channels]
    if count == len(wanted.channels):
        return list(range(count))
    if count in (3, 4) and len(modalities or wanted.channels) == 1:
        raise Unreadable(_photo(wanted))
    names = modalities or wanted.channels
    raise Unreadable(
        f"it has {count} {'channel' if count == 1 else 'channels'}, "
        f"the model takes {len(names)} ({', '.join(names)})"
    )


def _photo(wanted: Input) -> str:
    return (
        f"it is a colour picture, the model takes one grey sequence ({wanted.channels[0]}); save it as grey"
    )


def _blended(wanted: Input, blended: str) -> str:
    names = ", ".join(wanted.modalities or wanted.channels)
    return f"{blended}, so its channels cannot be {names}; save these as the channels of a TIFF or PNG"


def _is_grey(picture: np.ndarray, sequences: bool) -> bool:
    """Three equal channels. A picture of one value may as well be a blank slice of three `sequences`."""
    same = bool((picture == picture[..., :1]).all())
    return same and not (sequences and bool((picture == picture.flat[0]).all()))
