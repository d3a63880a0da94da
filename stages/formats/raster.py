"""Decode PNG with libpng and JPEG with Pillow, which refuse files that are cut short; OpenCV fills them up.

A JPEG has no checksums: damage amid its pixels looks like a picture.
"""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np
from imagecodecs import DeflateError, deflate_decode, png_decode
from PIL import Image, UnidentifiedImageError

from stages.formats import palette, upright
from stages.scan.header import MAX_PIXELS, Header, Unreadable, first_words
from stages.scan.volume import Volume

_FORMATS = ("PNG", "JPEG")
_CHANNELS = {"1": 1, "L": 1, "LA": 1, "P": 3, "RGB": 3, "RGBA": 3, "I;16": 1}
"""Channels of an image by Pillow's mode: transparency is dropped, a palette becomes its colours."""
_DEEP_CHANNELS = {2: 3, 4: 1, 6: 3}
"""The same by PNG's colour type where a colour has 16 bits: Pillow would make 8 of them."""
_CHANNELS_OF = {0: 1, 2: 3, 4: 2, 6: 4}
"""The same by PNG's colour type, with transparency; a palette is not among them."""
_MAX_EXIF = 1 << 20
"""Bytes; JPEG allows 64 kB."""
_NO_PICTURE = "it is not a readable PNG or JPEG"


def read_header(stream: BinaryIO) -> Header:
    """Size and channels. Raises `Unreadable`."""
    with _open(stream) as picture:
        return _header(stream, picture)


def decode(stream: BinaryIO) -> Volume:
    """An image as (1, H, W, C), uint8 or uint16. Raises `Unreadable`."""
    with _open(stream) as picture:
        header = _header(stream, picture)
        pixels = _decode_png(stream) if picture.format == "PNG" else np.asarray(picture)
        return _volume(np.atleast_3d(pixels)[:, :, : header.channels], _orientation(stream, picture))


def decode_mask(stream: BinaryIO) -> Volume:
    """A mask as (1, H, W, C): of a palette the labels (`palette.labels`); of a JPEG, which blurs labels, 0 or
    255 by its half.

    Raises `Unreadable`, also where the labels would get lost on the way.
    """
    with _open(stream) as picture:
        header, turn = _header(stream, picture), _orientation(stream, picture)
        if picture.format != "PNG":
            return _volume(_halved(np.asarray(picture.convert("L")))[:, :, None], turn)
        pixels = np.atleast_3d(_decode_png(stream))
        if picture.mode == "P":
            colours = np.array(picture.getpalette("RGB"), np.uint8).reshape(-1, 3)
            return _volume(palette.labels(np.asarray(picture), colours)[:, :, None], turn)
        colours, transparency = pixels[..., : header.channels], pixels[..., header.channels :]
        if _constant(colours) and not _constant(transparency):
            raise Unreadable("it is of one colour, a mask only in its transparency; save it without")
        return _volume(colours, turn)


def blended(stream: BinaryIO) -> str:
    """Why three channels of a picture cannot be three sequences; "" where they can. Raises `Unreadable`."""
    with _open(stream) as picture:
        if picture.format == "JPEG":
            return "a colour JPEG blends its colours"
        transparent = "A" in picture.getbands() or "transparency" in picture.info
    return "a picture with transparency is no scan" if transparent else ""


def _volume(pixels: np.ndarray, turn: int) -> Volume:
    """Of stored pixels (H, W, C)."""
    return Volume(np.ascontiguousarray(upright.turned(pixels, turn)[None]))


def _orientation(stream: BinaryIO, picture: Image.Image) -> int:
    if picture.format != "PNG":
        return upright.orientation(picture.getexif().get(upright.TAG))
    exif = Image.Exif()
    exif.load(_part(stream, b"eXIf"))
    return upright.orientation(exif.get(upright.TAG))


def _part(stream: BinaryIO, kind: bytes) -> bytes:
    """Of a PNG the first part of a kind, wherever it is; empty where there is none. Pillow would decode all
    pixels to look behind them.
    """
    here, at = stream.tell(), 8
    stream.seek(at)
    content = b""
    while len(head := stream.read(8)) == 8 and not content:
        length = int.from_bytes(head[:4])
        if head[4:] == kind:
            content = stream.read(min(length, _MAX_EXIF))
        at += 12 + length
        stream.seek(at)
    stream.seek(here)
    return content


