"""One DICOM file: its attributes, with or without pixels. Whatever wrong bytes lead pydicom to is refused."""

import logging
import string
import warnings
from typing import BinaryIO, Literal

import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_dataset, read_preamble
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from stages.formats.file import File, size
from stages.scan.header import Unreadable, first_words

# Odd values make pydicom warn, and no user can act on it; what matters of them is checked elsewhere.
logging.getLogger("pydicom").setLevel(logging.CRITICAL)

NEEDED = ("ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing", "Rows", "Columns")
"""Attributes without which nothing is known of where a slice lies."""
_USED = (
    *NEEDED,
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"),
    *("Modality", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "PixelRepresentation"),
    *("BitsAllocated", "BitsStored", "RescaleSlope", "RescaleIntercept"),
)
_MAX_BYTES = 512 << 20
"""Of one file: a slice of the largest size that is allowed, with room for what scanners add."""
_FIRST_LENGTH = 1024
"""Bytes, of the first attribute of a file: a UID, an image type, a character set."""


def read(file: File, pixels: bool) -> pydicom.Dataset:
    """A file's attributes. Those in use are interpreted, others when they are asked for. Its transfer syntax
    is in its `file_meta`, guessed where the file does not tell it. Raises `Unreadable`.
    """
    try:
        with file.open() as stream, warnings.catch_warnings(action="ignore"):  # odd but legible values
            if size(stream) > _MAX_BYTES:
                raise Unreadable(f"{file.name} is larger than the {_MAX_BYTES >> 20} MiB that are allowed")
            bare = _bare(stream)
            if _deflated(stream, bare):  # which would be unpacked before anything can be checked
                raise Unreadable(f"{file.name} is deflated; save it uncompressed")
            stream.seek(0)
            data = pydicom.dcmread(stream, stop_before_pixels=not pixels, force=bare)
            for name in _USED:  # interpreted when first asked for: what is wrong with them shows here
                data.get(name)
            _complete(data)
            return data
    except (Unreadable, MemoryError):
        raise
    except InvalidDicomError:
        reason = file.unfetched()
        raise Unreadable(f"{file.name}: {reason}" if reason else f"{file.name} is no DICOM file") from None
    except Exception as error:
        raise Unreadable(f"{file.name} is not a readable DICOM file ({first_words(error)})") from None


def _bare(stream: BinaryIO) -> bool:
    """Whether a file begins with its first attribute, of group 2 or 8, instead of 128 bytes and "DICM", as
    research software and old archives write it. The stream stays at its begin.
    """
    start = stream.read(132)
    stream.seek(0)
    if start[128:] == b"DICM":
        return False
    explicit = start[4:6].isalpha() and set(start[4:6]) <= set(string.ascii_uppercase.encode())
    big = start[:1] == b"\0"
    if len(start) < 16 or (big and not explicit):
        return False
    order: Literal["big", "little"] = "big" if big else "little"
    group, length = int.from_bytes(start[:2], order), start[6:8] if explicit else start[4:8]
    return group in (0x0002, 0x0008) and int.from_bytes(length, order) <= _FIRST_LENGTH


def _deflated(stream: BinaryIO, bare: bool) -> bool:
    """Whether the group of attributes before all others, which nothing may compress, says so."""
    read_preamble(stream, force=bare)
    about = read_dataset(
        stream, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, *_: tag >> 16 != 2
    )
    return about.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian


def _complete(data: pydicom.Dataset) -> None:
    """The transfer syntax that pydicom took it to have, for decoders that go by what the file says."""
    if not hasattr(data, "file_meta"):
        data.file_meta = FileMetaDataset()
    data.file_meta.get("MediaStorageSOPClassUID")  # interpreted, as above
    syntax = data.file_meta.get("TransferSyntaxUID")
    if not syntax or not isinstance(syntax, UID):
        implicit, little = data.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        data.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
