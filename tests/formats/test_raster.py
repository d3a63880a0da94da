"""PNG and JPEG: every kind of pixels comes back as it was stored, and what cannot is refused in words."""

import zipfile
import zlib
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stages.formats import raster
from stages.scan.header import Header, Unreadable
from tests.fixtures import pictures
from tests.fixtures.decoded import raster_header, raster_mask, raster_voxels

COLOURS = {1: cv2.COLOR_GRAY2BGR, 3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}


def drawn(channels: int, dtype: type = np.uint8, size: tuple[int, int] = (9, 14)) -> np.ndarray:
    """Noise over the whole range of the dtype: (H, W) or (H, W, C)."""
    shape = size if channels == 1 else (*size, channels)
    return np.random.default_rng(channels).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def saved(path: Path, picture: Image.Image, **how: object) -> Path:
    picture.save(path, **how)  # type: ignore[arg-type]
    return path


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def refusal(path: Path, mask: bool = False) -> str:
    with pytest.raises(Unreadable) as refused:
        (raster_mask if mask else raster_voxels)(path)
    return str(refused.value)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_what_opencv_wrote_is_read(tmp_path: Path, dtype: type, channels: int) -> None:
    """Colours of 16 bits too, which Pillow alone would reduce to 8; transparency is dropped."""
    pixels, path = drawn(channels, dtype), tmp_path / "x.png"
    assert cv2.imwrite(str(path), pixels if channels == 1 else cv2.cvtColor(pixels, COLOURS[channels]))
    wanted = np.atleast_3d(pixels)[..., :3]
    assert raster_header(path) == Header(9, 14, wanted.shape[2])
    for read in (raster_voxels, raster_mask):
        assert read(path).dtype == dtype
        np.testing.assert_array_equal(read(path), wanted[None])


def with_palette(path: Path, indices: np.ndarray, *colours: int) -> Path:
    """colours: of each index, as 0xRRGGBB."""
    picture = Image.fromarray(indices.astype(np.uint8), "P")
    picture.putpalette([part for colour in colours for part in colour.to_bytes(3)])
    picture.save(path)
    return path


BLACK, WHITE, RED, GREEN = 0x000000, 0xFFFFFF, 0xFF0000, 0x00FF00
SPOT = np.zeros((8, 9), int)
SPOT[2:5, 3:6] = 1


@pytest.mark.parametrize(
    "colours", [(BLACK, WHITE), (BLACK, RED), (WHITE, RED), (RED, GREEN), (BLACK, BLACK)]
)
def test_a_palette_says_nothing_where_zero_may_be_the_background(
    tmp_path: Path, colours: tuple[int, int]
) -> None:
    np.testing.assert_array_equal(
        raster_mask(with_palette(tmp_path / "x.png", SPOT, *colours))[0, ..., 0], SPOT
    )


@pytest.mark.parametrize("colours", [(WHITE, BLACK), (RED, BLACK), (WHITE, BLACK, BLACK)])
def test_black_is_the_background_of_a_palette_that_was_sorted_anew(
    tmp_path: Path, colours: tuple[int, ...]
) -> None:
    path = with_palette(tmp_path / "x.png", 1 - SPOT, *colours)
    np.testing.assert_array_equal(raster_mask(path)[0, ..., 0], 255 * SPOT)


def test_a_mask_that_pillow_optimised_is_no_negative(tmp_path: Path) -> None:
    """Of a mask that is mostly tumour white comes first."""
    mask = np.full((8, 9), 255, np.uint8)
    mask[2:5, 3:6] = 0
    Image.fromarray(mask).quantize(2).save(tmp_path / "x.png", optimize=True)
    np.testing.assert_array_equal(raster_mask(tmp_path / "x.png")[0, ..., 0] > 0, mask > 0)


def test_labels_that_have_lost_their_numbers(tmp_path: Path) -> None:
    labels = SPOT.copy()
    labels[6, 6] = 2
    path = with_palette(tmp_path / "x.png", labels, WHITE, BLACK, RED)
    assert refusal(path, mask=True) == (
        "its palette has the background, black, at index 1 instead of 0, so that its labels have lost their "
        "numbers; save it with one grey level a label"
    )
    assert raster_voxels(path).shape == (1, 8, 9, 3)


FILTERS = [imagecodecs.PNG.FILTER[name] for name in ("NONE", "SUB", "UP", "AVG", "PAETH", "ALL")]


