"""TIFF as other programs compress it, which tifffile leaves to imagecodecs."""

import contextlib
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from stages.formats import formats
from stages.scan.header import Unreadable
from tests.fixtures.tiffs import patched, pixels, read_image


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate", "zstd", "jpeg"])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_other_programs_compressed(tmp_path: Path, compression: str, channels: int) -> None:
    """Written by libtiff, which most of them use."""
    ramp = np.add.outer(2 * np.arange(40), 3 * np.arange(32)).astype(np.uint8)
    image = np.stack([ramp, ramp // 2, 200 - ramp // 2], 2)[..., :channels].squeeze()
    how: dict[str, Any] = {"quality": 95} if compression == "jpeg" else {}
    Image.fromarray(image).save(tmp_path / "x.tif", compression=compression, **how)
    with tifffile.TiffFile(tmp_path / "x.tif") as file:
        assert file.pages.first.compression != 1
    read = read_image(tmp_path, "x.tif")
    assert (read.shape, read.dtype) == ((40, 32, channels), np.uint8)
    apart = np.abs(read.squeeze().astype(int) - image)
    assert np.percentile(apart, 90) <= 6 if compression == "jpeg" else not apart.any()


@pytest.mark.parametrize("compression", ["lzw", "jpeg"])
def test_damage_to_compressed_pixels_is_told_or_keeps_the_size(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], compression: str
) -> None:
    """Neither has a checksum. Nothing is printed: libjpeg would complain on stderr."""
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, pixels((24, 20, 3), np.uint8), compression=compression, photometric="rgb")
    content, sizes = path.read_bytes(), set()
    for seed in range(150):
        damaged, draw = bytearray(content), random.Random(seed)
        for _ in range(3):
            damaged[draw.randrange(8, len(damaged))] = draw.randrange(256)
        path.write_bytes(damaged)
        with contextlib.suppress(Unreadable):
            header = formats.read_header(path)
            read = read_image(tmp_path, "x.tif")
            assert read.shape == (header.height, header.width, header.channels)
            sizes.add(read.shape)
    assert (24, 20, 3) in sizes
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
def test_forged_channels_are_refused_before_memory_is_asked_for(
    tmp_path: Path, compression: str | None
) -> None:
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, pixels((8, 9, 3), np.uint8), compression=compression, photometric="rgb")
    for tag, value in (("ImageLength", 8192), ("ImageWidth", 8192), ("SamplesPerPixel", 64)):
        patched(path, tag, value)
    wanted = r"^its header says 8192x8192 pixels with 64 channels, more than the 268435456 numbers allowed$"
    with pytest.raises(Unreadable, match=wanted):
        read_image(tmp_path, "x.tif")
