"""A DICOM segmentation lies on the slices that it was made of, whatever else their files say."""

import subprocess
import sys
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.formats import dicom_seg
from stages.scan.header import Unreadable
from stages.sources.sources import TASKS
from tests.fixtures import graphs
from tests.fixtures.dicom import AXIAL, ROOT, SAGITTAL, edit, forge, write_series
from tests.formats.test_dicom import read

VOXELS = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(4, 5, 6)
ROOM = Path(__file__).resolve().parents[2]
LABELS = (VOXELS % 7 == 0).astype(np.uint8)


def segmented(paths, out) -> tuple[pydicom.Dataset, list[str]]:
    """Mark what is divisible by seven; the file, which must lie on its slices, and the remarks."""
    series = read(paths)
    assert series.grid is not None
    labels = series.grid.from_slices(LABELS).transpose(2, 1, 0)
    remarks = dicom_seg.write(labels, series.header, {1: "tumour"}, "0" * 64, out)
    mask = hd.seg.segread(out)
    for path in paths:
        source = pydicom.dcmread(path)
        (frame,) = mask.get_pixels_by_source_instance([source.SOPInstanceUID], combine_segments=True)
        np.testing.assert_array_equal(frame, source.pixel_array % 7 == 0)
    positions = {tuple(map(float, header.ImagePositionPatient)) for header in series.header}
    frames = mask.PerFrameFunctionalGroupsSequence
    places = [tuple(map(float, frame.PlanePositionSequence[0].ImagePositionPatient)) for frame in frames]
    np.testing.assert_allclose(sorted(set(places)), sorted(positions), atol=1e-6)
    volume = mask.get_volume(combine_segments=True)
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ series.grid.affine  # highdicom's axes: slices, rows, columns
    ends = [volume.affine @ [*at, 1] for at in np.argwhere(volume.array > 0)]
    right = [lps @ [*at[::-1], 1] for at in np.argwhere(labels)]
    assert sorted(map(tuple, np.round(ends, 4) + 0)) == sorted(map(tuple, np.round(right, 4) + 0))
    return pydicom.dcmread(out), remarks


@pytest.mark.parametrize("plane", [AXIAL, SAGITTAL])
def test_a_segmentation_points_at_the_slices_it_was_made_of(tmp_path, plane):
    described = graphs.describe(regions=graphs.BRATS)
    voxels = np.zeros((5, 3, 7), np.uint16)  # planes of 21 and 15 pixels, which do not fill bytes
    series = read(write_series(tmp_path, voxels, plane, PatientID=None))
    assert series.grid is not None
    labels = np.zeros(series.grid.shape, np.uint8).transpose(2, 1, 0)
    labels[0, 1, 1], labels[-1, 0, 1], labels[-1, 1, 0] = 1, 2, 3
    dicom_seg.write(labels, series.header, described.output.classes, "0" * 64, tmp_path / "mask.dcm")
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


def test_an_empty_segmentation(tmp_path):
    series = read(write_series(tmp_path, VOXELS))
    dicom_seg.write(
        np.zeros(VOXELS.shape, np.uint8), series.header, {1: "tumour"}, "0" * 64, tmp_path / "mask.dcm"
    )
    assert not pydicom.dcmread(tmp_path / "mask.dcm").pixel_array.any()


LEFT_OUT = "the DICOM segmentation leaves {} empty, not valid in the series"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("PatientSex", b"U"),
        ("PatientSex", b"female"),
        ("PatientSex", b"M\\F"),
        ("PatientBirthDate", b"19561332"),
        ("PatientBirthDate", b"1956"),
        ("PatientBirthDate", b"00000000"),
        ("PatientBirthDate", b"19560101\\19570101"),
        ("PatientName", b"Doe^Jane\\Doe^Joan"),
        ("StudyDate", b"yesterday"),
        ("StudyTime", b"10:15:20"),
        ("StudyTime", b"99"),
    ],
)
def test_values_that_are_not_valid_are_left_empty(tmp_path, name, content):
    paths = write_series(tmp_path, VOXELS, PatientID="007")
    for path in paths:
        forge(path, name, content)
    mask, remarks = segmented(paths, tmp_path / "mask.dcm")
    assert not mask.get(name)
    assert mask.PatientID == "007"
    assert remarks == [LEFT_OUT.format(name)]