@settings(max_examples=80)
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 70)),
    channels=st.integers(1, 4),
    row_filter=st.sampled_from(FILTERS),
)
def test_every_row_filter_gives_what_was_stored(
    tmp_path_factory: pytest.TempPathFactory, size: tuple[int, int], channels: int, row_filter: int
) -> None:
    stored = drawn(channels, size=size)
    path = tmp_path_factory.mktemp("png") / "x.png"
    path.write_bytes(imagecodecs.png_encode(stored, filter=row_filter))
    assert (raster_voxels(path)[0] == np.atleast_3d(stored)[..., : channels - (channels in (2, 4))]).all()
    content = path.read_bytes()
    fast = raster._left_filtered(content[16:29], raster._checked(content))
    if row_filter == imagecodecs.PNG.FILTER.SUB and size[1] > 1:
        assert fast is not None


@pytest.mark.parametrize("rows", [b"", b"\x01abc", b"\x01abc" * 3])
def test_pixels_that_are_fewer_or_more_than_the_header_says(tmp_path: Path, rows: bytes) -> None:
    whole = pictures.png(np.zeros((2, 3), np.uint8))
    pixels = pictures.chunk(b"IDAT", zlib.compress(rows))
    path = written(tmp_path / "x.png", whole[: pictures.START] + pixels + pictures.chunk(b"IEND", b""))
    if len(rows) > 8:
        assert raster_voxels(path).shape == (1, 2, 3, 1)  # libpng passes over what is left
    else:
        assert refusal(path).startswith("it is not a readable PNG or JPEG")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_with_transparency_is_grey(tmp_path: Path, dtype: type) -> None:
    pixels = drawn(2, dtype)
    path = written(tmp_path / "x.png", pictures.png(pixels))
    assert raster_header(path) == Header(9, 14, 1)
    for read in (raster_voxels, raster_mask):
        np.testing.assert_array_equal(read(path), pixels[None, ..., :1])


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_palette_is_its_colours_in_an_image_and_its_numbers_in_a_mask(tmp_path: Path, depth: int) -> None:
    colours = drawn(3, size=(1, 2**depth))[0]
    numbers = drawn(1) >> (8 - depth)
    extra = pictures.chunk(b"PLTE", colours.tobytes()) + pictures.chunk(b"tRNS", bytes([0]))
    path = written(tmp_path / "x.png", pictures.png(numbers, depth, pictures.PALETTE, extra))
    assert raster_header(path) == Header(9, 14, 3)
    np.testing.assert_array_equal(raster_voxels(path), colours[numbers][None])
    np.testing.assert_array_equal(raster_mask(path), numbers[None, ..., None])


def test_single_bits_are_black_and_white(tmp_path: Path) -> None:
    bits = drawn(1) % 2
    path = written(tmp_path / "x.png", pictures.png(bits, depth=1))
    for read in (raster_voxels, raster_mask):
        assert read(path).dtype == np.uint8
        np.testing.assert_array_equal(read(path), 255 * bits[None, ..., None])


