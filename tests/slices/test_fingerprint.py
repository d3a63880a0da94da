"""Hashes of pictures: copies are found however they were turned or stretched, and people are told apart."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.slices import fingerprint
from tests.fixtures import scans

COPY = 8
"""Bits, of 256, up to which `fingerprint` promises to join copies only."""


@pytest.fixture(scope="module")
def slices(lgg_folder: Path) -> dict[str, list[np.ndarray]]:
    """Grey pictures of real slices by patient."""
    found: dict[str, list[np.ndarray]] = {}
    for folder in sorted((lgg_folder / "kaggle_3m").iterdir()):
        count = len(list(folder.glob("*_mask.tif")))
        names = [folder / f"{folder.name}_{k}.tif" for k in range(count // 4, 3 * count // 4)]
        found[folder.name] = [tifffile.imread(name).mean(axis=2, dtype=np.float32) for name in names]
    return found


def apart(one: str, other: str) -> int:
    """Differing bits in the best of eight orientations; bit by bit, to check `near` against."""
    left = np.array([int(bit) for bit in f"{int(one, 16):0256b}"]).reshape(16, 16)
    right = np.array([int(bit) for bit in f"{int(other, 16):0256b}"]).reshape(16, 16)
    turned = [np.rot90(side, n) for side in (left, np.fliplr(left)) for n in range(4)]
    return min(int((side != right).sum()) for side in turned)


REPUBLISHED = {
    "transposed": lambda grey: grey.T,
    "mirrored": lambda grey: grey[:, ::-1],
    "upside down": lambda grey: grey[::-1],
    "turned": lambda grey: np.rot90(grey),
    "stretched": lambda grey: np.clip(1.7 * grey + 10, 0, 255),
    "in 16 bits": lambda grey: grey * 257,
    "with a margin": lambda grey: np.pad(grey, ((30, 10), (5, 41)), constant_values=grey.min()),
    "twice as large": lambda grey: np.kron(grey, np.ones((2, 2), np.float32)),
    "transposed and stretched": lambda grey: np.clip(1.4 * grey.T, 0, 255),
}


@pytest.mark.parametrize("how", REPUBLISHED)
def test_a_republished_slice_is_recognised(slices: dict[str, list[np.ndarray]], how: str) -> None:
    originals = [grey for greys in slices.values() for grey in greys]
    hashes = [fingerprint.of(grey) for grey in originals]
    again = [fingerprint.of(np.ascontiguousarray(REPUBLISHED[how](grey))) for grey in originals]
    assert all(hashes)
    distance = [apart(one, other) for one, other in zip(hashes, again, strict=True)]
    assert np.mean(np.array(distance) <= COPY) > 0.9, sorted(distance)[-5:]


def test_slices_of_different_people_are_told_apart(slices: dict[str, list[np.ndarray]]) -> None:
    hashes = [fingerprint.of(grey) for greys in slices.values() for grey in greys]
    owners = [person for person, greys in slices.items() for _ in greys]
    assert fingerprint.near(hashes, owners, COPY) == []
    assert (
        min(
            apart(hashes[i], hashes[j])
            for i, j in combinations(range(len(hashes)), 2)
            if owners[i] != owners[j]
        )
        >= 15
    )


HASH = st.one_of(st.just(""), st.binary(min_size=32, max_size=32).map(bytes.hex))


@settings(max_examples=40, deadline=None)
@given(
    hashes=st.lists(HASH, min_size=1, max_size=6),
    flips=st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 7), st.sets(st.integers(0, 255), max_size=6)), max_size=6
    ),
    owners=st.lists(st.sampled_from("abc"), min_size=12, max_size=12),
    bits=st.integers(0, 8),
)
def test_near_finds_what_a_bit_by_bit_search_finds(
    hashes: list[str], flips: list[tuple[int, int, set[int]]], owners: list[str], bits: int
) -> None:
    for (
        source,
        turn,
        changed,
    ) in flips:  # turned copies with a few bits changed, so that there is something to find
        original = hashes[source % len(hashes)]
        if original:
            grid = np.array([int(bit) for bit in f"{int(original, 16):0256b}"]).reshape(16, 16)
            grid = np.rot90(grid if turn < 4 else grid.T, turn % 4).copy()
            grid.flat[list(changed)] ^= 1
            hashes = [*hashes, f"{int(''.join(map(str, grid.ravel())), 2):064x}"]
    wanted = [
        (i, j)
        for i, j in combinations(range(len(hashes)), 2)
        if hashes[i] and hashes[j] and owners[i] != owners[j] and apart(hashes[i], hashes[j]) <= bits
    ]
    assert fingerprint.near(hashes, owners[: len(hashes)], bits) == wanted


def test_pictures_that_show_too_little_have_no_hash() -> None:
    speck = np.zeros((64, 64), np.float32)
    speck[20:26, 30:36] = 200
    assert fingerprint.of(speck) == ""
    assert fingerprint.of(np.full((64, 64), 9, np.float32)) == ""
    assert fingerprint.near(["", ""], ["a", "b"], 64) == []


def test_the_makers_of_test_scans_draw_people_who_differ() -> None:
    hashes, owners = [], []
    for patient in range(12):
        for image in scans.volume(4, 64, seed=(0, patient))[0]:
            hashes.append(fingerprint.of(image.mean(axis=2, dtype=np.float32)))
            owners.append(str(patient))
    assert all(hashes)
    assert fingerprint.near(hashes, owners, COPY) == []
