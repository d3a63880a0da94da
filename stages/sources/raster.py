"""Decode PNG with libpng and JPEG with Pillow, which refuse files that are cut short; OpenCV fills them up.

A JPEG has no checksums: damage amid its pixels cannot be told from a picture.
"""

import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image, UnidentifiedImageError

from stages.sources.header import MAX_PIXELS, Header, Unreadable, first_words

_FORMATS = ("PNG", "JPEG")
_CHANNELS = {"1": 1, "L": 1, "LA": 1, "P": 3, "RGB": 3, "RGBA": 3, "I;16": 1}
"""Channels of an image by Pillow's mode: transparency is dropped, a palette becomes its colours."""
_DEEP_CHANNELS = {2: 3, 4: 1, 6: 3}
"""The same by PNG's colour type where a colour has 16 bits: Pillow would make 8 of them."""
_NO_PICTURE = "it is not a readable PNG or JPEG"


def read_header(path: Path) -> Header:
    """Size and channels. Raises `Unreadable`."""
    with _open(path) as picture:
        return _header(path, picture)


def read(path: Path) -> np.ndarray:
    """An image as (1, H, W, C), uint8 or uint16. Raises `Unreadable`."""
    with _open(path) as picture:
        header = _header(path, picture)
        pixels = _decode_png(path) if picture.format == "PNG" else np.asarray(picture)
    return np.ascontiguousarray(np.atleast_3d(pixels)[None, :, :, : header.channels])


def read_mask(path: Path) -> np.ndarray:
    """A mask as (1, H, W, C): of a palette the indices; of a JPEG, which blurs labels, 0 or 255 by its half.

    Raises `Unreadable`, also where the labels would get lost on the way.
    """
    with _open(path) as picture:
        header = _header(path, picture)
        if picture.format != "PNG":
            return _halved(np.asarray(picture.convert("L")))[None, :, :, None]
        pixels = np.atleast_3d(_decode_png(path))
        if picture.mode == "P":
            return np.asarray(picture)[None, :, :, None]
    colours, transparency = pixels[..., : header.channels], pixels[..., header.channels :]
    if _constant(colours) and not _constant(transparency):
        raise Unreadable("it is of one colour, a mask only in its transparency; save it without")
    return np.ascontiguousarray(colours[None])


@contextmanager
def _open(path: Path) -> Iterator[Image.Image]:
    """Open a file. Whatever its bytes lead a decoder to, inside the block as well, becomes `Unreadable`."""
    try:
        # Pillow's own limit on size warns; ours is in `Header`.
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=_FORMATS) as picture:
            yield picture
    except (Unreadable, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise Unreadable(f"its header says more than the {MAX_PIXELS} pixels that are allowed") from None
    except UnidentifiedImageError:  # names the file, with the folder we happen to be in
        raise Unreadable(_NO_PICTURE) from None
    except Exception as error:
        if isinstance(error, OSError) and error.strerror:
            raise Unreadable(error.strerror) from None
        raise Unreadable(f"{_NO_PICTURE} ({first_words(error)})") from None


def _header(path: Path, picture: Image.Image) -> Header:
    if picture.mode not in _CHANNELS:
        raise Unreadable(f"its pixels are of kind {picture.mode}; save it as grey or RGB")
    channels = _deep_channels(path, picture) or _CHANNELS[picture.mode]
    return Header(picture.height, picture.width, channels)


def _deep_channels(path: Path, picture: Image.Image) -> int:
    """Channels of a PNG with 16 bits a colour, 0 of everything else."""
    if picture.format != "PNG":
        return 0
    with path.open("rb") as file:
        depth, colours = file.read(26)[24:]
    return _DEEP_CHANNELS.get(colours, 0) if depth == 16 else 0


def _decode_png(path: Path) -> np.ndarray:
    """(H, W) or (H, W, C), uint8 or uint16: a palette's colours; transparency is the last channel."""
    content = path.read_bytes()
    _check(content)
    return imagecodecs.png_decode(content)


def _check(png: bytes) -> None:
    """Compare the checksums of all parts up to the end, which libpng does not wait for."""
    at, kind = 8, b""
    while kind != b"IEND":
        kind = png[at + 4 : at + 8]
        end = at + 8 + int.from_bytes(png[at : at + 4])
        if len(png) < end + 4:
            raise Unreadable("it is cut short")
        if zlib.crc32(png[at + 4 : end]) != int.from_bytes(png[end : end + 4]):
            raise Unreadable(f"it is damaged: the checksum of its part {kind!r:.20} is another")
        at = end + 4


def _constant(pixels: np.ndarray) -> bool:
    return bool((pixels == pixels[:1, :1]).all())


def _halved(grey: np.ndarray) -> np.ndarray:
    brightest = int(grey.max())
    if 0 < brightest < 128:
        raise Unreadable(
            f"a JPEG mask must be black and white, this one is no brighter than {brightest}; save it as PNG"
        )
    return np.where(grey >= 128, np.uint8(255), np.uint8(0))
