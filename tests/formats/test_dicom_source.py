"""What a series says of its patient is repeated where it is valid, and prevents no segmentation where not."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.formats import dicom_seg
from stages.scan.header import Unreadable
from tests.fixtures.dicom import ROOT, edit, forge, write_series
from tests.fixtures.segmentations import LABELS, VOXELS, segmented
from tests.fixtures.series import read

DRAWN = dicom_seg.Drawn("0" * 64)
ROOM = Path(__file__).resolve().parents[2]
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
def test_values_that_are_not_valid_are_left_empty(tmp_path: Path, name: str, content: bytes) -> None:
    paths = write_series(tmp_path, VOXELS, PatientID="007")
    for path in paths:
        forge(path, name, content)
    mask, remarks = segmented(paths, tmp_path / "mask.dcm")
    assert not mask.get(name)
    assert mask.PatientID == "007"
    assert remarks == [LEFT_OUT.format(name)]


def test_values_that_are_valid_stay(tmp_path: Path) -> None:
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
def test_names_in_any_characters(tmp_path: Path, characters: bytes, content: bytes, name: str) -> None:
    """What is written in a way that nobody knows is not guessed."""
    paths = write_series(tmp_path, VOXELS)
    for path in paths:
        forge(path, "PatientName", content)
        forge(path, "SpecificCharacterSet", characters)
    mask, remarks = segmented(paths, tmp_path / "mask.dcm")
    assert str(mask.PatientName) == name
    assert remarks == ([] if name else [LEFT_OUT.format("PatientName")])


def test_a_frame_of_reference_that_is_made_up(tmp_path: Path) -> None:
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


def test_a_file_that_does_not_name_its_kind(tmp_path: Path) -> None:
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
def test_there_is_nothing_to_refer_to(tmp_path: Path, name: str, value: str | None, sentence: str) -> None:
    paths = write_series(tmp_path, VOXELS, PatientName="Doe^Jane")
    for path in paths:
        edit(path, **{name: value})
    series = read(paths)
    with pytest.raises(Unreadable) as error:
        dicom_seg.write(LABELS, series.header, {1: "tumour"}, DRAWN, tmp_path / "mask.dcm")
    assert str(error.value) == sentence
    assert not (tmp_path / "mask.dcm").exists()


def test_files_of_two_studies(tmp_path: Path) -> None:
    paths = write_series(tmp_path, VOXELS)
    edit(paths[0], StudyInstanceUID="1.2.3")
    with pytest.raises(Unreadable, match="several studies"):
        dicom_seg.write(LABELS, read(paths).header, {1: "tumour"}, DRAWN, tmp_path / "mask.dcm")


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


def legible(contents: dict[Any, Any]) -> bool:
    """A file whose character set has a zero inside is refused: pydicom cannot open it."""
    return b"\0" not in contents.get("SpecificCharacterSet", b"").rstrip(b"\0")


@pytest.mark.long
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(TEXTS), st.binary(max_size=20), max_size=4).filter(legible))
def test_no_attribute_prevents_a_segmentation(tmp_path: Path, contents: dict[Any, Any]) -> None:
    """Nor does what a patient's attributes say get into a remark."""
    paths = write_series(tmp_path / "s", VOXELS)
    for path in paths:
        for name, content in contents.items():
            forge(path, name, content)
    _, remarks = segmented(paths, tmp_path / "mask.dcm")
    for remark in remarks:
        assert remark.startswith("the DICOM segmentation leaves ")
        assert set(remark.split(" leaves ")[1].split(" empty")[0].split(", ")) <= set(contents)


@pytest.mark.long
def test_a_patient_is_not_named_in_the_terminal(tmp_path: Path) -> None:
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
print(dicom_seg.write(labels, series.header, {{1: "tumour"}}, dicom_seg.Drawn("0" * 64), out))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOM, capture_output=True, text=True, check=True)
    assert (done.stderr, done.stdout) == ("", f"{[LEFT_OUT.format('PatientBirthDate')]}\n")
