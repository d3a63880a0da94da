"""Bytes of one file: with and without the introduction that the standard wants, never anything but DICOM."""

import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from stages.formats import dicom, dicom_seg
from stages.formats.file import File
from stages.scan.header import Unreadable
from tests.fixtures.dicom import write_series
from tests.fixtures.series import VOXELS, read, refused

DRAWN = dicom_seg.Drawn("0" * 64)


def bare(path: Path, implicit: bool = False, little: bool = True) -> None:
    """Leave of a file nothing but its attributes."""
    data = pydicom.dcmread(path)
    plain = pydicom.Dataset()
    plain.update(data)
    if not little:
        plain.PixelData = data.pixel_array.astype(">u2").tobytes()
    plain.save_as(path, implicit_vr=implicit, little_endian=little)


@pytest.mark.parametrize(("implicit", "little"), [(True, True), (False, True), (False, False)])
def test_files_of_attributes_alone(tmp_path: Path, implicit: bool, little: bool) -> None:
    paths = write_series(tmp_path, VOXELS)
    for path in paths:
        bare(path, implicit, little)
        assert b"DICM" not in path.read_bytes()
    series = read(paths)
    np.testing.assert_array_equal(series.voxels[..., 0], VOXELS)


def test_only_the_preamble_is_missing(tmp_path: Path) -> None:
    paths = write_series(tmp_path, VOXELS, TransferSyntaxUID=ImplicitVRLittleEndian)
    for path in paths:
        path.write_bytes(path.read_bytes()[132:])
    np.testing.assert_array_equal(read(paths).voxels[..., 0], VOXELS)
    deflated = write_series(tmp_path / "d", VOXELS, TransferSyntaxUID=DeflatedExplicitVRLittleEndian)
    for path in deflated:
        path.write_bytes(path.read_bytes()[132:])
    assert refused(deflated) == "000.dcm is deflated; save it uncompressed"


def test_a_file_that_does_not_name_its_transfer_syntax(tmp_path: Path) -> None:
    paths = write_series(tmp_path, VOXELS)
    for path in paths:
        data = pydicom.dcmread(path)
        del data.file_meta.TransferSyntaxUID
        data.save_as(path, implicit_vr=False, little_endian=True, enforce_file_format=False)
    np.testing.assert_array_equal(read(paths).voxels[..., 0], VOXELS)


def test_compressed_pixels_without_the_name_of_their_compression(tmp_path: Path) -> None:
    paths = write_series(tmp_path, VOXELS)
    for path in paths:
        data = pydicom.dcmread(path)
        data.PixelData = encapsulate([bytes(2 * VOXELS[0].size)])
        data["PixelData"].is_undefined_length = True
        data["PixelData"].VR = "OB"
        plain = pydicom.Dataset()
        plain.update(data)
        pydicom.dcmwrite(path, plain, implicit_vr=False, little_endian=True)
    assert refused(paths).startswith("000.dcm does not tell how its pixels are compressed; save the series")


def test_big_endian(tmp_path: Path) -> None:
    paths = write_series(tmp_path, VOXELS, TransferSyntaxUID=ExplicitVRBigEndian)
    series = read(paths)
    np.testing.assert_array_equal(series.voxels[..., 0], VOXELS)


@pytest.mark.parametrize(
    "content",
    [
        b"no picture",
        b"",
        b"\x89PNG\r\n\x1a\n" + bytes(200),
        b"\x08\x00" + b"a text that begins as group 8 does, by chance" * 9,
        b"\x08\x00\x05\x00CS\xff\xff" + bytes(200),
        b"\x00\x08\x00\x05\x00\x00\x00\x04" + bytes(200),
        bytes(128) + b"DICX" + bytes(200),
    ],
)
def test_files_that_are_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.dcm").write_bytes(content)
    assert refused([tmp_path / "x.dcm"]) == "x.dcm is no DICOM file"


@pytest.mark.long
@pytest.mark.parametrize("kind", [b"U\x94", b"LO", b"UI", b"US", b"DS", b"OB", b"PN", b"SQ"])
def test_no_attribute_of_another_type_leads_to_another_error(tmp_path: Path, kind: bytes) -> None:
    """One byte in the wrong place, and a number is a text."""
    about: dict[str, Any] = {"PixelPaddingValue": 3, "RescaleSlope": "2", "PatientName": "Doe^Jane"}
    paths = write_series(tmp_path, VOXELS, **about)
    content, data = paths[0].read_bytes(), pydicom.dcmread(paths[0])
    for element in (*data.file_meta, *data):
        tag = struct.pack("<HH", element.tag.group, element.tag.element)
        assert tag + element.VR.encode() in content
        paths[0].write_bytes(content.replace(tag + element.VR.encode(), tag + kind))
        with suppress(Unreadable):
            series = read(paths)
            labels = np.zeros(VOXELS.shape, np.uint8)
            dicom_seg.write(labels, series.header, {1: "tumour"}, DRAWN, tmp_path / "mask")


@settings(max_examples=300)
@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\x08\x00\x05\x00", b"\x02\x00\x10\x00UI", b"\0\x08\0\x05CS"]),
)
@example(b"", b"\x08\x00\x05\x00")
def test_no_bytes_lead_to_another_error(content: bytes, start: bytes) -> None:
    with suppress(Unreadable):
        dicom.decode([File.of("x.dcm", start + content)])
        raise AssertionError("a volume of random bytes")
