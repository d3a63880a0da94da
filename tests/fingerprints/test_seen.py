"""The pictures a model has seen: whatever was done to them, they are recognised, and no others."""

import io
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stages.core.errors import UserError
from stages.fingerprints import fingerprint, seen
from tests.fixtures import scans

HASHES = st.lists(st.one_of(st.just(""), st.binary(min_size=72, max_size=72).map(bytes.hex)), max_size=6)


def slices(patient: int) -> np.ndarray:
    """Six slices (6, H, W) float32 of a generated patient's head."""
    return scans.volume(6, seed=(7, patient))[0].mean(axis=-1, dtype=np.float32)


def hashed(pictures: np.ndarray) -> np.ndarray:
    return seen.packed(fingerprint.of(picture) for picture in pictures)


def as_jpeg(picture: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(picture.astype(np.uint8)).save(buffer, "jpeg", quality=80)
    return np.asarray(Image.open(buffer), np.float32)


CHANGES = {
    "as it was": lambda picture: picture,
    "mirrored": lambda picture: picture[:, ::-1],
    "turned": lambda picture: np.rot90(picture),
    "larger": lambda picture: cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR),
    "brighter": lambda picture: picture * 3 + 20,
    "as JPEG": as_jpeg,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_patient_is_recognised_whatever_was_done_to_the_pictures(change: Callable[..., Any]) -> None:
    learnt = seen.distinct(hashed(np.concatenate([slices(0), slices(1)])))
    again = hashed(np.stack([change(picture) for picture in slices(1)]))
    other = hashed(slices(2))

    patients = ["again"] * len(again) + ["other"] * len(other)
    assert seen.groups(np.concatenate([again, other]), learnt, patients) == ["again"]


@given(HASHES)
def test_hashes_survive_packing(hashes: list[str]) -> None:
    known = [value if value.strip("0") else "" for value in hashes]
    assert seen.unpacked(seen.packed(known)) == known


@given(HASHES, st.randoms())
def test_a_model_does_not_say_which_pictures_belong_together(
    hashes: list[str], random: random.Random
) -> None:
    shuffled = random.sample(hashes, len(hashes))
    assert np.array_equal(seen.distinct(seen.packed(hashes)), seen.distinct(seen.packed(shuffled + hashes)))


def test_a_picture_that_shows_nothing_is_like_no_other() -> None:
    nothing = seen.packed(["", ""])
    assert not seen.among(nothing, nothing).any()
    assert not seen.distinct(nothing).size


def test_what_was_written_is_read(tmp_path: Path) -> None:
    hashes = hashed(slices(0))
    seen.write(hashes, tmp_path / "seen.npy")
    assert np.array_equal(seen.read(tmp_path / "seen.npy", "make it"), hashes)


@pytest.mark.parametrize(
    "content", [b"", b"no numpy", np.zeros((2, 3)), np.zeros((2, 71), np.uint8), np.array([{}], object)]
)
def test_what_is_no_file_of_hashes_is_a_sentence(tmp_path: Path, content: bytes | np.ndarray) -> None:
    path = tmp_path / "seen.npy"
    path.write_bytes(content) if isinstance(content, bytes) else np.save(path, content, allow_pickle=True)
    with pytest.raises(UserError, match=re.escape(f"{path} holds no hashes of pictures; export it again")):
        seen.read(path, "export it again")
    with pytest.raises(UserError, match="does not exist; export it again"):
        seen.read(tmp_path / "other.npy", "export it again")
