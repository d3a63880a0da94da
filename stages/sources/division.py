"""The division into train, validation and test that a source was published with."""

from pathlib import PurePosixPath

_NAMES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
_SPLIT = {name: split for split, names in _NAMES.items() for name in names}


def of(path: PurePosixPath) -> str:
    """train, val or test by the innermost folder of a file that is named so; "" where none is."""
    folders = (part.lower() for part in reversed(path.parts[:-1]))
    return next((_SPLIT[folder] for folder in folders if folder in _SPLIT), "")
