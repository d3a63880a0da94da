"""TIFF: what a file holds comes back as it was, and no damaged file gets through or crashes."""

import contextlib
import random
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.core.errors import UserError
from stages.formats import formats
from stages.scan.header import Header, Unreadable
from tests.fixtures.tiffs import patched, pixels, read_image, read_mask

DTYPES = (np.uint8, np.uint16, np.int16, np.float32, np.float64)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_what_was_written_is_read(tmp_path: Path, dtype: type, compression: str | None) -> None:
    image, mask = pixels((20, 30, 3), dtype), pixels((20, 30), dtype)
    tifffile.imwrite(tmp_path / "i.tif", image, compression=compression, photometric="rgb")
    tifffile.imwrite(tmp_path / "m.tif", mask, compression=compression)
    np.testing.assert_array_equal(read_image(tmp_path, "i.tif"), image)
    np.testing.assert_array_equal(read_mask(tmp_path, "m.tif"), mask)
    assert read_image(tmp_path, "i.tif").dtype == dtype
    assert read_image(tmp_path, "m.tif").shape == (20, 30, 1)


def test_a_mask_of_single_bits(tmp_path: Path) -> None:
    mask = pixels((20, 30), bool)
    tifffile.imwrite(tmp_path / "m.tif", mask)
    np.testing.assert_array_equal(read_mask(tmp_path, "m.tif"), mask)


def test_channels_stored_as_planes_are_the_same_image(tmp_path: Path) -> None:
    image = pixels((20, 30, 3), np.uint8)
    tifffile.imwrite(tmp_path / "i.tif", np.moveaxis(image, 2, 0), planarconfig="separate", photometric="rgb")
    np.testing.assert_array_equal(read_image(tmp_path, "i.tif"), image)


def test_modalities_in_files_of_their_own_become_channels_in_order(tmp_path: Path) -> None:
    planes = [pixels((8, 9), np.uint8, seed) for seed in range(3)]
    for name, plane in zip("abc", planes, strict=True):
        tifffile.imwrite(tmp_path / f"{name}.tif", plane)
    np.testing.assert_array_equal(read_image(tmp_path, "c.tif;a.tif"), np.stack([planes[2], planes[0]], 2))
    tifffile.imwrite(tmp_path / "small.tif", planes[0][:4])
    with pytest.raises(Unreadable, match=r"^its modalities differ in size$"):
        read_image(tmp_path, "a.tif;small.tif")


def test_a_mask_with_equal_channels_is_one_and_with_others_is_none(tmp_path: Path) -> None:
    mask = pixels((8, 9), np.uint8)
    tifffile.imwrite(tmp_path / "m.tif", np.stack([mask] * 3, 2), photometric="rgb")
    np.testing.assert_array_equal(read_mask(tmp_path, "m.tif"), mask)
    tifffile.imwrite(tmp_path / "m.tif", np.stack([mask, mask, mask + 1], 2), photometric="rgb")
    with pytest.raises(Unreadable, match=r"^a mask has one channel, this one has 3 that differ$"):
        read_mask(tmp_path, "m.tif")


def test_the_header_tells_size_and_imagej_spacing_without_pixels(tmp_path: Path) -> None:
    about = {"spacing": 6.5, "unit": "mm"}
    image = pixels((20, 30, 3), np.uint8)
    tifffile.imwrite(
        tmp_path / "i.tif",
        image,
        imagej=True,
        photometric="rgb",
        resolution=(1 / 0.5, 1 / 0.8),
        metadata=about,
    )
    header = formats.read_header(tmp_path / "i.tif")
    assert (header.height, header.width, header.channels) == (20, 30, 3)
    assert header.spacing_mm == pytest.approx((6.5, 0.8, 0.5), rel=1e-5)  # x is columns, y is rows


@pytest.mark.parametrize(
    "about",
    [
        {"unit": "mm"},
        {"spacing": 1.0},
        {"spacing": 1.0, "unit": "inch"},
        {"spacing": 1e6, "unit": "mm"},
        {"spacing": 0.0, "unit": "mm"},
    ],
)
def test_a_spacing_that_is_not_certain_is_not_told(tmp_path: Path, about: dict[str, object]) -> None:
    tifffile.imwrite(
        tmp_path / "i.tif", pixels((9, 9), np.uint8), imagej=True, resolution=(1.0, 1.0), metadata=about
    )
    assert formats.read_header(tmp_path / "i.tif").spacing_mm is None