@contextmanager
def _open(stream: BinaryIO) -> Iterator[Image.Image]:
    """A picture. Whatever its bytes lead a decoder to, inside the block as well, becomes `Unreadable`."""
    try:
        # Pillow's own limit on size warns; ours is in `Header`.
        with warnings.catch_warnings(action="ignore"), Image.open(stream, formats=_FORMATS) as picture:
            yield picture
    except (Unreadable, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise Unreadable(f"its header says more than the {MAX_PIXELS} pixels that are allowed") from None
    except UnidentifiedImageError:  # names the stream
        raise Unreadable(_NO_PICTURE) from None
    except Exception as error:
        if isinstance(error, OSError) and error.strerror:
            raise Unreadable(error.strerror) from None
        raise Unreadable(f"{_NO_PICTURE} ({first_words(error)})") from None


def _header(stream: BinaryIO, picture: Image.Image) -> Header:
    if picture.mode not in _CHANNELS:
        raise Unreadable(f"its pixels are of kind {picture.mode}; save it as grey or RGB")
    channels = _deep_channels(stream, picture) or _CHANNELS[picture.mode]
    height, width = picture.height, picture.width
    if upright.lies(_orientation(stream, picture)):
        height, width = width, height
    return Header(height, width, channels)


def _deep_channels(stream: BinaryIO, picture: Image.Image) -> int:
    """Channels of a PNG with 16 bits a colour, 0 of everything else."""
    if picture.format != "PNG":
        return 0
    depth, colours = _beginning(stream, 26)[24:]
    return _DEEP_CHANNELS.get(colours, 0) if depth == 16 else 0


def _beginning(stream: BinaryIO, size: int = -1) -> bytes:
    """The first bytes of a stream, or all; Pillow, which reads on from where it was, does not notice."""
    here = stream.tell()
    stream.seek(0)
    content = stream.read(size)
    stream.seek(here)
    return content


def _decode_png(stream: BinaryIO) -> np.ndarray:
    """(H, W) or (H, W, C), uint8 or uint16: a palette's colours; transparency is the last channel."""
    content = _beginning(stream)
    deflated = _checked(content)
    pixels = _left_filtered(content[16:29], deflated)
    return png_decode(content) if pixels is None else pixels


def _checked(png: bytes) -> bytes:
    """The compressed pixels, after the checksums of all parts have been compared: libpng does not wait for
    the end.
    """
    at, kind, pixels = 8, b"", []
    while kind != b"IEND":
        kind = png[at + 4 : at + 8]
        end = at + 8 + int.from_bytes(png[at : at + 4])
        if len(png) < end + 4:
            raise Unreadable("it is cut short")
        if zlib.crc32(png[at + 4 : end]) != int.from_bytes(png[end : end + 4]):
            raise Unreadable(f"it is damaged: the checksum of its part {kind!r:.20} is another")
        if kind == b"IDAT":
            pixels.append(png[at + 8 : end])
        if kind == b"tRNS":
            return b""  # libpng makes another channel of it
        at = end + 4
    return b"".join(pixels)


def _left_filtered(header: bytes, deflated: bytes) -> np.ndarray | None:
    """A picture of 8 bits whose rows all hold the differences to the pixel on the left (filter 1 of the PNG
    specification), in half of libpng's time; None for any other.

    OpenCV writes such by default, and so is all of the figshare set.
    """
    width, height, depth, colours, *rest = struct.unpack(">IIBBBBB", header)
    channels = _CHANNELS_OF.get(colours, 0)
    if depth != 8 or any(rest) or not channels:
        return None
    size = height * (1 + width * channels)
    try:
        # Without the two bytes before and the four after it that zlib adds to deflate.
        inflated = deflate_decode(deflated[2:-4], raw=True, out=size)
    except DeflateError:
        return None  # libpng says what is wrong
    if len(inflated) != size:
        return None
    rows = np.frombuffer(inflated, np.uint8).reshape(height, -1)
    if not (rows[:, 0] == 1).all():
        return None
    pixels = rows[:, 1:].reshape(height, width, channels).copy()
    step = 1
    while step < width:  # running sums modulo 256 by doubling, faster than one after the other
        pixels[:, step:] += pixels[:, :-step]
        step *= 2
    return pixels[:, :, 0] if channels == 1 else pixels


def _constant(pixels: np.ndarray) -> bool:
    return bool((pixels == pixels[:1, :1]).all())


def _halved(grey: np.ndarray) -> np.ndarray:
    brightest = int(grey.max())
    if 0 < brightest < 128:
        raise Unreadable(
            f"a JPEG mask must be black and white, this one is no brighter than {brightest}; save it as PNG"
        )
    return np.where(grey >= 128, np.uint8(255), np.uint8(0))
