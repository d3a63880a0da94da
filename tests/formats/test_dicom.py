"""DICOM series are put in order whatever their files are called, or refused if they make no volume."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from stages.scan.header import Unreadable
from tests.fixtures.dicom import AXIAL, CORONAL, SAGITTAL, edit, forge, write_series
from tests.fixtures.series import VOXELS, read, refused


@pytest.mark.parametrize(
    "plane", [AXIAL, SAGITTAL, CORONAL, ((-1.0, 0, 0), (0, -1.0, 0)), ((0, 1.0, 0), (1.0, 0, 0))]
)
def test_any_plane_becomes_axial_slices(tmp_path: Path, plane: tuple[Any, ...]) -> None:
    paths = write_series(tmp_path, VOXELS, plane, spacing_mm=(4.0, 2.0, 1.0))
    series = read(paths)
    np.testing.assert_array_equal(series.voxels[..., 0], VOXELS)
    assert series.voxels.dtype == np.uint16
    assert series.spacing == pytest.approx((4.0, 2.0, 1.0))
    assert series.grid is not None
    stored = series.grid.from_slices(series.voxels[..., 0])
    assert stored.shape == series.grid.shape
    for number, header in enumerate(series.header):
        source = next(path for path in paths if pydicom.dcmread(path).SOPInstanceUID == header.SOPInstanceUID)
        np.testing.assert_array_equal(stored[..., number].T, pydicom.dcmread(source).pixel_array)


def test_the_affine_leads_to_where_the_scanner_says(tmp_path: Path) -> None:
    """Voxel (column, row, slice) lies at IPP + column x row direction x spacing + ..., negated to RAS."""
    series = read(write_series(tmp_path, VOXELS, SAGITTAL, spacing_mm=(4.0, 2.0, 1.0)))
    assert series.grid is not None
    for number, header in enumerate(series.header):
        row, column = np.array(header.ImageOrientationPatient).reshape(2, 3).astype(float)
        down, across = map(float, header.PixelSpacing)
        place = np.array(header.ImagePositionPatient, float) + row * across * 2 + column * down * 1
        found = series.grid.affine @ [2, 1, number, 1]
        np.testing.assert_allclose(found[:3], place * [-1, -1, 1], atol=1e-5)


def test_rescaling(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "a", VOXELS, RescaleSlope="0.5", RescaleIntercept="-10")
    scaled = read(paths)
    assert scaled.voxels.dtype == np.float32
    np.testing.assert_allclose(scaled.voxels[..., 0], VOXELS * 0.5 - 10)


def test_one_slice_takes_its_thickness(tmp_path: Path) -> None:
    series = read(write_series(tmp_path, VOXELS[:1], spacing_mm=(5.0, 2.0, 1.0)))
    assert series.spacing == pytest.approx((5.0, 2.0, 1.0))


def test_mixed_series(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "a", VOXELS) + write_series(tmp_path / "b", VOXELS, series=2)
    assert refused(paths) == "it mixes 2 series; give each a folder of its own"


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"Modality": "CT"}, "000.dcm is of modality CT, the model takes MR"),
        ({"Modality": "pt "}, "000.dcm is of modality PT, the model takes MR"),
        (
            {"Modality": None, "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"},
            "000.dcm is of the kind CT Image Storage, the model takes MR",
        ),
        (
            {"SharedFunctionalGroupsSequence": [], "NumberOfFrames": 1},
            "000.dcm holds several frames; convert the series to single frames or to NIfTI",
        ),
        (
            {"NumberOfFrames": 2},
            "000.dcm holds several frames; convert the series to single frames or to NIfTI",
        ),
        (
            {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"},
            "000.dcm is in colours; a sequence as the scanner made it is needed",
        ),
        ({"ImagePositionPatient": None}, "000.dcm does not tell its ImagePositionPatient{again}"),
        ({"Rows": None}, "000.dcm does not tell its Rows{again}"),
        (
            {"PixelSpacing": None, "ImagerPixelSpacing": [1, 1]},
            "000.dcm does not tell its PixelSpacing{again}",
        ),
        (
            {"SamplesPerPixel": None, "PhotometricInterpretation": "RGB"},
            "000.dcm is in colours; a sequence as the scanner made it is needed",
        ),
        ({"PixelRepresentation": 2}, "the pixels of 000.dcm cannot be decoded ("),
        ({"PixelSpacing": [0.0, 0.0]}, "its files do not tell a spacing that a scan can have"),
        ({"PixelSpacing": [1e9, 1e9]}, "its files do not tell a spacing that a scan can have"),
        ({"PixelSpacing": 1.0}, "its PixelSpacing is damaged"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "its files do not say how the head lies"),
        ({"ImageOrientationPatient": [2, 0, 0, 0, 2, 0]}, "its files do not say how the head lies"),
        (
            {"ImagePositionPatient": [0, 0, 0]},
            "two of its slices lie at the same place; give each volume a folder of its own",
        ),
        (
            {"TransferSyntaxUID": DeflatedExplicitVRLittleEndian},
            "000.dcm is deflated; save it uncompressed",
        ),
        ({"Rows": 60000, "Columns": 60000}, None),
        ({"PixelData": b"\0\0"}, None),
    ],
)
def test_what_makes_no_volume(tmp_path: Path, attributes: dict[str, Any], message: str | None) -> None:
    told = refused(write_series(tmp_path, VOXELS, **attributes))
    if message is None:
        assert told.startswith(("its header says 60000x60000 pixels", "the pixels of 00"))
    elif message.endswith("("):
        assert told.startswith(message)
    else:
        assert told == message.format(again="; export the series again, with it")


@pytest.mark.parametrize(
    ("name", "remarks"),
    [
        ("Modality", ("its files do not tell their Modality, MR is assumed",)),
        (
            "PhotometricInterpretation",
            ("its files do not tell their PhotometricInterpretation, high numbers are taken as bright",),
        ),
        (
            "PixelRepresentation",
            ("its files do not tell their PixelRepresentation, numbers are taken as without sign",),
        ),
        *[(name, ()) for name in ("SamplesPerPixel", "BitsStored", "HighBit", "SOPClassUID", "PatientID")],
        *[(name, ()) for name in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")],
        *[(name, ()) for name in ("FrameOfReferenceUID", "InstanceNumber", "SliceThickness")],
    ],
)
@pytest.mark.parametrize("empty", [False, True])
def test_what_a_file_may_leave_open(tmp_path: Path, name: str, remarks: tuple[str, ...], empty: bool) -> None:
    """By leaving an attribute out, or empty; without it the same numbers lie at the same places."""
    paths = write_series(tmp_path, VOXELS, CORONAL, spacing_mm=(3.0, 2.0, 1.0))
    whole = read(paths)
    for path in paths:
        edit(path, **{name: None})
        if empty:
            forge(path, name, b"")
    series = read(paths)
    np.testing.assert_array_equal(series.voxels, whole.voxels)
    assert series.grid is not None
    assert whole.grid is not None
    np.testing.assert_array_equal(series.grid.affine, whole.grid.affine)
    assert series.remarks == remarks


def test_a_missing_slice(tmp_path: Path) -> None:
    tall = np.repeat(VOXELS, 3, axis=0)
    paths = write_series(tmp_path, tall, spacing_mm=(2.0, 1.0, 1.0))
    gone = next(path for path in paths if pydicom.dcmread(path).InstanceNumber == 3)
    paths.remove(gone)
    assert refused(paths) == (
        "its slices are 2.00 to 4.00 mm apart, so one seems to be missing; "
        "add it, or give each evenly spaced part a folder of its own"
    )


def test_slices_that_differ(tmp_path: Path) -> None:
    paths = write_series(tmp_path, VOXELS)
    edit(paths[0], PixelSpacing=[3, 3])
    assert refused(paths) == "its slices differ in PixelSpacing; give each volume a folder of its own"


def test_a_tilted_gantry(tmp_path: Path) -> None:
    paths = write_series(tmp_path, np.repeat(VOXELS, 2, axis=0))
    for path in paths:
        header = pydicom.dcmread(path)
        header.ImagePositionPatient[1] = float(header.ImagePositionPatient[2]) * 0.3
        header.save_as(path)
    assert refused(paths) == "its slices are shifted against each other, as by a tilted gantry"


def test_files_that_are_damaged(tmp_path: Path) -> None:
    paths = write_series(tmp_path, VOXELS)
    (tmp_path / "text.dcm").write_text("no picture")
    assert refused([tmp_path / "text.dcm"]) == "text.dcm is no DICOM file"
    content = paths[0].read_bytes()
    for length in range(130, len(content), 7):
        paths[0].write_bytes(content[:length])
        refused(paths)


def test_random_damage_never_gets_through_as_another_error(tmp_path: Path) -> None:
    paths = write_series(tmp_path, VOXELS)
    content, rng = paths[0].read_bytes(), np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(content)
        for at in rng.integers(132, len(content), 3):
            damaged[at] = rng.integers(256)
        paths[0].write_bytes(damaged)
        with suppress(Unreadable):
            read(paths)


def test_too_many_files(tmp_path: Path) -> None:
    assert refused([tmp_path / "x"] * 5000) == (
        "it holds 5000 files, more than the 4096 slices that are allowed"
    )
