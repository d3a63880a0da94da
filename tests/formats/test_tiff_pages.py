"""The pages of a TIFF are slices, however the program that wrote it calls them, or the file is refused."""

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from stages.formats import formats, tiff
from stages.formats.file import File
from stages.scan.header import Header, Unreadable
from stages.scan.volume import Volume

STACK = np.random.default_rng(3).integers(0, 250, (10, 8, 9), np.uint8)
"""Ten slices."""


def read(path: Path) -> Volume:
    return File.at(path).read(tiff.decode)


def refusal(path: Path) -> str:
    with pytest.raises(Unreadable) as refused:
        read(path)
    with pytest.raises(Unreadable):
        formats.read_header(path)
    return str(refused.value)


@pytest.mark.parametrize(
    "about",
    [
        {"photometric": "minisblack"},
        {"photometric": "minisblack", "metadata": None},
        {"photometric": "minisblack", "metadata": {"axes": "ZYX"}},
        {"photometric": "minisblack", "compression": "zlib", "bigtiff": True},
        {"imagej": True, "metadata": {"axes": "ZYX"}},
        {"ome": True, "metadata": {"axes": "ZYX"}},
    ],
)
def test_pages_are_slices(tmp_path: Path, about: dict) -> None:
    tifffile.imwrite(tmp_path / "x.tif", STACK, **about)
    volume = read(tmp_path / "x.tif")
    np.testing.assert_array_equal(volume.voxels[..., 0], STACK)
    assert volume.remarks == ()
    assert formats.read_header(tmp_path / "x.tif") == Header(8, 9, 1, slices=10)


def test_pages_of_pillow_and_of_an_old_imagej(tmp_path: Path) -> None:
    first, *others = (Image.fromarray(plane) for plane in STACK)
    first.save(tmp_path / "x.tif", save_all=True, append_images=others)
    np.testing.assert_array_equal(read(tmp_path / "x.tif").voxels[..., 0], STACK)
    tifffile.imwrite(
        tmp_path / "y.tif",
        STACK,
        photometric="minisblack",
        metadata=None,
        description="ImageJ=1.4\nimages=10\n",
    )
    np.testing.assert_array_equal(read(tmp_path / "y.tif").voxels[..., 0], STACK)


@pytest.mark.parametrize(
    "about",
    [
        {"imagej": True},
        {"imagej": True, "metadata": {"axes": "TYX"}},
        {"ome": True, "metadata": {"axes": "CYX"}},
    ],
)
def test_slices_that_a_program_calls_something_else(tmp_path: Path, about: dict) -> None:
    tifffile.imwrite(tmp_path / "x.tif", STACK, **about)
    volume = read(tmp_path / "x.tif")
    np.testing.assert_array_equal(volume.voxels[..., 0], STACK)
    name = "frames" if "TYX" in str(about) else "channels"
    assert volume.remarks == (f"its 10 pages, {name} by its description, count as slices",)


@pytest.mark.parametrize(
    ("about", "axes"),
    [
        ({"imagej": True}, "ZCYX"),
        ({"ome": True}, "ZCYX"),
        ({"ome": True}, "CZYX"),
        ({"photometric": "minisblack"}, "ZCYX"),
        ({"photometric": "minisblack"}, "CZYX"),
    ],
)
def test_sequences_of_each_slice_as_pages(tmp_path: Path, about: dict, axes: str) -> None:
    pages = STACK[:8].reshape(4, 2, 8, 9)
    tifffile.imwrite(tmp_path / "x.tif", pages, metadata={"axes": axes}, **about)
    volume = read(tmp_path / "x.tif").voxels
    slices_first = pages if axes == "ZCYX" else pages.swapaxes(0, 1)
    np.testing.assert_array_equal(volume, np.moveaxis(slices_first, 1, 3))
    slices, height, width, channels = volume.shape
    assert formats.read_header(tmp_path / "x.tif") == Header(height, width, channels, slices=slices)


def test_colours_of_each_page(tmp_path: Path) -> None:
    pages = STACK[:9].reshape(3, 8, 9, 3)
    for name, about in (("a.tif", {"photometric": "rgb"}), ("b.tif", {"ome": True, "photometric": "rgb"})):
        tifffile.imwrite(tmp_path / name, pages, **about)
        np.testing.assert_array_equal(read(tmp_path / name).voxels, pages)


