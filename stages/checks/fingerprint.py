"""A 576-bit hash of a picture that survives what re-published scans go through: flips, rotations, contrast
stretching, resizing and JPEG.

The signs of the lowest 24 x 24 coefficients of a cosine transform (pHash; Zauner, Upper Austria University of
Applied Sciences, 2010). Flips and rotations only swap and negate coefficients, so the hash of a picture
turned is known without turning it, and two pictures are compared in all eight positions. Of 69 pictures
published twice, transposed, stretched and once as JPEG, all come within 52 bits; slices of different LGG
patients are 98 or more apart. 16 x 16 signs are too few: 30 bits and 31.
"""

import cv2
import faiss
import numpy as np

SIDE = 24
"""Coefficients a side."""
PIXELS = 128
MIN_SHARE = 0.15
"""Share of the picture that must be head: near the skull's top every patient looks like an oval."""
BLOCK = 4096
"""Pictures compared with all earlier ones at a time."""

_ODD = np.arange(SIDE) % 2 == 1


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
    index = faiss.IndexBinaryFlat(SIDE * SIDE)
    pairs: set[tuple[int, int]] = set()
    for start in range(0, len(known), BLOCK):
        block = grids[start : start + BLOCK]
        index.add(block)
        for turned in _positions(block):
            # faiss returns what is nearer than its radius.
            limits, _, others = index.range_search(turned, bits + 1)
            counts = (limits[1:] - limits[:-1]).astype(np.int64)
            ours = np.repeat(np.arange(start, start + len(block)), counts)
            apart = (others < ours) & (people[others] != people[ours])
            pairs.update(zip(others[apart].tolist(), ours[apart].tolist(), strict=True))
    return sorted((int(known[i]), int(known[j])) for i, j in pairs)


def _positions(hashes: np.ndarray) -> list[np.ndarray]:
    """The hashes (N, 72) uint8 of the same pictures, flipped and turned: eight of them."""
    signs = np.unpackbits(hashes, axis=1).reshape(-1, SIDE, SIDE).astype(bool)
    both = (signs, signs.transpose(0, 2, 1))
    return [
        np.packbits((grid ^ (up & _ODD[:, None]) ^ (across & _ODD)).reshape(len(grid), -1), axis=1)
        for grid in both
        for up in (False, True)
        for across in (False, True)
    ]
