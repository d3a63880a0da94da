"""A DICOM segmentation lies on the slices that it was made of, whatever else their files say."""

from pathlib import Path

import numpy as np
import pydicom
import pytest

from stages.formats import dicom_seg
from stages.sources.sources import TASKS
from tests.fixtures import graphs
from tests.fixtures.dicom import AXIAL, SAGITTAL, edit, forge, write_series
from tests.fixtures.segmentations import DRAWN, VOXELS, segmented
from tests.fixtures.series import read

ROOM = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("plane", [AXIAL, SAGITTAL])
def test_a_segmentation_points_at_the_slices_it_was_made_of(
    tmp_path: Path, plane: tuple[tuple[float, float, float], tuple[float, float, float]]
) -> None:
    described = graphs.describe(regions=graphs.BRATS)
    voxels = np.zeros((5, 3, 7), np.uint16)  # planes of 21 and 15 pixels, which do not fill bytes
    series = read(write_series(tmp_path, voxels, plane, PatientID=None))
    assert series.grid is not None
    labels = np.zeros(series.grid.shape, np.uint8).transpose(2, 1, 0)
    labels[0, 1, 1], labels[-1, 0, 1], labels[-1, 1, 0] = 1, 2, 3
    dicom_seg.write(labels, series.header, described.output.classes, DRAWN, tmp_path / "mask.dcm")
    written = pydicom.dcmread(tmp_path / "mask.dcm")
    assert written.Modality == "SEG"
    assert [part.SegmentLabel for part in written.SegmentSequence] == list(graphs.BRATS_CLASSES.values())
    back = np.zeros_like(labels)
    frames = np.atleast_3d(written.pixel_array).reshape(-1, *labels.shape[1:])
    of_uid = {header.SOPInstanceUID: place for place, header in enumerate(series.header)}
    for frame, about in zip(frames, written.PerFrameFunctionalGroupsSequence, strict=True):
        source = about.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        number = about.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        back[of_uid[source]][frame > 0] = number
    np.testing.assert_array_equal(back, labels)


def test_an_empty_segmentation(tmp_path: Path) -> None:
    series = read(write_series(tmp_path, VOXELS))
    dicom_seg.write(
        np.zeros(VOXELS.shape, np.uint8),
        series.header,
        {1: "tumour"},
        DRAWN,
        tmp_path / "mask.dcm",
    )
    assert not pydicom.dcmread(tmp_path / "mask.dcm").pixel_array.any()


def test_each_class_of_children_and_after_treatment_has_its_code(tmp_path: Path) -> None:
    series = read(write_series(tmp_path, np.ones((2, 3, 4), np.uint16)))
    codes = {}
    for name in ("brats_ped", "brats2024"):
        path = tmp_path / f"{name}.dcm"
        dicom_seg.write(np.zeros((2, 3, 4), np.uint8), series.header, TASKS[name].classes, DRAWN, path)
        for segment in pydicom.dcmread(path).SegmentSequence:
            code = segment.SegmentedPropertyTypeCodeSequence[0]
            codes[segment.SegmentLabel] = (code.CodingSchemeDesignator, code.CodeValue)
    assert len(set(codes.values())) == len(codes) == 6
    assert codes["cyst"] == ("SCT", "367643001")
    assert codes["resection_cavity"] != ("SCT", "108369006")  # no neoplasm


@pytest.mark.parametrize("content", [None, b"", b"0", b"-3", b"thick"])
def test_a_thickness_that_is_none_is_the_step(tmp_path: Path, content: bytes | None) -> None:
    paths = write_series(tmp_path, VOXELS, SAGITTAL, spacing_mm=(4.0, 3.0, 2.5))
    for path in paths:
        edit(path, SliceThickness=None)
        if content is not None:
            forge(path, "SliceThickness", content)
            forge(path, "SpacingBetweenSlices", content)
    mask, remarks = segmented(paths, tmp_path / "mask.dcm")
    about = mask.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert (float(about.SliceThickness), about.get("SpacingBetweenSlices", 2.5)) == (2.5, 2.5)
    assert remarks == []


def test_a_gap_that_is_called_the_distance_of_slices(tmp_path: Path) -> None:
    """As old scanners have it: viewers would stack 5 mm slices every millimetre."""
    paths = write_series(
        tmp_path, VOXELS, spacing_mm=(6.0, 1.0, 1.0), SliceThickness=5, SpacingBetweenSlices=1
    )
    mask, _ = segmented(paths, tmp_path / "mask.dcm")
    about = mask.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert (float(about.SliceThickness), float(about.SpacingBetweenSlices)) == (5, 6)


@pytest.mark.parametrize("turn", [1e-7, 1e-4])
def test_directions_that_differ_by_rounding(tmp_path: Path, turn: float) -> None:
    paths = write_series(tmp_path, VOXELS)
    edit(paths[1], ImageOrientationPatient=[1, turn, 0, -turn, 1, 0])
    segmented(paths, tmp_path / "mask.dcm")
