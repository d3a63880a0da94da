"""JPEG Lossless, in which archives keep most of what they compress, for pydicom, which decodes it only with
libraries that are not installed here.
"""

import imagecodecs
import numpy as np
from pydicom.pixels.decoders import JPEGLosslessDecoder, JPEGLosslessSV1Decoder
from pydicom.pixels.decoders.base import DecodeRunner
from pydicom.uid import JPEGLossless, JPEGLosslessSV1

DECODER_DEPENDENCIES = {JPEGLossless: ("imagecodecs",), JPEGLosslessSV1: ("imagecodecs",)}


def is_available(uid: str) -> bool:
    """Whether a transfer syntax can be decoded, as pydicom asks a plugin."""
    return uid in DECODER_DEPENDENCIES and bool(imagecodecs.JPEGSOF3.available)


def decode(frame: bytes, runner: DecodeRunner) -> bytes:
    """Pixels of one picture in grey. Raises where its size is not that of the header: no more is unpacked."""
    eight = runner.bits_stored <= 8
    pixels = np.empty((runner.rows, runner.columns), np.uint8 if eight else np.uint16)
    imagecodecs.jpegsof3_decode(frame, out=pixels)
    runner.set_option("bits_allocated", 8 * pixels.itemsize)
    return pixels.tobytes()


for _decoder in (JPEGLosslessDecoder, JPEGLosslessSV1Decoder):
    _decoder.add_plugin("imagecodecs", (__name__, decode.__name__))
