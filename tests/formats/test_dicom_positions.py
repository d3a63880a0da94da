"""Slices lie where their headers say, in spite of rounding and of the order of files, or are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.scan.spacing import Spacing
from tests.fixtures.dicom import AXIAL, CORONAL, SAGITTAL, edit, forge, write_series
from tests.fixtures.series import VOXELS, read, refused

TALL = np.random.default_rng(0).integers(0, 900, (20, 3, 4)).astype(np.uint16)
MISSING = "so one seems to be missing; add it, or give each evenly spaced part a folder of its own"


def moved(paths: list[Path], place: Callable[..., Any]) -> None:
    """Put each slice where `place` says, by its number and its position."""
    for path in paths:
        data = pydicom.dcmread(path)
        at = np.array(data.ImagePositionPatient, float)
        edit(path, ImagePositionPatient=[f"{mm:.12g}" for mm in place(data.InstanceNumber - 1, at)])


@pytest.mark.long
@settings(max_examples=12)
@given(
    step=st.floats(0.3, 7.0),
    digits=st.sampled_from([1, 2, 3]),
    plane=st.sampled_from([AXIAL, SAGITTAL, CORONAL]),
    gone=st.integers(1, 18),
)
def test_rounded_positions_are_read_and_a_missing_slice_is_not(
    tmp_path_factory: pytest.TempPathFactory,
    step: float,
    digits: int,
    plane: tuple[tuple[float, float, float], tuple[float, float, float]],
    gone: int,
) -> None:
    size, spacing = {
        AXIAL: ((20, 3, 4), Spacing(step, 1, 1)),
        SAGITTAL: ((3, 4, 20), Spacing(1, 1, step)),
        CORONAL: ((3, 20, 4), Spacing(1, step, 1)),
    }[plane]
    voxels = TALL.reshape(size)
    paths = write_series(tmp_path_factory.mktemp("s"), voxels, plane, spacing)
    moved(paths, lambda number, at: np.round(at, digits))
    series = read(paths)
    np.testing.assert_array_equal(series.voxels[..., 0], voxels)
    assert series.spacing == pytest.approx(spacing, abs=0.1 / 19 + 1e-9)
    rest = [path for path in paths if pydicom.dcmread(path).InstanceNumber != gone + 1]
    assert MISSING in refused(rest)


def test_slices_of_1_25_mm_at_tenths_of_a_millimetre(tmp_path: Path) -> None:
    paths = write_series(tmp_path, TALL, spacing_mm=(1.25, 1.0, 1.0))
    moved(paths, lambda number, at: np.round(at, 1))
    assert read(paths).spacing == pytest.approx((1.25, 1.0, 1.0), abs=0.003)
    moved(paths, lambda number, at: np.round(at))
    assert refused(paths) == f"its slices are 1.00 to 2.00 mm apart, {MISSING}"


def test_unevenness_that_adds_up(tmp_path: Path) -> None:
    """Steps within 5 % of the usual one, of which the first half is short and the second long."""
    paths = write_series(tmp_path, np.repeat(TALL, 3, axis=0))
    moved(paths, lambda number, at: [at[0], at[1], 2.92 * number + 0.14 * max(0, number - 30)])
    assert refused(paths) == "one of its slices lies 2.06 mm beside an even stack of the others"


def test_one_slice_that_is_shifted_within_its_plane(tmp_path: Path) -> None:
    paths = write_series(tmp_path, TALL, spacing_mm=(3.0, 2.0, 1.0))
    moved(paths, lambda number, at: [at[0], at[1] + 0.4 * (number == 7), at[2]])
    np.testing.assert_array_equal(read(paths).voxels[..., 0], TALL)
    moved(paths, lambda number, at: [at[0] + 5 * (number == 7), at[1], at[2]])
    assert refused(paths) == "one of its slices lies 5.00 mm beside an even stack of the others"


def test_numbers_of_instances_do_not_matter(tmp_path: Path) -> None:
    paths = write_series(tmp_path, TALL)
    for path in paths:
        edit(path, InstanceNumber=100 - pydicom.dcmread(path).InstanceNumber)
    np.testing.assert_array_equal(read(paths).voxels[..., 0], TALL)
    for path in paths:
        edit(path, InstanceNumber=1)
    np.testing.assert_array_equal(read(paths).voxels[..., 0], TALL)


@pytest.mark.parametrize("turn", [1e-7, 1e-4])
def test_directions_that_differ_by_rounding(tmp_path: Path, turn: float) -> None:
    paths = write_series(tmp_path, VOXELS)
    edit(paths[0], ImageOrientationPatient=[1, turn, 0, -turn, 1, 0])
    np.testing.assert_array_equal(read(paths).voxels[..., 0], VOXELS)


def test_a_localizer(tmp_path: Path) -> None:
    square = np.zeros((3, 3, 3), np.uint16)
    paths = []
    for name, plane in (("a", AXIAL), ("b", SAGITTAL), ("c", CORONAL)):
        paths += write_series(tmp_path / name, square, plane)
    assert refused(paths) == (
        "its slices lie in 3 planes, as a localizer's do; give each plane a folder of its own"
    )
    other = write_series(tmp_path / "d", np.zeros((3, 3, 4), np.uint16))
    assert refused(paths[:3] + other) == (
        "its slices differ in size (3x3 and 4x3 pixels); give each size a folder of its own"
    )


@pytest.mark.parametrize(
    ("name", "values", "about"),
    [
        ("EchoTime", (20, 80), " (their EchoTime is 20.0 and 80.0)"),
        ("DiffusionBValue", (0.0, 1000.0), " (their DiffusionBValue is 0.0 and 1000.0)"),
        ("TemporalPositionIdentifier", (1, 2), " (their TemporalPositionIdentifier is 1 and 2)"),
        ("ImageType", (["ORIGINAL", "M"], ["ORIGINAL", "P"]), r" (their ImageType is ['ORIGINAL', 'M'] and "),
        ("PatientName", ("Jane", "Joan"), "; give"),
    ],
)
def test_two_volumes_in_one_series(tmp_path: Path, name: str, values: tuple[Any, ...], about: str) -> None:
    one = write_series(tmp_path / "a", TALL, **{name: values[0]})
    two = write_series(tmp_path / "b", TALL + 1, **{name: values[1]})
    sentence = refused(one + two)
    assert sentence.startswith(f"two of its slices lie at the same place{about}")
    assert sentence.endswith("; give each volume a folder of its own")


def test_files_that_are_there_twice(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "a", TALL, spacing_mm=(3.0, 2.0, 1.0))
    again = write_series(tmp_path / "b", TALL, spacing_mm=(3.0, 2.0, 1.0))
    alone = read(paths)
    for number, sentence in (
        (1, "1 of its 21 files repeats another and is counted once"),
        (20, "20 of its 40 files repeat others and are counted once"),
    ):
        series = read(again[:number] + paths)
        np.testing.assert_array_equal(series.voxels, alone.voxels)
        assert str(series.grid) == str(alone.grid)
        assert series.remarks == (sentence,)


def test_a_file_that_is_there_twice_with_other_pixels(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "a", TALL)
    other = TALL.copy()
    other[:, 1, 1] += 1
    assert refused([*paths, write_series(tmp_path / "b", other)[3]]) == (
        "two of its slices lie at the same place; give each volume a folder of its own"
    )


def test_high_as_dark_twice_with_other_numbers(tmp_path: Path) -> None:
    """Which are the same once they are turned, each by its own highest."""
    about: dict[str, Any] = {"PhotometricInterpretation": "MONOCHROME1"}
    paths = write_series(tmp_path / "a", TALL, **about)
    assert "same place" in refused([*paths, write_series(tmp_path / "b", TALL + 5, **about)[0]])


@pytest.mark.parametrize("content", [b"", b"0", b"-3", b"thick", b"nan"])
def test_a_thickness_that_is_none(tmp_path: Path, content: bytes) -> None:
    """Of several slices positions tell the distance; of one nothing else does."""
    paths = write_series(tmp_path, TALL, spacing_mm=(3.0, 2.0, 1.0))
    for path in paths:
        forge(path, "SliceThickness", content)
    series = read(paths)
    assert series.spacing == pytest.approx((3.0, 2.0, 1.0))
    assert series.remarks == ()
    single = read(paths[:1])
    assert single.spacing == pytest.approx((1.0, 2.0, 1.0))
    assert single.remarks == ("its only slice does not tell its SliceThickness, 1 mm is assumed",)


def test_several_frames_of_reference(tmp_path: Path) -> None:
    paths = write_series(tmp_path, TALL)
    edit(paths[3], FrameOfReferenceUID="1.2.3")
    series = read(paths)
    np.testing.assert_array_equal(series.voxels[..., 0], TALL)
    assert series.remarks == ("its files name 2 frames of reference, positions are taken as of one",)
