"""The files of a series as a segmentation may refer to them: with what it must repeat of them, if valid."""

import logging
import warnings
from collections.abc import Callable
from copy import copy
from io import BytesIO
from typing import Any

import highdicom as hd
import numpy as np
from highdicom.valuerep import check_person_name
from pydicom import charset
from pydicom.datadict import keyword_for_tag, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage, generate_uid
from pydicom.valuerep import DA, TM

from stages.formats.dicom_header import number, put
from stages.scan.header import Unreadable

# Its warnings quote the patient's name.
logging.getLogger("highdicom").setLevel(logging.CRITICAL)

_GROUPS = (0x0008, 0x0010, 0x0012, 0x0018, 0x0020, 0x0028, 0x0032, 0x0038, 0x0040)
"""Of attributes of a patient, a study, a scanner and a picture."""
_SUBJECT = (0x0010, 0x0012)
_MAY_BE_EMPTY = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)
"""Attributes that DICOM wants to be there, empty where need be, and anonymisers remove."""
_CHECKS: dict[str, Callable[[Any], object]] = {
    "PatientName": check_person_name,
    "PatientBirthDate": DA,
    "PatientSex": hd.PatientSexValues,
    "StudyDate": DA,
    "StudyTime": TM,
}
"""What highdicom demands of a value. Each raises an error of its own."""
_NAMES = ("StudyInstanceUID", "SeriesInstanceUID")
_OFF = 0.01
"""Share by which the distance of slices may differ from that of their positions."""
_CHARACTER_SET = tag_for_keyword("SpecificCharacterSet")
_CHARACTERS = {values.value for values in hd.SpecificCharacterSetValues}
_UNICODE = "ISO_IR 192"
_FALLBACK = charset.default_encoding
"""What pydicom reads characters as whose name it does not know."""


def of(headers: list[Dataset]) -> tuple[list[Dataset], list[str]]:
    """From the attributes of a series' files, in the order of slices, those that a segmentation repeats or
    refers to, of one geometry for all of them; and remarks. Values are never quoted: they are a patient's.

    Raises `Unreadable` where there is nothing to refer to.
    """
    _named(headers)
    with warnings.catch_warnings(action="ignore"):
        common, left_out = _valid(headers[0])
    names = ", ".join(left_out)
    remarks = [f"the DICOM segmentation leaves {names} empty, not valid in the series"] if left_out else []
    if len({str(header.get("FrameOfReferenceUID") or "") for header in headers} | {""}) != 2:
        made = generate_uid(entropy_srcs=[str(headers[0][name].value) for name in _NAMES])
        put(common, "FrameOfReferenceUID", made)
        remarks.append("its files do not name one frame of reference, the DICOM segmentation has one made up")
    _measure(common, headers)
    return [_at(header, common) for header in headers], remarks


def _named(headers: list[Dataset]) -> None:
    for name in (*_NAMES, "SOPInstanceUID"):
        if not all(header.get(name) and isinstance(header[name].value, str) for header in headers):
            raise Unreadable(f"its files do not tell their {name}")
    if len({str(header.StudyInstanceUID) for header in headers}) > 1:
        raise Unreadable("its files are of several studies by their StudyInstanceUID")
    if len({str(header.SOPInstanceUID) for header in headers}) < len(headers):
        raise Unreadable("several of its files have one SOPInstanceUID")


def _valid(header: Dataset) -> tuple[Dataset, list[str]]:
    """What of a file's attributes can be written, and the names of the patient's and study's that cannot."""
    valid, left_out = Dataset(), []
    characters, known = _characters(header)
    if characters:
        valid.SpecificCharacterSet = characters
    for tag in sorted(header.keys()):
        if tag.group not in _GROUPS or tag == _CHARACTER_SET:
            continue
        name = keyword_for_tag(tag)
        try:
            element = header[tag]
            if not (known or str(element.value).isascii()):
                raise ValueError
            if name in _CHECKS and element.value not in (None, ""):
                _CHECKS[name](element.value)
            _write(element, characters)
        except Exception:  # of whatever kind: highdicom and pydicom would meet it, too
            if tag.group in _SUBJECT or name in _MAY_BE_EMPTY:
                left_out.append(name or str(tag))
        else:
            valid.add(copy(element))
    for name in _MAY_BE_EMPTY:
        if name not in valid:
            setattr(valid, name, None)
    return valid, left_out


def _characters(header: Dataset) -> tuple[str | None, bool]:
    """In which character set to write, and whether texts are read in the one that the file names: what is
    written wrong there, or with extensions, is written in Unicode, what nobody knows is not to be guessed.
    """
    named = header.get("SpecificCharacterSet") or ""
    if named in ("", "ISO_IR 6"):
        return None, True
    if isinstance(named, str):
        if named in _CHARACTERS and not named.startswith("ISO 2022"):
            return named, True
        if named not in charset.python_encoding and charset.convert_encodings(named) == [_FALLBACK]:
            return None, False
    return _UNICODE, True


def _write(element: DataElement, characters: str | None) -> None:
    trial = Dataset()
    if characters:
        trial.SpecificCharacterSet = characters
    trial.add(element)
    trial.save_as(BytesIO(), implicit_vr=False, little_endian=True)


def _measure(common: Dataset, headers: list[Dataset]) -> None:
    """Thickness and distance of slices, by their positions where files do not tell them or tell others."""
    ends = [np.array([float(mm) for mm in headers[place].ImagePositionPatient]) for place in (0, -1)]
    step = float(np.linalg.norm(ends[1] - ends[0])) / max(1, len(headers) - 1)
    if (number(common, "SliceThickness") or 0) <= 0:
        put(common, "SliceThickness", round(step, 6) or 1.0)
    if "SpacingBetweenSlices" in common:
        if not step:
            del common.SpacingBetweenSlices
        elif abs((number(common, "SpacingBetweenSlices") or 0) - step) > _OFF * step:
            put(common, "SpacingBetweenSlices", round(step, 6))


def _at(header: Dataset, common: Dataset) -> Dataset:
    """One file of the series: its own names and place, everything else as in all."""
    own = Dataset()
    own.update(common)
    own.add(copy(header["ImagePositionPatient"]))
    own.add(copy(header["SOPInstanceUID"]))
    kinds = header.get("SOPClassUID"), header.file_meta.get("MediaStorageSOPClassUID"), MRImageStorage
    put(own, "SOPClassUID", next(kind for kind in kinds if kind and isinstance(kind, str)))
    return own