@pytest.mark.parametrize("name", ["../secret.tif", "/etc/passwd", "a/../../secret.tif", "link.tif"])
def test_a_row_cannot_name_a_file_outside_the_folder(tmp_path: Path, name: str) -> None:
    root = tmp_path / "raw"
    root.mkdir()
    tifffile.imwrite(tmp_path / "secret.tif", pixels((4, 4), np.uint8))
    (root / "link.tif").symlink_to(tmp_path / "secret.tif")
    for read in (read_image, read_mask):
        with pytest.raises(UserError) as refused:
            read(root, name)
        assert str(refused.value) == f"{name} lies outside {root}; correct the row that names it"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "it is not a readable TIFF (not a TIFF file: header=b'')"),
        (b"hello, world", "it is not a readable TIFF (not a TIFF file: header=b'hell')"),
        (None, "No such file or directory"),
    ],
)
def test_what_is_no_tiff(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    if content is not None:
        (tmp_path / "x.tif").write_bytes(content)
    for read in (
        lambda: read_image(tmp_path, "x.tif"),
        lambda: formats.read_header(tmp_path / "x.tif"),
    ):
        with pytest.raises(Unreadable) as refused:
            read()
        assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("tag", "value", "sentence"),
    [
        ("ImageLength", 0, "its header says 9x0 pixels with 1 channels"),
        ("SamplesPerPixel", 65, "its header says 9x8 pixels with 65 channels"),
    ],
)
def test_a_forged_header_is_not_believed(tmp_path: Path, tag: str, value: int, sentence: str) -> None:
    tifffile.imwrite(tmp_path / "x.tif", pixels((8, 9), np.uint8))
    patched(tmp_path / "x.tif", tag, value)
    with pytest.raises(Unreadable) as refused:
        read_image(tmp_path, "x.tif")
    assert str(refused.value) == sentence


def test_a_header_that_claims_more_pixels_than_there_are(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "x.tif", pixels((8, 9), np.uint8))
    patched(tmp_path / "x.tif", "ImageWidth", 5000)
    with pytest.raises(Unreadable, match=r"^its pixels "):
        read_image(tmp_path, "x.tif")


def test_a_forged_size_is_refused_before_memory_is_asked_for(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "x.tif", pixels((8, 9), np.uint8))
    patched(tmp_path / "x.tif", "ImageLength", 60000)
    patched(tmp_path / "x.tif", "ImageWidth", 60000)
    wanted = r"^its header says 60000x60000 pixels, more than the 67108864 that are allowed$"
    for read in (
        lambda: read_image(tmp_path, "x.tif"),
        lambda: formats.read_header(tmp_path / "x.tif"),
    ):
        with pytest.raises(Unreadable, match=wanted):
            read()


@pytest.mark.long
@settings(max_examples=400)
@given(seed=st.integers(0, 2**32), compress=st.booleans())
def test_whatever_bytes_are_damaged_a_read_gives_the_whole_image_or_unreadable(
    tmp_path_factory: pytest.TempPathFactory, seed: int, compress: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.tif"
    about = {"spacing": 2.0, "unit": "mm"}
    kind = (
        {"compression": "zlib"} if compress else {"imagej": True, "resolution": (1.0, 1.0), "metadata": about}
    )
    tifffile.imwrite(path, pixels((12, 10, 3), np.uint8), photometric="rgb", **kind)
    content, draw = bytearray(path.read_bytes()), random.Random(seed)
    for _ in range(draw.choice([1, 3, 9])):
        content[draw.randrange(len(content))] = draw.randrange(256)
    if draw.random() < 0.3:
        del content[draw.randrange(len(content)) :]
    path.write_bytes(content)
    with contextlib.suppress(Unreadable):
        header = formats.read_header(path)
        image = read_image(path.parent, path.name)
        assert image.shape == (header.height, header.width, header.channels)


def test_damaged_tags_are_not_logged_at_the_user(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """tifffile would log a line to stderr for each of them, before the one sentence that matters."""
    tifffile.imwrite(tmp_path / "x.tif", pixels((8, 9), np.uint8))
    content = bytearray((tmp_path / "x.tif").read_bytes())
    content[12] = 200  # the data type of the first tag
    (tmp_path / "x.tif").write_bytes(content)
    with pytest.raises(Unreadable):
        read_image(tmp_path, "x.tif")
    assert capfd.readouterr() == ("", "")


def test_real_slices_are_read_as_tifffile_reads_them(lgg_folder: Path) -> None:
    paths = sorted(lgg_folder.rglob("*_1?.tif"))
    assert len(paths) == 30
    for path in paths:
        read = read_image(path.parent, path.name)
        np.testing.assert_array_equal(read, tifffile.imread(path))
        assert read.shape == (256, 256, 3)
        assert formats.read_header(path) == Header(256, 256, 3)
