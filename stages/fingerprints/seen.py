"""The pictures that a model has seen, as their hashes, and which of others are among them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from stages.core import atomic
from stages.core.errors import UserError
from stages.fingerprints import fingerprint

BYTES = fingerprint.SIDE**2 // 8
"""Of a hash. All 0 stands for a picture that shows too little to have one."""


def packed(hashes: Iterable[str]) -> np.ndarray:
    """Hashes of `fingerprint.of` as (N, `BYTES`) uint8."""
    digits = "".join(value or "00" * BYTES for value in hashes)
    return np.frombuffer(bytes.fromhex(digits), np.uint8).reshape(-1, BYTES)


def unpacked(hashes: np.ndarray) -> list[str]:
    """The hashes of `packed` as hexadecimal digits, "" where there is none."""
    return [row.tobytes().hex() if row.any() else "" for row in hashes]


def distinct(hashes: np.ndarray) -> np.ndarray:
    """Each hash (N, `BYTES`) once, in the order of their bits: what a model says of the pictures it has seen,
    and not which of them belong together.
    """
    return np.unique(hashes[hashes.any(axis=1)], axis=0)


def among(hashes: np.ndarray, others: np.ndarray, bits: int = fingerprint.NEAR) -> np.ndarray:
    """Which pictures (N,) bool are, flipped or turned, within `bits` bits of one of the `others`; both
    (N, `BYTES`) uint8. A picture without a hash is like no other.
    """
    ours, theirs = unpacked(hashes), unpacked(others)
    owners = ["ours"] * len(ours) + ["theirs"] * len(theirs)
    near = np.zeros(len(ours), bool)
    near[[first for first, _ in fingerprint.near(ours + theirs, owners, bits)]] = True
    return near


def groups(hashes: np.ndarray, others: np.ndarray, names: Sequence[str]) -> list[str]:
    """Names, of a patient for each picture, of whose pictures one is `among` the others; sorted."""
    return sorted({name for name, near in zip(names, among(hashes, others), strict=True) if near})


def write(hashes: np.ndarray, path: Path) -> None:
    """Write hashes (N, `BYTES`) uint8 as a .npy file."""
    with atomic.file(path) as part, part.open("wb") as file:
        np.save(file, np.ascontiguousarray(hashes, np.uint8), allow_pickle=False)


def read(path: Path, way_out: str) -> np.ndarray:
    """Read hashes (N, `BYTES`); raises `UserError`, which ends with `way_out`, where there are none."""
    try:
        hashes = np.load(path, allow_pickle=False, mmap_mode="r")
        if hashes.dtype != np.uint8 or hashes.ndim != 2 or hashes.shape[1] != BYTES:
            raise ValueError
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; {way_out}") from None
    except (ValueError, EOFError, OSError):
        raise UserError(f"{path} holds no hashes of pictures; {way_out}") from None
    return np.array(hashes)