@pytest.mark.parametrize("about", [{"imagej": True}, {"ome": True, "metadata": {"axes": "CYX"}}])
def test_three_pages_that_may_be_sequences(tmp_path: Path, about: dict) -> None:
    tifffile.imwrite(tmp_path / "x.tif", STACK[:3], **about)
    assert refusal(tmp_path / "x.tif") == (
        "its 3 pages are channels by its description, which may be sequences or slices; "
        "save sequences as the channels of one page, slices as a stack or as NIfTI"
    )


def test_a_film_of_volumes(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "x.tif", STACK.reshape(5, 2, 8, 9), imagej=True, metadata={"axes": "TZYX"})
    assert refusal(tmp_path / "x.tif") == (
        "its pages are 5 frames x 2 slices; save one volume, or a file for each"
    )


def test_pages_that_lie_outside_the_list(tmp_path: Path) -> None:
    """As programs write what is larger than 4 GB: one page in the list, the others right behind it."""
    for name, about in (("a.tif", {"imagej": True}), ("b.tif", {"photometric": "minisblack"})):
        tifffile.imwrite(tmp_path / name, STACK, truncate=True, **about)
        assert refusal(tmp_path / name) == (
            "its description tells of 10 pages and it holds 1; save it anew, or as NIfTI"
        )


def test_a_reduced_copy_is_no_slice(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        file.write(STACK[0], metadata=None)
        file.write(STACK[0, ::2, ::2], subfiletype=1, metadata=None)
    np.testing.assert_array_equal(read(tmp_path / "x.tif").voxels[..., 0], STACK[:1])


@pytest.mark.parametrize("other", [STACK[1, ::2], STACK[1].astype(np.uint16), np.stack([STACK[1]] * 3, 2)])
def test_pages_that_are_no_slices_of_one_scan(tmp_path: Path, other: np.ndarray) -> None:
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        file.write(STACK[0], metadata=None)
        file.write(other, metadata=None)
    assert refusal(tmp_path / "x.tif").startswith("its pages differ in size or kind")


def offset_behind(path: Path, number: int) -> int:
    """Where the file says where the page after `number` is."""
    with tifffile.TiffFile(path) as file:
        page = file.pages[number]
        (tags,) = struct.unpack_from("<H", path.read_bytes(), page.offset)
        return int(page.offset + 2 + tags * 12)


@pytest.mark.parametrize("number", [0, 4, 9])
@pytest.mark.parametrize("target", [7, 1 << 30])
def test_a_list_that_breaks_off_loses_no_slice(tmp_path: Path, number: int, target: int) -> None:
    tifffile.imwrite(tmp_path / "x.tif", STACK, photometric="minisblack", metadata=None)
    content = bytearray((tmp_path / "x.tif").read_bytes())
    struct.pack_into("<I", content, offset_behind(tmp_path / "x.tif", number), target)
    (tmp_path / "x.tif").write_bytes(content)
    refusal(tmp_path / "x.tif")


def test_a_list_that_leads_in_a_circle_ends(tmp_path: Path) -> None:
    """tifffile notices a circle only where it has come round by the hundredth page."""
    tifffile.imwrite(
        tmp_path / "x.tif", np.zeros((120, 2, 2), np.uint8), photometric="minisblack", metadata=None
    )
    content = bytearray((tmp_path / "x.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "x.tif") as file:
        late = file.pages[110].offset
    struct.pack_into("<I", content, offset_behind(tmp_path / "x.tif", 119), late)
    (tmp_path / "x.tif").write_bytes(content)
    assert refusal(tmp_path / "x.tif") == "it holds more than 16384 pages, which no scan has"


@pytest.mark.parametrize("deep", [True, False])
def test_a_palette(tmp_path: Path, deep: bool) -> None:
    """In an image its colours, in a mask its indices, with black for background."""
    indices = np.array([[0, 1, 1], [0, 0, 1]], np.uint8)
    colours = np.zeros((3, 256), np.uint16)
    colours[:, 0], colours[:, 1] = (255, 255, 255), (0, 0, 0)  # sorted anew: white first
    tifffile.imwrite(
        tmp_path / "x.tif", indices, photometric="palette", colormap=colours * np.uint16(257 if deep else 1)
    )
    np.testing.assert_array_equal(read(tmp_path / "x.tif").voxels[0], np.stack([255 * (1 - indices)] * 3, 2))
    mask = File.at(tmp_path / "x.tif").read(tiff.decode_mask).voxels[0, ..., 0]
    np.testing.assert_array_equal(mask, 255 * (1 - indices))
    assert formats.read_header(tmp_path / "x.tif") == Header(2, 3, 3)
