"""PNG and JPEG files that are cut short, damaged, forged or out to do harm: a sentence, no wrong picture."""

import contextlib
import io
import random
import struct
import tracemalloc
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from stages.scan.header import Header, Unreadable
from tests.fixtures import pictures
from tests.fixtures.decoded import raster_header, raster_mask, raster_voxels

READS: tuple[Callable[[Path], object], ...] = (raster_header, raster_voxels, raster_mask)
TOO_LARGE = "its header says more than the 67108864 pixels that are allowed"


def pixels(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype)


def jpeg(array: np.ndarray, **how: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "JPEG", **how)
    return stream.getvalue()


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def refusals(path: Path, reads: tuple[Callable[[Path], object], ...] = READS) -> set[str]:
    """What the readers refuse a file with."""
    sentences = set()
    for read in reads:
        with pytest.raises(Unreadable) as refused:
            read(path)
        sentences.add(str(refused.value))
    return sentences


@pytest.fixture(scope="module")
def crops(shared_data: Path) -> dict[str, bytes]:
    """A few square centimetres of a real PNG and of a real JPEG, compressed anew."""
    found = {}
    for archive, ending in (("figshare.zip", "png"), ("coco.zip", "jpg")):
        with zipfile.ZipFile(shared_data / archive) as packed:
            first = next(name for name in packed.namelist() if name.endswith(ending))
            picture = Image.open(io.BytesIO(packed.read(first))).crop((200, 200, 240, 232))
        content = np.asarray(picture)
        found[ending] = pictures.png(content) if ending == "png" else jpeg(content, quality=90)
    return found


@pytest.mark.parametrize(
    "content",
    [
        pictures.png(pixels(9, 8)),
        pictures.png(pixels(9, 8, 4)),
        pictures.png(pixels(5, 4, 3, dtype=np.uint16)),
        jpeg(pixels(9, 8)),
        jpeg(pixels(9, 8, 3)),
        jpeg(pixels(9, 8), progressive=True),
    ],
    ids=["grey png", "rgba png", "png of 16 bits", "grey jpeg", "rgb jpeg", "progressive jpeg"],
)
def test_no_beginning_of_a_file_is_taken_for_the_whole(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path / "x.png", content)
    whole = raster_header(path)
    assert len(content) > 100
    for length in range(len(content)):
        written(path, content[:length])
        assert not any(str(tmp_path) in sentence for sentence in refusals(path, READS[1:]))
        with contextlib.suppress(Unreadable):
            assert raster_header(path) == whole


def test_a_png_that_is_cut_says_so(tmp_path: Path) -> None:
    content = pictures.png(pixels(9, 8))
    for lost in (1, pictures.END, pictures.END + 1, 40):
        assert refusals(written(tmp_path / "x.png", content[:-lost]), READS[1:]) == {"it is cut short"}


@pytest.mark.parametrize("level", [0, 9])
def test_no_byte_of_a_png_can_change_unnoticed(tmp_path: Path, level: int) -> None:
    """Pillow compares no checksum of the pixels; those of a PNG that is not compressed could be any."""
    array, path = pixels(6, 5), tmp_path / "x.png"
    Image.fromarray(array).save(path, compress_level=level)
    content = path.read_bytes()
    for place in range(len(content)):
        for bit in (1, 16, 128):
            damaged = bytearray(content)
            damaged[place] ^= bit
            refusals(written(path, bytes(damaged)), READS[1:])


def test_damage_names_the_part(tmp_path: Path) -> None:
    content = bytearray(pictures.png(pixels(9, 8)) + b"what follows the end is no part of it")
    path = written(tmp_path / "x.png", bytes(content))
    np.testing.assert_array_equal(raster_voxels(path)[0, ..., 0], pixels(9, 8))
    content[pictures.START + 20] ^= 1
    wanted = "it is damaged: the checksum of its part b'IDAT' is another"
    assert refusals(written(path, bytes(content)), READS[1:]) == {wanted}


