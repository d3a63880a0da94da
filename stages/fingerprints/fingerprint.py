"""A 576-bit hash of a picture that survives what re-published scans go through: flips, rotations, contrast
stretching, resizing and JPEG.

The signs of the lowest 24 x 24 coefficients of a cosine transform (pHash; Zauner, Upper Austria University of
Applied Sciences, 2010). Flips and rotations only swap and negate coefficients, so the hash of a picture
turned is known without turning it, and two pictures are compared in all eight positions. Of 69 pictures
published twice, transposed, stretched and once as JPEG, all come within 52 bits; slices of different LGG
patients are 98 or more apart. 16 x 16 signs are too few: 30 bits and 31.
"""

from collections.abc import Iterator

import cv2
import faiss
import numpy as np

SIDE = 24
"""Coefficients a side."""
NEAR = 60
"""Bits in which hashes may differ and still be taken for those of one picture."""
PIXELS = 128
MIN_SHARE = 0.15
"""Share of the picture that must be head: near the skull's top every patient looks like an oval."""
BLOCK = 4096
"""Pictures compared with all earlier ones at a time."""
MANY = 10_000
"""Pictures from which on not all are compared with all."""
SUBSTRING = 18
"""Bits by which pictures to compare are looked up: 32 parts of a hash, of which one differs in a bit at most
where all do in less than 64.
"""

_ODD = np.arange(SIDE) % 2 == 1
_ORDER = np.random.default_rng(0).permutation(SIDE * SIDE)
"""Of bits in substrings. Neighbouring coefficients are alike in many heads: in the order of the transform
five times as many LGG slices share a substring.
"""


def of(grey: np.ndarray) -> str:
    """Hash of a finite (H, W) picture as 144 hexadecimal digits, or "" where it shows too little."""
    low, high = float(grey.min()), float(grey.max())
    if high <= low or (grey > low + 0.1 * (high - low)).mean() < MIN_SHARE:
        return ""
    small = cv2.resize(grey.astype(np.float32, copy=False), (PIXELS, PIXELS), interpolation=cv2.INTER_AREA)
    return np.packbits(cv2.dct(small)[:SIDE, :SIDE] > 0).tobytes().hex()


def apart(left: str, right: str) -> int:
    """Bits in which two hashes differ, of pictures in the same position."""
    return (int(left, 16) ^ int(right, 16)).bit_count()


def near(hashes: list[str], owners: list[str], bits: int) -> list[tuple[int, int]]:
    """Pairs (i, j), i < j, of different owners whose pictures differ in at most `bits` of 576 bits in some
    position.

    Empty hashes match nothing.
    """
    known = np.array([i for i, value in enumerate(hashes) if value], dtype=np.int64)
    if not len(known):
        return []
    grids = np.frombuffer(bytes.fromhex("".join(hashes[i] for i in known)), np.uint8).reshape(len(known), -1)
    people = np.unique(np.array([owners[i] for i in known], dtype=str), return_inverse=True)[1]
    turned = np.empty((len(known), 8, grids.shape[1]), np.uint8)
    for start in range(0, len(known), BLOCK):
        turned[start : start + BLOCK] = _positions(grids[start : start + BLOCK])
    pairs = np.empty(0, np.int64)
    for index in _indices(len(known), bits):
        codes = [pairs]
        for start in range(0, len(known), BLOCK):
            block = turned[start : start + BLOCK]
            index.add(np.ascontiguousarray(block[:, 0]))
            # faiss returns what is nearer than its radius.
            limits, _, others = index.range_search(block.reshape(-1, block.shape[2]), bits + 1)
            counts = np.diff(limits.astype(np.int64)).reshape(len(block), -1).sum(axis=1)
            ours = np.repeat(np.arange(start, start + len(block)), counts)
            apart = (others < ours) & (people[others] != people[ours])
            codes.append(others[apart] * len(known) + ours[apart])
            block[:] = _rotated(block)
        pairs = np.unique(np.concatenate(codes))
    return [(int(known[pair // len(known)]), int(known[pair % len(known)])) for pair in pairs.tolist()]


def _indices(pictures: int, bits: int) -> Iterator[faiss.IndexBinary]:
    """What to look hashes up in, which are rotated by `SUBSTRING` bits after each: together they find all
    that is near.

    Of many pictures each knows those alone whose first bits are the same, or differ in one: of strings that
    differ in few bits some part does so (multi-index hashing; Norouzi, Punjani and Fleet, CVPR 2012).
    """
    flips = _flips(bits)
    if pictures < MANY or not flips:
        yield faiss.IndexBinaryFlat(SIDE * SIDE)
    else:
        for number in flips:
            index = faiss.IndexBinaryHash(SIDE * SIDE, SUBSTRING)
            index.nflip = number
            yield index


def _flips(bits: int) -> list[int]:
    """In how many bits each substring may differ, 0 or 1, so that strings that differ in at most `bits` bits
    are alike in one at least: if not, they would differ in the sum of what is one more than each number.
    Empty where substrings must differ in more bits, which takes longer than comparing all with all.
    """
    tables = SIDE * SIDE // SUBSTRING
    ones = max(0, bits + 1 - tables)
    return [1] * ones + [0] * (min(bits + 1, tables) - ones) if ones <= tables else []


def _rotated(hashes: np.ndarray) -> np.ndarray:
    """Bit `SUBSTRING` first, counted from the lowest of the first byte as faiss does."""
    whole, rest = divmod(SUBSTRING, 8)
    low, high = np.roll(hashes, -whole, axis=-1), np.roll(hashes, -whole - 1, axis=-1)
    return low >> rest | high << (8 - rest)


def _positions(hashes: np.ndarray) -> np.ndarray:
    """The hashes (N, 72) uint8 of the same pictures, flipped and turned, as they are first: (N, 8, 72), their
    bits in the order of `_ORDER`.
    """
    signs = np.unpackbits(hashes, axis=1)
    places = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    turned = [
        signs[:, grid.ravel()[_ORDER]] ^ ((up & _ODD[:, None]) ^ (across & _ODD)).ravel()[_ORDER]
        for grid in (places, places.T)
        for up in (False, True)
        for across in (False, True)
    ]
    return np.packbits(np.stack(turned, axis=1), axis=2, bitorder="little")