def test_values_that_are_valid_stay(tmp_path):
    values = {
        "PatientSex": "O",
        "PatientBirthDate": "19560131",
        "PatientName": "Doe^Jane",
        "PatientAge": "42",  # not as the standard has it, but nobody minds
        "StudyDate": "20200101",
        "StudyTime": "101520.5",
        "PatientWeight": "75 kg",
        "StudyDescription": "a" * 70,
        "FrameOfReferenceUID": ROOT + "8",
    }
    paths = write_series(tmp_path, VOXELS)
    for path in paths:
        for name, value in values.items():
            forge(path, name, value.encode())
    mask, remarks = segmented(paths, tmp_path / "mask.dcm")
    assert {name: str(mask[name].value) for name in values} == values
    assert remarks == []


@pytest.mark.parametrize(
    ("characters", "content", "name"),
    [
        (b"ISO_IR 100", "Müller".encode("latin1"), "Müller"),
        (b"ISO_IR 192", "Müller".encode(), "Müller"),
        (b"ISO_IR 6", b"Muller", "Muller"),
        (b"", b"Muller", "Muller"),
        (b"ISO 8859-1", "Müller".encode("latin1"), "Müller"),
        (b"ISO-IR 100", "Müller".encode("latin1"), "Müller"),
        (b"UTF8", "Müller".encode(), "Müller"),
        (b"ISO 2022 IR 100", "Müller".encode("latin1"), "Müller"),
        (b"\\ISO 2022 IR 87", b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "Yamada^Tarou=山田^太郎"),
        (b"nonsense", b"Muller", "Muller"),
        (b"nonsense", "Müller".encode("latin1"), ""),
        (b"hex", b"Muller", ""),
    ],
)
def test_names_in_any_characters(tmp_path, characters, content, name):
    """What is written in a way that nobody knows is not guessed."""
    paths = write_series(tmp_path, VOXELS)
    for path in paths:
        forge(path, "PatientName", content)
        forge(path, "SpecificCharacterSet", characters)
    mask, remarks = segmented(paths, tmp_path / "mask.dcm")
    assert str(mask.PatientName) == name
    assert remarks == ([] if name else [LEFT_OUT.format("PatientName")])


@pytest.mark.parametrize("content", [None, b"", b"0", b"-3", b"thick"])
def test_a_thickness_that_is_none_is_the_step(tmp_path, content):
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


def test_a_gap_that_is_called_the_distance_of_slices(tmp_path):
    """As old scanners have it: viewers would stack 5 mm slices every millimetre."""
    paths = write_series(
        tmp_path, VOXELS, spacing_mm=(6.0, 1.0, 1.0), SliceThickness=5, SpacingBetweenSlices=1
    )
    mask, _ = segmented(paths, tmp_path / "mask.dcm")
    about = mask.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert (float(about.SliceThickness), float(about.SpacingBetweenSlices)) == (5, 6)


@pytest.mark.parametrize("turn", [1e-7, 1e-4])
def test_directions_that_differ_by_rounding(tmp_path, turn):
    paths = write_series(tmp_path, VOXELS)
    edit(paths[1], ImageOrientationPatient=[1, turn, 0, -turn, 1, 0])
    segmented(paths, tmp_path / "mask.dcm")


def test_a_frame_of_reference_that_is_made_up(tmp_path):
    """The same for the same series, so that two segmentations of it lie on each other."""
    sentence = "its files do not name one frame of reference, the DICOM segmentation has one made up"
    names = []
    for number, frame in enumerate((None, "", None)):
        paths = write_series(
            tmp_path / str(number), VOXELS, FrameOfReferenceUID=frame, series=1 + number // 2
        )
        mask, remarks = segmented(paths, tmp_path / "mask.dcm")
        assert remarks == [sentence]
        names.append(mask.FrameOfReferenceUID)
    assert names[0] == names[1] != names[2]
    assert names[0].is_valid
    edit(paths[0], FrameOfReferenceUID=ROOT + "8")
    edit(paths[1], FrameOfReferenceUID=ROOT + "9")
    assert segmented(paths, tmp_path / "mask.dcm")[1] == [sentence]


