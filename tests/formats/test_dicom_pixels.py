"""Pixels of a series have the right numbers, however they are stored, or are refused with a way out."""

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRBigEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from tests.fixtures.dicom import edit, forge, write_series
from tests.fixtures.series import VOXELS, read, refused


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4"])
def test_high_as_dark_is_turned_without_leaving_the_numbers_of_its_type(tmp_path: Path, kind: str) -> None:
    """The whole range of a type: the difference of its ends does not fit into the type itself."""
    limits = np.iinfo(kind)
    voxels = np.random.default_rng(0).integers(limits.min, limits.max, (3, 4, 5), kind, endpoint=True)
    voxels[0, 0, 0], voxels[2, 1, 1] = limits.min, limits.max
    stored: dict[str, Any] = {"BitsAllocated": limits.bits, "PixelRepresentation": int(kind[0] == "i")}
    series = read(write_series(tmp_path, voxels, PhotometricInterpretation="MONOCHROME1", **stored))
    right = limits.max - voxels.astype(object)
    np.testing.assert_array_equal(series.voxels[..., 0].astype(object), right)
    assert series.voxels[0, 0, 0, 0] == series.voxels.max() == limits.max - limits.min
    assert series.voxels.min() == 0  # of the whole volume, not of each slice


def test_high_as_dark_after_rescaling(tmp_path: Path) -> None:
    voxels = np.arange(24, dtype=np.int16).reshape(2, 3, 4) - 12
    about: dict[str, Any] = {"PhotometricInterpretation": "MONOCHROME1", "PixelRepresentation": 1}
    series = read(write_series(tmp_path, voxels, RescaleSlope="-0.5", RescaleIntercept="3", **about))
    scaled = voxels * -0.5 + 3
    np.testing.assert_allclose(series.voxels[..., 0], scaled.max() - scaled)


def test_high_as_dark_in_some_slices(tmp_path: Path) -> None:
    paths = write_series(tmp_path, VOXELS)
    edit(paths[0], PhotometricInterpretation="MONOCHROME1")
    assert refused(paths) == (
        "high is bright in some of its slices and dark in others; save it in one of the ways"
    )


@settings(max_examples=20)
@given(slopes=st.lists(st.sampled_from([None, "", "1", "0.5", "2.25", "1e-3", "-3"]), min_size=2, max_size=2))
def test_each_slice_has_a_slope_of_its_own(
    tmp_path_factory: pytest.TempPathFactory, slopes: list[str | None]
) -> None:
    """As Philips has it: slices of integers and of decimal numbers lie in one volume."""
    voxels = (VOXELS[:2].astype(np.int32) - 110).astype(np.int16)
    paths = write_series(tmp_path_factory.mktemp("s"), voxels, PixelRepresentation=1)
    factors = []
    for path in paths:
        number = pydicom.dcmread(path).InstanceNumber - 1
        edit(path, RescaleSlope=slopes[number], RescaleIntercept="" if slopes[number] == "" else None)
    for slope in slopes:
        factors.append(float(slope or 1))
    np.testing.assert_allclose(
        read(paths).voxels[..., 0], voxels * np.array(factors)[:, None, None], rtol=1e-6
    )


@pytest.mark.parametrize("name", ["RescaleSlope", "RescaleIntercept"])
def test_a_rescaling_that_is_empty_or_damaged(tmp_path: Path, name: str) -> None:
    paths = write_series(tmp_path, VOXELS)
    for path in paths:
        forge(path, name, b"")
    series = read(paths)
    np.testing.assert_array_equal(series.voxels[..., 0], VOXELS)
    assert (series.voxels.dtype, series.remarks) == (np.uint16, ())
    forge(paths[0], name, b"1\\2")
    assert refused(paths) == f"its {name} is damaged"
    forge(paths[0], name, b"inf")
    assert refused(paths) == f"its {name} is damaged"


def test_a_slope_of_nothing(tmp_path: Path) -> None:
    series = read(write_series(tmp_path, VOXELS, RescaleSlope="0", RescaleIntercept="0"))
    np.testing.assert_array_equal(series.voxels[..., 0], VOXELS)
    assert series.remarks == ("its RescaleSlope is 0, which is taken as 1",)


@pytest.mark.parametrize("signed", [0, 1])
def test_overlays_in_the_bits_that_no_pixel_uses(tmp_path: Path, signed: int) -> None:
    """Old scanners draw text into the upper four of 16 bits; of signed pixels the twelfth bit is the sign."""
    voxels = np.random.default_rng(0).integers(-2048 if signed else 0, 2048, (2, 3, 4))
    stored = (voxels & 0x0FFF) | 0x5000
    about: dict[str, Any] = {"BitsStored": 12, "HighBit": 11, "PixelRepresentation": signed}
    series = read(write_series(tmp_path, stored.astype(np.uint16), **about))
    np.testing.assert_array_equal(series.voxels[..., 0], voxels)


