"""Hashes of pictures: copies are found however they were turned or stretched, and people are told apart."""

import io
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from stages.fingerprints import fingerprint
from stages.project import params
from tests.fixtures import scans

PARAMS = Path(__file__).parents[2] / "params.yaml"
SIDE = fingerprint.SIDE
TURNS = [(quarters, mirrored) for quarters in range(4) for mirrored in (False, True)]


@pytest.fixture(scope="module")
def bits() -> int:
    """Up to how many bits the project as shipped joins patients."""
    return params.load(params.Validate, PARAMS).near_duplicate_bits


@pytest.fixture(scope="module")
def slices(lgg_folder: Path) -> list[np.ndarray]:
    """Grey pictures of the middle half of three real cases."""
    found = []
    for folder in sorted((lgg_folder / "kaggle_3m").iterdir()):
        count = len(list(folder.glob("*_mask.tif")))
        names = [folder / f"{folder.name}_{k}.tif" for k in range(count // 4, 3 * count // 4)]
        found += [tifffile.imread(name).mean(axis=2, dtype=np.float32) for name in names]
    return found


def turned(picture: np.ndarray, turn: tuple[int, bool]) -> np.ndarray:
    """A picture, or an array of anything, in one of eight positions."""
    quarters, mirrored = turn
    return np.ascontiguousarray(np.rot90(picture.T if mirrored else picture, quarters))


def apart(one: np.ndarray, other: np.ndarray) -> int:
    """Bits between two pictures in the best position, found by really turning one of them."""
    known = fingerprint.of(other)
    assert known
    return min(fingerprint.apart(fingerprint.of(turned(one, turn)), known) for turn in TURNS)


@st.composite
def pictures(draw: st.DrawFn) -> tuple[str, np.ndarray]:
    """The signs of the low cosine coefficients, as 0 and 1, and a 64 x 64 picture that has them, none near
    zero.
    """
    signs = np.array(draw(st.lists(st.booleans(), min_size=SIDE * SIDE, max_size=SIDE * SIDE)))
    signs[0] = True  # the mean of what is nowhere negative
    frequency = np.add.outer(np.arange(SIDE), np.arange(SIDE))
    coefficients = np.zeros((64, 64), np.float32)
    # Low ones are strong as in any picture; the weakest is still some hundredths of the strongest.
    coefficients[:SIDE, :SIDE] = np.where(signs, 1, -1).reshape(SIDE, SIDE) / (1 + frequency)
    picture = cv2.idct(coefficients)
    picture -= picture.min()
    assume((picture > 0.15 * picture.max()).mean() > 0.2)
    return "".join("01"[int(sign)] for sign in signs), picture


@settings(max_examples=25)
@given(drawn=pictures())
def test_the_hash_is_the_signs_of_the_low_coefficients(drawn: tuple[str, np.ndarray]) -> None:
    signs, picture = drawn
    assert f"{int(fingerprint.of(picture), 16):0{SIDE * SIDE}b}" == signs


@settings(max_examples=25)
@given(
    drawn=pictures(), turn=st.sampled_from(TURNS), rows=st.integers(1, 3), columns=st.sampled_from([1, 2, 4])
)
def test_a_picture_is_met_in_all_eight_positions_and_any_size(
    drawn: tuple[str, np.ndarray], turn: tuple[int, bool], rows: int, columns: int
) -> None:
    """By no bit do they differ, also where a pixel became a block of them; in one position they do."""
    again = turned(drawn[1], turn)
    larger = np.kron(again, np.ones((rows, columns), np.float32))
    one, other = fingerprint.of(drawn[1]), fingerprint.of(larger)
    assert fingerprint.near([one, other], ["a", "b"], 0) == [(0, 1)]
    assert (one == other) == np.allclose(drawn[1], again, atol=1e-4)


@settings(max_examples=25)
@given(drawn=pictures(), gain=st.floats(0.05, 4000), offset=st.floats(0, 1))
def test_contrast_and_brightness_change_nothing(
    drawn: tuple[str, np.ndarray], gain: float, offset: float
) -> None:
    stretched = np.float32(gain) * (drawn[1] + np.float32(offset))
    assert fingerprint.of(stretched) == fingerprint.of(drawn[1])


def saturated(grey: np.ndarray) -> np.ndarray:
    """Stretched so that one pixel in a hundred is black or white, in 8 bits."""
    low, high = np.percentile(grey, [0.5, 99.5])
    return np.clip(np.rint((grey - low) * (255 / (high - low))), 0, 255).astype(np.uint8)


def jpeg(grey: np.ndarray, side: int, quality: int = 80) -> np.ndarray:
    packed = io.BytesIO()
    resized = Image.fromarray(grey).resize((side, side), Image.Resampling.BICUBIC)
    resized.save(packed, "JPEG", quality=quality)
    return np.asarray(Image.open(packed))


REPUBLISHED = {
    "as it was": (lambda grey: grey, 0),
    "in 16 bits": (lambda grey: np.rint(grey * 256).astype(np.uint16), 0),
    "mirrored": (lambda grey: grey[:, ::-1], 0),
    "stretched": (saturated, 6),
    "resized": (lambda grey: np.asarray(Image.fromarray(grey).resize((181, 181))), 4),
    "as JPEG": (lambda grey: jpeg(np.rint(grey).astype(np.uint8), 256), 5),
    "all of it": (lambda grey: jpeg(saturated(grey).T, 320), 8),
}
"""What is done to a picture, and bits of 256 which that may cost."""


@pytest.mark.parametrize("how", REPUBLISHED)
def test_a_republished_slice_is_recognised(slices: list[np.ndarray], how: str, bits: int) -> None:
    change, cost = REPUBLISHED[how]
    distance = [apart(grey, np.ascontiguousarray(change(grey)).astype(np.float32)) for grey in slices]
    assert max(distance) <= cost * SIDE * SIDE / 256, sorted(distance)
    assert max(distance) <= bits


def grid_of(text: str) -> np.ndarray:
    return np.array([int(bit) for bit in f"{int(text, 16):0{SIDE * SIDE}b}"]).reshape(SIDE, SIDE)


def text_of(grid: np.ndarray) -> str:
    return f"{int(''.join(map(str, grid.ravel())), 2):0{SIDE * SIDE // 4}x}"


def positions(text: str) -> list[int]:
    """Hashes of a picture in its eight positions: a mirror image negates what is odd across the mirror."""
    grid = grid_of(text)
    row, column = np.indices(grid.shape)
    return [
        int(text_of(one ^ (row * up % 2) ^ (column * across % 2)), 16)
        for one in (grid, grid.T)
        for up in (0, 1)
        for across in (0, 1)
    ]


def naive(hashes: list[str], owners: list[str], bits: int) -> list[tuple[int, int]]:
    """All pairs, bit by bit."""
    return [
        (i, j)
        for i, j in combinations(range(len(hashes)), 2)
        if hashes[i]
        and hashes[j]
        and owners[i] != owners[j]
        and min((one ^ int(hashes[j], 16)).bit_count() for one in positions(hashes[i])) <= bits
    ]


HASH = st.one_of(st.just(""), st.binary(min_size=SIDE * SIDE // 8, max_size=SIDE * SIDE // 8).map(bytes.hex))
COPY = st.tuples(st.integers(0, 6), st.integers(0, 7), st.sets(st.integers(0, SIDE * SIDE - 1), max_size=7))


@settings(max_examples=80)
@given(
    hashes=st.lists(HASH, max_size=7),
    copies=st.lists(COPY, max_size=7),
    owners=st.lists(st.sampled_from(["a", "b", "c", ""]), min_size=14, max_size=14),
    bits=st.integers(0, 9),
    block=st.sampled_from([1, 2, 3, 5, 4096]),
    many=st.sampled_from([0, 10_000]),
)
def test_near_finds_what_a_bit_by_bit_search_finds(
    hashes: list[str],
    copies: list[tuple[int, int, set[int]]],
    owners: list[str],
    bits: int,
    block: int,
    many: int,
) -> None:
    """In order, wherever the border of a block falls, and also where not all are compared with all."""
    originals = [value for value in hashes if value]
    for source, turn, changed in copies if originals else []:
        position = positions(originals[source % len(originals)])[turn]
        for bit in changed:
            position ^= 1 << bit
        hashes = [*hashes, f"{position:0{SIDE * SIDE // 4}x}"]
    owners = owners[: len(hashes)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fingerprint, "BLOCK", block)
        patch.setattr(fingerprint, "MANY", many)
        assert fingerprint.near(hashes, owners, bits) == naive(hashes, owners, bits)


@pytest.mark.parametrize("bits", [0, 9, 31, 32, 60, 63, 64, 200])
@pytest.mark.parametrize("last", [False, True])
def test_no_spread_of_the_differences_hides_a_copy(
    bits: int, last: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worst one differs in every substring but one in just more bits than are looked up."""
    monkeypatch.setattr(fingerprint, "MANY", 0)
    original, *others = (np.random.default_rng(seed).integers(0, 2, SIDE * SIDE) for seed in range(9))
    order = fingerprint._ORDER.reshape(-1, fingerprint.SUBSTRING)
    most = [flips + 1 for flips in fingerprint._flips(bits)] or [3] * len(order)
    hidden = np.concatenate([places[:count] for places, count in zip(order, most, strict=False)])
    hidden = np.concatenate([hidden, np.setdiff1d(order.ravel(), hidden)])
    hidden = hidden[1 : bits + 1] if last else hidden[:bits]
    changed = original.copy()
    changed[hidden] ^= 1
    for turn in positions(text_of(changed)):
        hashes = [text_of(original), *map(text_of, others), f"{turn:0{SIDE * SIDE // 4}x}"]
        owners = [str(place) for place in range(len(hashes))]
        assert fingerprint.near(hashes, owners, bits) == [(0, len(hashes) - 1)]
        if bits:
            assert fingerprint.near(hashes, owners, bits - 1) == []


def test_the_limit_counts_as_near() -> None:
    one = "0" * (SIDE * SIDE // 4)
    other = f"{0b111 << 40:0{SIDE * SIDE // 4}x}"
    assert fingerprint.near([one, other], ["a", "b"], 3) == [(0, 1)]
    assert fingerprint.near([one, other], ["a", "b"], 2) == []
    assert fingerprint.apart(one, other) == 3


def test_pictures_that_show_too_little_have_no_hash_and_match_nothing() -> None:
    speck = np.zeros((64, 64), np.float32)
    speck[20:26, 30:36] = 200
    assert fingerprint.of(speck) == ""
    assert fingerprint.of(np.full((64, 64), 9, np.float32)) == ""
    assert fingerprint.near(["", ""], ["a", "b"], 64) == []
    assert fingerprint.near([], [], 64) == []


def test_slices_of_the_makers_of_scans_and_of_one_person_are_no_copies(bits: int) -> None:
    """Or the tests of all that splits would split nothing."""
    pictures = [
        (str(patient), fingerprint.of(image.mean(axis=2, dtype=np.float32)))
        for patient in range(16)
        for image in scans.volume(6, 64, seed=(0, patient))[0]
    ]
    hashes = [one for _, one in pictures]
    assert all(hashes)
    assert fingerprint.near(hashes, [owner for owner, _ in pictures], bits) == []
    assert len(fingerprint.near(hashes, [str(k) for k in range(len(hashes))], bits)) > 16
