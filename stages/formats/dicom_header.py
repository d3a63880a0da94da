"""What one file of a series says before its pixels are decoded: refused, or completed where it can be."""

import numpy as np
import pydicom
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR
from pydicom.uid import UID, MRImageStorage

from stages.formats.dicom_file import NEEDED
from stages.formats.file import File
from stages.scan.header import Unreadable

_GREY = ("MONOCHROME1", "MONOCHROME2")
_ALSO_MR = (MRImageStorage, "1.2.840.10008.5.1.4.1.1.7")
"""Kinds of a file that may hold MR where it does not tell its modality: MR images, and secondary captures, as
which research software saves whatever it has made.
"""


def completed(file: File, header: pydicom.Dataset) -> list[str]:
    """Write into a header what it leaves open and can only be one thing, or is usual; remarks on the latter.

    Raises `Unreadable` where the file holds no slice of an MR series.
    """
    remarks: list[str] = []
    if header.get("NumberOfFrames") not in (None, "", 1) or "SharedFunctionalGroupsSequence" in header:
        raise Unreadable(f"{file.name} holds several frames; convert the series to single frames or to NIfTI")
    if _modality(file, header):
        remarks.append("its files do not tell their Modality, MR is assumed")
    samples, meaning = header.get("SamplesPerPixel"), header.get("PhotometricInterpretation")
    if samples not in (None, "", 1) or (meaning or _GREY[1]) not in _GREY:
        raise Unreadable(f"{file.name} is in colours; a sequence as the scanner made it is needed")
    put(header, "SamplesPerPixel", 1)
    if not meaning:
        put(header, "PhotometricInterpretation", _GREY[1])
        remarks.append(
            "its files do not tell their PhotometricInterpretation, high numbers are taken as bright"
        )
    missing = [name for name in NEEDED if not header.get(name)]
    if missing:
        raise Unreadable(f"{file.name} does not tell its {missing[0]}; export the series again, with it")
    for name in ("Rows", "Columns"):
        pixels = number(header, name)
        if pixels is None or pixels % 1:
            raise Unreadable(f"its {name} is damaged")
    if header.get("PixelRepresentation") in (None, ""):
        put(header, "PixelRepresentation", 0)
        remarks.append("its files do not tell their PixelRepresentation, numbers are taken as without sign")
    if header.get("BitsStored") in (None, "") and header.get("BitsAllocated"):
        put(header, "BitsStored", header.BitsAllocated)
    return remarks


def _modality(file: File, header: pydicom.Dataset) -> bool:
    """Whether MR had to be assumed."""
    modality = str(header.get("Modality") or "").strip().upper()
    named = header.get("SOPClassUID") or header.file_meta.get("MediaStorageSOPClassUID") or ""
    kind = UID(str(named), validation_mode=IGNORE)
    if not modality and kind and kind.name.endswith("Storage") and kind not in _ALSO_MR:
        raise Unreadable(f"{file.name} is of the kind {kind.name}, the model takes MR")
    if modality not in ("", "MR"):
        raise Unreadable(f"{file.name} is of modality {modality}, the model takes MR")
    put(header, "Modality", "MR")
    return not modality


def put(header: pydicom.Dataset, name: str, value: object) -> None:
    """A value in the place of another, of whatever type that was."""
    header.add(pydicom.DataElement(name, dictionary_VR(name), value))


def number(header: pydicom.Dataset, name: str) -> float | None:
    """A number that a header may leave open; None where it is empty, no number, or not finite."""
    try:
        value = float(header.get(name))
    except Exception:  # wrong bytes lead pydicom to errors of any kind
        return None
    return value if np.isfinite(value) else None


def numbers(header: pydicom.Dataset, name: str, count: int) -> np.ndarray:
    """Numbers that a header must have. Raises `Unreadable`."""
    try:
        values = np.array([float(value) for value in header[name].value])
    except (TypeError, ValueError, KeyError):
        values = np.empty(0)
    if len(values) != count or not np.isfinite(values).all():
        raise Unreadable(f"its {name} is damaged")
    return values