@pytest.mark.parametrize("syntax", [None, ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("value", [-2000, 63536])
def test_padding_becomes_the_darkest_of_the_picture(tmp_path: Path, syntax: Any | None, value: int) -> None:
    """-2000 and 63536 are the same 16 bits; writers take either for either."""
    voxels = np.random.default_rng(0).integers(5, 900, (3, 4, 5)).astype(np.int16)
    stored = voxels.copy()
    stored[:, 0] = stored[2, :, 1] = -2000
    about: dict[str, Any] = {"TransferSyntaxUID": syntax} if syntax else {}
    paths = write_series(tmp_path, stored, PixelRepresentation=1, RescaleSlope="2", **about)
    for path in paths:
        data = pydicom.dcmread(path)
        kind = "SS" if value < 0 else "US"
        data.add(pydicom.DataElement("PixelPaddingValue", kind, value))
        data.PixelRepresentation = 1
        data.save_as(path)
    within = stored != -2000
    series = read(paths)
    np.testing.assert_array_equal(series.voxels[..., 0][within], 2 * voxels[within])
    assert (series.voxels[..., 0][~within] == 2 * voxels[within].min()).all()


def test_padding_in_a_range_and_high_as_dark(tmp_path: Path) -> None:
    voxels = np.arange(60, dtype=np.uint16).reshape(3, 4, 5) + 100
    voxels[1, 0] = [7, 8, 9, 10, 11]
    about: dict[str, Any] = {
        "PixelPaddingValue": 8,
        "PixelPaddingRangeLimit": 10,
        "PhotometricInterpretation": "MONOCHROME1",
    }
    series = read(write_series(tmp_path, voxels, **about))
    right = voxels.max() - voxels
    right[1, 0, 1:4] = 0
    np.testing.assert_array_equal(series.voxels[..., 0], right)


def test_a_picture_of_nothing_but_padding_stays(tmp_path: Path) -> None:
    series = read(write_series(tmp_path, np.zeros((2, 3, 4), np.uint16), PixelPaddingValue=0))
    assert not series.voxels.any()


def test_several_frames_in_a_file_that_does_not_count_them(tmp_path: Path) -> None:
    paths = write_series(tmp_path, VOXELS, PixelData=bytes(2 * 2 * VOXELS[0].size))
    assert refused(paths) == "the pixels of 000.dcm do not fit its header"


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_compressed_by_pydicom(tmp_path: Path, syntax: Any) -> None:
    voxels = np.random.default_rng(0).integers(0, 4096, (3, 6, 7)).astype(np.uint16)
    paths = write_series(tmp_path, voxels, BitsStored=12, HighBit=11)
    for path in paths:
        data = pydicom.dcmread(path)
        data.compress(syntax, generate_instance_uid=False)
        data.save_as(path)
    np.testing.assert_array_equal(read(paths).voxels[..., 0], voxels)


def packed(path: Path, syntax: Any, content: bytes) -> None:
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = syntax
    data.PixelData = encapsulate([content])
    data["PixelData"].is_undefined_length = True
    data.save_as(path)


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLossless, JPEGLosslessSV1])
def test_compressed_by_another_library(tmp_path: Path, syntax: Any, bits: int) -> None:
    """JPEG Lossless is encoded by liblj92 and decoded by jpg_0XC3: two implementations."""
    voxels = np.random.default_rng(0).integers(0, 1 << bits, (3, 16, 17)).astype("u1" if bits == 8 else "u2")
    about: dict[str, Any] = {"BitsAllocated": 8 if bits == 8 else 16, "BitsStored": bits, "HighBit": bits - 1}
    paths = write_series(tmp_path, voxels, **about)
    for path in paths:
        pixels = pydicom.dcmread(path).pixel_array
        if syntax == JPEG2000Lossless:
            content = imagecodecs.jpeg2k_encode(pixels, level=0, reversible=True, codecformat="j2k")
        else:
            content = imagecodecs.ljpeg_encode(pixels, bitspersample=bits)
        packed(path, syntax, bytes(content))
    series = read(paths)
    np.testing.assert_array_equal(series.voxels[..., 0], voxels)
    assert series.voxels.dtype == voxels.dtype


def test_signed_numbers_in_jpeg_lossless(tmp_path: Path) -> None:
    """Their bits are compressed as they are."""
    voxels = np.random.default_rng(0).integers(-2000, 2000, (2, 16, 17)).astype(np.int16)
    paths = write_series(tmp_path, voxels, PixelRepresentation=1)
    for path in paths:
        bits = pydicom.dcmread(path).pixel_array.view(np.uint16)
        packed(path, JPEGLosslessSV1, bytes(imagecodecs.ljpeg_encode(bits, bitspersample=16)))
    np.testing.assert_array_equal(read(paths).voxels[..., 0], voxels)


def test_jpeg_lossless_of_another_size_is_not_unpacked(tmp_path: Path) -> None:
    paths = write_series(tmp_path, VOXELS)
    large = imagecodecs.ljpeg_encode(np.zeros((2000, 2000), np.uint16), bitspersample=16)
    packed(paths[0], JPEGLosslessSV1, bytes(large))
    assert "cannot be decoded (imagecodecs: invalid out.shape" in refused(paths)


def test_a_compression_that_cannot_be_undone(tmp_path: Path) -> None:
    paths = write_series(tmp_path, VOXELS)
    way_out = "; save the series uncompressed (gdcmconv --raw) or as NIfTI (dcm2niix)"
    packed(paths[0], JPEGLosslessSV1, b"\xff\xd8\xff\xc3no picture")
    sentence = refused(paths)
    assert sentence.startswith("the pixels of 000.dcm, compressed as JPEG Lossless, cannot be decoded (")
    assert sentence.endswith(way_out)
    packed(paths[0], HTJ2KLossless, b"\xff\x4fno picture")
    assert refused(paths) == (
        "the pixels of 000.dcm, compressed as High-Throughput JPEG 2000 Image Compression (Lossless Only), "
        f"cannot be decoded (no decoder is installed){way_out}"
    )