@pytest.mark.parametrize(
    ("width", "height", "sentence"),
    [
        (8193, 8192, "its header says 8193x8192 pixels, more than the 67108864 that are allowed"),
        (12000, 8000, "its header says 12000x8000 pixels, more than the 67108864 that are allowed"),
        (60000, 60000, TOO_LARGE),
        (2**31 - 1, 2**31 - 1, TOO_LARGE),
        (2**32 - 1, 1, TOO_LARGE),
        (0, 8, "it is not a readable PNG or JPEG"),
    ],
)
def test_a_forged_size_is_refused_before_pixels_are_decoded(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    width: int,
    height: int,
    sentence: str,
) -> None:
    """Pillow has a limit of its own, at which it warns: nobody can act on that."""

    def decode(_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", decode)
    path = written(tmp_path / "x.png", pictures.forged(pictures.png(pixels(9, 8)), width, height))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert refusals(path) == {sentence}
    assert not warned
    assert capfd.readouterr() == ("", "")


def test_a_forged_jpeg(tmp_path: Path) -> None:
    content = bytearray(jpeg(pixels(9, 8)))
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = struct.pack(">HH", 65500, 65500)
    assert refusals(written(tmp_path / "x.jpg", bytes(content))) == {TOO_LARGE}


def test_a_header_that_claims_more_pixels_than_there_are(tmp_path: Path) -> None:
    path = written(tmp_path / "x.png", pictures.forged(pictures.png(pixels(9, 8)), 8, 11))
    assert raster_header(path) == Header(11, 8, 1)
    wanted = "it is not a readable PNG or JPEG (Not enough image data)"  # Pillow would fill it up with black
    assert refusals(path, READS[1:]) == {wanted}


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_a_bomb_beside_the_pixels_does_not_go_off(tmp_path: Path, kind: bytes) -> None:
    content = pictures.png(pixels(9, 8))
    packed = {b"zTXt": b"key\0\0", b"iTXt": b"key\0\1\0\0\0", b"iCCP": b"key\0\0"}[kind]
    bomb = pictures.chunk(kind, packed + zlib.compress(bytes(64 << 20), 1))
    before = written(tmp_path / "x.png", content[: pictures.START] + bomb + content[pictures.START :])
    after = written(tmp_path / "y.png", content[: -pictures.END] + bomb + content[-pictures.END :])
    tracemalloc.start()
    try:
        (told,) = refusals(before)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert told.startswith("it is not a readable PNG or JPEG (Decompressed data too large")
    np.testing.assert_array_equal(raster_voxels(after)[0, ..., 0], pixels(9, 8))  # not even looked at


def mutated(content: bytes, draw: random.Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(draw.choice([1, 3, 9])):
        damaged[draw.randrange(len(damaged))] = draw.randrange(256)
    if draw.random() < 0.3:
        start = draw.randrange(len(damaged))
        damaged[start : start + draw.randrange(1, 40)] = draw.randbytes(draw.randrange(40))
    return bytes(damaged)


@settings(max_examples=300)
@given(seed=st.integers(0, 2**32))
def test_a_damaged_png_is_the_picture_that_it_was_or_unreadable(
    crops: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    path = written(tmp_path_factory.getbasetemp() / "damaged.png", crops["png"])
    intact = raster_voxels(path)
    written(path, mutated(crops["png"], random.Random(seed)))
    for read in READS[1:]:
        with contextlib.suppress(Unreadable):
            np.testing.assert_array_equal(read(path), intact)


@settings(max_examples=300)
@given(seed=st.integers(0, 2**32))
def test_a_damaged_jpeg_is_a_picture_of_its_size_or_unreadable(
    crops: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    """A JPEG has no checksums: which pixels are wrong cannot be known."""
    path = tmp_path_factory.getbasetemp() / "damaged.jpg"
    written(path, mutated(crops["jpg"], random.Random(seed)))
    with contextlib.suppress(Unreadable):
        header = raster_header(path)
        assert raster_voxels(path).shape == (1, header.height, header.width, header.channels)
        assert raster_mask(path).shape == (1, header.height, header.width, 1)


def test_decoders_print_nothing(
    crops: dict[str, bytes], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """libpng and libjpeg complain to stderr on their own, libjpeg of nearly every damaged file."""
    deep = pictures.png(pixels(9, 8, 3, dtype=np.uint16))
    for content in (crops["png"], crops["jpg"], deep, pictures.png(pixels(9, 8, 3))):
        for seed in range(40):
            path = written(tmp_path / "x.png", mutated(content, random.Random(seed)))
            for read in READS:
                with contextlib.suppress(Unreadable):
                    read(path)
    assert capfd.readouterr() == ("", "")