def test_interlaced_pixels_are_in_their_places(tmp_path: Path) -> None:
    """The same pixels, stored in seven passes."""
    pixels = drawn(1)
    flat = pictures.png(pixels)
    passes = (
        (0, 8, 0, 8),
        (0, 8, 4, 8),
        (4, 8, 0, 4),
        (0, 4, 2, 4),
        (2, 4, 0, 2),
        (0, 2, 1, 2),
        (1, 2, 0, 1),
    )
    seen = [pixels[top::down, left::right] for top, down, left, right in passes]
    rows = b"".join(b"\0" + row.tobytes() for one in seen if one.size for row in one)
    header = flat[16:28] + b"\x01"
    parts = (pictures.chunk(b"IHDR", header), pictures.chunk(b"IDAT", zlib.compress(rows)))
    path = written(tmp_path / "x.png", pictures.SIGNATURE + b"".join(parts) + flat[-pictures.END :])
    np.testing.assert_array_equal(raster_voxels(path), pixels[None, ..., None])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_jpeg_is_what_was_compressed(tmp_path: Path, channels: int) -> None:
    ramp = np.add.outer(np.arange(32), 2 * np.arange(40)).astype(np.uint8)
    pixels = ramp if channels == 1 else np.stack([ramp, 200 - ramp, ramp // 2], 2)
    path = saved(tmp_path / "x.jpg", Image.fromarray(pixels), quality=98, subsampling=0)
    assert raster_header(path) == Header(32, 40, channels)
    read = raster_voxels(path)
    assert (read.shape, read.dtype) == ((1, 32, 40, channels), np.uint8)
    assert np.abs(read[0] - np.atleast_3d(pixels).astype(int)).max() <= 4


@pytest.mark.parametrize("how", [{}, {"format": "MPO", "save_all": True}, {"progressive": True}])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_jpeg_mask_is_black_and_white_again(tmp_path: Path, mode: str, how: dict[str, object]) -> None:
    """MPO is what cameras call a JPEG with a second picture behind it."""
    mask = np.zeros((48, 48), np.uint8)
    mask[13:30, 9:37] = 255
    picture = Image.fromarray(mask).convert(mode)
    path = saved(tmp_path / "m.jpg", picture, quality=60, append_images=[picture], **how)
    assert len(np.unique(np.asarray(Image.open(path)))) > 4  # compression left more than two
    read = raster_mask(path)
    assert (read.shape, read.dtype) == ((1, 48, 48, 1), np.uint8)
    np.testing.assert_array_equal(read[0, ..., 0], mask)


@pytest.mark.parametrize("label", [1, 4, 127])
def test_a_jpeg_mask_that_is_too_dark_is_not_taken_for_an_empty_one(tmp_path: Path, label: int) -> None:
    mask = np.zeros((48, 48), np.uint8)
    assert not raster_mask(saved(tmp_path / "m.jpg", Image.fromarray(mask))).any()
    mask[16:32, 16:32] = label
    path = saved(tmp_path / "m.jpg", Image.fromarray(mask), quality=100)
    brightest = int(raster_voxels(path).max())
    assert refusal(path, mask=True) == (
        f"a JPEG mask must be black and white, this one is no brighter than {brightest}; save it as PNG"
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [2, 4])
def test_a_mask_that_is_only_in_the_transparency(tmp_path: Path, dtype: type, channels: int) -> None:
    pixels: np.ndarray = np.full((8, 9, channels), np.iinfo(dtype).max, dtype)
    path = written(tmp_path / "m.png", pictures.png(pixels))
    assert raster_mask(path).all()  # of one colour all over, transparency and all: a mask
    pixels[2:4, 3:5, -1] = 0
    written(path, pictures.png(pixels))
    assert refusal(path, mask=True) == "it is of one colour, a mask only in its transparency; save it without"
    pixels[2:4, 3:5, :-1] = 0
    written(path, pictures.png(pixels))
    np.testing.assert_array_equal(raster_mask(path)[0], pixels[..., :-1])


def test_colours_for_the_printer(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.jpg", Image.fromarray(drawn(4), "CMYK"))
    wanted = "its pixels are of kind CMYK; save it as grey or RGB"
    assert refusal(path) == refusal(path, mask=True) == wanted
    with pytest.raises(Unreadable, match=f"^{wanted}$"):
        raster_header(path)


def test_the_content_decides_and_not_the_name(tmp_path: Path) -> None:
    pixels = drawn(1)
    np.testing.assert_array_equal(
        raster_voxels(written(tmp_path / "x.jpg", pictures.png(pixels)))[0, ..., 0], pixels
    )
    path = saved(tmp_path / "x.png", Image.fromarray(pixels), format="JPEG")
    assert set(np.unique(raster_mask(path))) == {0, 255}


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "WEBP", "PPM", "EPS", "ICO", "JPEG2000"])
def test_other_formats_are_not_read_under_a_false_name(tmp_path: Path, kind: str) -> None:
    path = saved(tmp_path / "x.png", Image.fromarray(drawn(3)), format=kind)
    assert refusal(path) == refusal(path, mask=True) == "it is not a readable PNG or JPEG"


@pytest.mark.parametrize("content", [b"", b"hello, world", b"\x89PNG", b"\xff\xd8\xff"])
def test_what_is_no_picture(tmp_path: Path, content: bytes) -> None:
    """Pillow would name the file with the folder that it lies in, which differs from run to run."""
    assert refusal(written(tmp_path / "x.png", content)) == "it is not a readable PNG or JPEG"


def test_what_is_not_there_or_no_file(tmp_path: Path) -> None:
    assert refusal(tmp_path / "x.png") == "No such file or directory"
    (tmp_path / "x.png").mkdir()
    assert refusal(tmp_path / "x.png") == "Is a directory"


def test_a_lack_of_memory_is_not_blamed_on_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: bytes) -> None:
        raise MemoryError

    monkeypatch.setattr(raster, "png_decode", full)
    monkeypatch.setattr(raster, "_left_filtered", lambda *_: None)
    with pytest.raises(MemoryError):
        raster_voxels(written(tmp_path / "x.png", pictures.png(drawn(1))))


def test_real_pictures_are_read_as_opencv_reads_them(shared_data: Path, tmp_path: Path) -> None:
    """Two libraries may differ by a step where a JPEG's colours are rounded."""
    for archive, ending, apart in (("figshare.zip", ".png", 0), ("coco.zip", ".jpg", 2)):
        with zipfile.ZipFile(shared_data / archive) as packed:
            names = [name for name in packed.namelist() if name.endswith(ending)]
            for name in names[:: len(names) // 10]:
                content = packed.read(name)
                path = written(tmp_path / f"x{ending}", content)
                known = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
                assert known is not None
                known = np.atleast_3d(known)[..., ::-1]
                read = raster_voxels(path)[0]
                assert read.shape == known.shape
                assert np.abs(read.astype(int) - known).max() <= apart
                assert raster_header(path) == Header(*known.shape)
