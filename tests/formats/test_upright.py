"""A picture comes as every viewer shows it, however its file keeps it."""

import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from stages.formats import formats, tiff, upright
from stages.formats.file import File
from stages.scan.header import Header, Unreadable
from stages.scan.spacing import Spacing
from tests.fixtures.decoded import raster_header, raster_mask, raster_voxels

TURNS = range(1, 9)
MARKED = np.zeros((6, 9), np.uint8)
"""Asymmetric in every way."""
MARKED[0, :4], MARKED[:3, 0], MARKED[4, 7] = 255, 255, 255


def oracle(pixels: np.ndarray, turn: int) -> np.ndarray:
    """What Pillow makes of it."""
    picture = Image.fromarray(pixels)
    picture.getexif()[upright.TAG] = turn
    return np.asarray(ImageOps.exif_transpose(picture))


@pytest.mark.parametrize("turn", TURNS)
def test_as_pillow_turns_it(turn: int) -> None:
    np.testing.assert_array_equal(upright.turned(MARKED, turn), oracle(MARKED, turn))


@pytest.mark.parametrize("value", [None, 0, 9, "6", 1.0, (6, 6)])
def test_what_is_no_orientation_turns_nothing(value: object) -> None:
    assert upright.orientation(value) == 1


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("name", ["x.png", "x.jpg"])
def test_pictures_of_a_camera(tmp_path: Path, name: str, turn: int) -> None:
    exif = Image.Exif()
    exif[upright.TAG] = turn
    Image.fromarray(MARKED).save(tmp_path / name, exif=exif, quality=100)
    shown = oracle(MARKED, turn)
    assert raster_header(tmp_path / name) == Header(shown.shape[0], shown.shape[1], 1)
    assert (np.abs(raster_voxels(tmp_path / name)[0, ..., 0].astype(int) - shown) < 16).all()
    np.testing.assert_array_equal(raster_mask(tmp_path / name)[0, ..., 0], shown)


def test_a_palette_is_turned_too(tmp_path: Path) -> None:
    picture = Image.fromarray(MARKED // 255, "P")
    picture.putpalette([0, 0, 0, 255, 0, 0])
    exif = Image.Exif()
    exif[upright.TAG] = 6
    picture.save(tmp_path / "x.png", exif=exif)
    np.testing.assert_array_equal(raster_mask(tmp_path / "x.png")[0, ..., 0], np.rot90(MARKED // 255, -1))


def test_a_turn_that_is_noted_behind_the_pixels(tmp_path: Path) -> None:
    """As programs do that add it to a finished file."""
    exif = Image.Exif()
    exif[upright.TAG] = 6
    Image.fromarray(MARKED).save(tmp_path / "x.png")
    content = (tmp_path / "x.png").read_bytes()
    part = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
    added = (len(part) - 4).to_bytes(4) + part + zlib.crc32(part).to_bytes(4)
    (tmp_path / "x.png").write_bytes(content[:-12] + added + content[-12:])
    np.testing.assert_array_equal(raster_voxels(tmp_path / "x.png")[0, ..., 0], np.rot90(MARKED, -1))
    assert raster_header(tmp_path / "x.png") == Header(9, 6, 1)


def tiff_of(path: Path, pixels: np.ndarray, turn: int, **how: object) -> Path:
    tifffile.imwrite(path, pixels, extratags=[(upright.TAG, 3, 1, turn, True)], **how)
    return path


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_tiff(tmp_path: Path, turn: int, channels: int, planar: str) -> None:
    pixels = np.stack([MARKED // (n + 1) for n in range(channels)], 2)
    stored = np.moveaxis(pixels, 2, 0) if planar == "separate" and channels > 1 else pixels
    about = {"planarconfig": planar, "photometric": "rgb"} if channels > 1 else {"photometric": "minisblack"}
    path = tiff_of(tmp_path / "x.tif", stored.squeeze(), turn, **about)
    voxels = File.at(path).read(tiff.decode).voxels
    np.testing.assert_array_equal(
        voxels[0], np.stack([oracle(pixels[..., n], turn) for n in range(channels)], 2)
    )
    height, width, number = voxels.shape[1:]
    assert formats.read_header(path) == Header(height, width, number)


@pytest.mark.parametrize(("turn", "spacing"), [(3, Spacing(5.0, 2.0, 0.5)), (6, Spacing(5.0, 0.5, 2.0))])
def test_spacing_turns_with_the_picture(tmp_path: Path, turn: int, spacing: Spacing) -> None:
    about = {"imagej": True, "resolution": (2.0, 0.5), "metadata": {"spacing": 5.0, "unit": "mm"}}
    path = tiff_of(tmp_path / "x.tif", MARKED, turn, **about)
    assert formats.read_header(path).spacing_mm == spacing
    assert File.at(path).read(tiff.decode).spacing == spacing


def test_truth_values_that_python_saved_are_what_they_were(tmp_path: Path) -> None:
    """tifffile's own mistake, in a format that other programs write the other way round."""
    tifffile.imwrite(tmp_path / "x.tif", MARKED > 0)
    assert tifffile.TiffFile(tmp_path / "x.tif").pages.first.photometric == 0
    np.testing.assert_array_equal(File.at(tmp_path / "x.tif").read(tiff.decode).voxels[0, ..., 0], MARKED > 0)
    Image.fromarray(MARKED > 0).save(tmp_path / "y.tif", tiffinfo={262: 0})  # by libtiff's conventions
    np.testing.assert_array_equal(File.at(tmp_path / "y.tif").read(tiff.decode).voxels[0, ..., 0], MARKED > 0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_at_zero_is_shown_white(tmp_path: Path, dtype: type) -> None:
    highest = np.iinfo(dtype).max
    shown = (MARKED > 0) * np.array(highest).astype(dtype)
    tifffile.imwrite(
        tmp_path / "x.tif", (highest - shown.astype(int)).astype(dtype), photometric="miniswhite"
    )
    voxels = File.at(tmp_path / "x.tif").read(tiff.decode).voxels
    np.testing.assert_array_equal(voxels[0, ..., 0], shown)


def test_white_at_zero_of_numbers_without_a_highest(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "x.tif", MARKED.astype(np.float32), photometric="miniswhite")
    with pytest.raises(Unreadable, match=r"^its photometric is miniswhite, .*; save it as minisblack$"):
        File.at(tmp_path / "x.tif").read(tiff.decode)