def test_a_file_that_does_not_name_its_kind(tmp_path):
    paths = write_series(tmp_path, VOXELS, SOPClassUID=None)
    mask, _ = segmented(paths, tmp_path / "mask.dcm")
    assert {ref.ReferencedSOPClassUID.name for ref in mask.SourceImageSequence} == {"MR Image Storage"}


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("StudyInstanceUID", None, "its files do not tell their StudyInstanceUID"),
        ("SeriesInstanceUID", "", "its files do not tell their SeriesInstanceUID"),
        ("SOPInstanceUID", None, "its files do not tell their SOPInstanceUID"),
        ("SOPInstanceUID", "1.2.3", "several of its files have one SOPInstanceUID"),
        ("SOPClassUID", "1.3.46.670589.5.0.10", "its attributes do not suit highdicom (KeyError)"),
    ],
)
def test_there_is_nothing_to_refer_to(tmp_path, name, value, sentence):
    paths = write_series(tmp_path, VOXELS, PatientName="Doe^Jane")
    for path in paths:
        edit(path, **{name: value})
    series = read(paths)
    with pytest.raises(Unreadable) as error:
        dicom_seg.write(LABELS, series.header, {1: "tumour"}, "0" * 64, tmp_path / "mask.dcm")
    assert str(error.value) == sentence
    assert not (tmp_path / "mask.dcm").exists()


def test_files_of_two_studies(tmp_path):
    paths = write_series(tmp_path, VOXELS)
    edit(paths[0], StudyInstanceUID="1.2.3")
    with pytest.raises(Unreadable, match="several studies"):
        dicom_seg.write(LABELS, read(paths).header, {1: "tumour"}, "0" * 64, tmp_path / "mask.dcm")


TEXTS = (
    *(
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "PatientAge",
        "PatientWeight",
        "StudyDate",
    ),
    *("StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName", "PatientComments", "Manufacturer"),
    *("SpecificCharacterSet", "PregnancyStatus", "SoftwareVersions", "AcquisitionDate", "InstitutionName"),
    *("OtherPatientIDsSequence", "ClinicalTrialSubjectID", "PositionReferenceIndicator"),
    *("LossyImageCompression", "SpacingBetweenSlices", "ContainerIdentifier", "PatientBirthTime"),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(TEXTS), st.binary(max_size=20), max_size=4))
def test_no_attribute_prevents_a_segmentation(tmp_path, contents):
    """Nor does what a patient's attributes say get into a remark."""
    paths = write_series(tmp_path / "s", VOXELS)
    for path in paths:
        for name, content in contents.items():
            forge(path, name, content)
    _, remarks = segmented(paths, tmp_path / "mask.dcm")
    for remark in remarks:
        assert remark.startswith("the DICOM segmentation leaves ")
        assert set(remark.split(" leaves ")[1].split(" empty")[0].split(", ")) <= set(contents)


def test_a_patient_is_not_named_in_the_terminal(tmp_path):
    """Neither by warnings, nor by logs, of any of the libraries."""
    paths = write_series(tmp_path, VOXELS, PatientName="Jane Doe", PatientSex="F")
    for path in paths:
        forge(path, "PatientBirthDate", b"19561332")
        forge(path, "PatientID", b"x" * 80)
        forge(path, "SpecificCharacterSet", b"nonsense")
    code = f"""
import numpy as np, pathlib
from stages.formats import dicom, dicom_seg
from stages.formats.file import File
series = dicom.decode([File.at(path) for path in sorted(pathlib.Path({str(tmp_path)!r}).glob("*.dcm"))])
labels = np.zeros(series.grid.shape[::-1], np.uint8)
out = pathlib.Path({str(tmp_path / "mask")!r})
print(dicom_seg.write(labels, series.header, {{1: "tumour"}}, "0" * 64, out))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOM, capture_output=True, text=True, check=True)
    assert (done.stderr, done.stdout) == ("", f"{[LEFT_OUT.format('PatientBirthDate')]}\n")


def test_each_class_of_children_and_after_treatment_has_its_code(tmp_path):
    series = read(write_series(tmp_path, np.ones((2, 3, 4), np.uint16)))
    codes = {}
    for name in ("brats_ped", "brats2024"):
        path = tmp_path / f"{name}.dcm"
        dicom_seg.write(np.zeros((2, 3, 4), np.uint8), series.header, TASKS[name].classes, "0" * 64, path)
        for segment in pydicom.dcmread(path).SegmentSequence:
            code = segment.SegmentedPropertyTypeCodeSequence[0]
            codes[segment.SegmentLabel] = (code.CodingSchemeDesignator, code.CodeValue)
    assert len(set(codes.values())) == len(codes) == 6
    assert codes["cyst"] == ("SCT", "367643001")
    assert codes["resection_cavity"] != ("SCT", "108369006")  # no neoplasm
