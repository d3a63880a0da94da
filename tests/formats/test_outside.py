"""NaN around a head is background, NaN within it stays, and both sides of the product read it alike."""

from collections import deque
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from stages.checks import findings, statistics, twins
from stages.core import tables
from stages.formats import formats, nifti, outside
from stages.formats.file import File
from stages.formats.reader import Reader
from stages.inference.spec import Input
from stages.predicting import discovery, reading
from stages.scan.volume import Volume
from stages.sources import brats
from tests.fixtures import volumes

NAN = np.nan


def head(dtype: type = np.float32) -> np.ndarray:
    """A bright ball (8, 24, 20) between 10 and 50, in NaN."""
    z, y, x = np.mgrid[:8, :24, :20]
    ball = ((z - 3.5) / 3) ** 2 + ((y - 12) / 9) ** 2 + ((x - 10) / 7) ** 2 < 1
    voxels = np.where(ball, 10 + 40 * np.sin(z + y * 1.3 + x) ** 2, NAN)
    return voxels.astype(dtype)


def filled(voxels: np.ndarray, background: float | None = None) -> Volume:
    return outside.filled(Volume(voxels[..., None].copy()), background)


def test_around_a_head_is_what_is_darkest_in_it() -> None:
    voxels = head()
    done = filled(voxels)
    np.testing.assert_array_equal(done.voxels[..., 0], np.nan_to_num(voxels, nan=np.nanmin(voxels)))
    (remark,) = done.remarks
    share = 100 * np.isnan(voxels).mean()
    assert remark == f"NaN that reaches the border, {share:.2g} % of its voxels, is taken for background"


def test_within_a_head_it_stays() -> None:
    voxels = head()
    voxels[4, 12, 10] = NAN
    done = filled(voxels)
    assert np.argwhere(np.isnan(done.voxels[..., 0])).tolist() == [[4, 12, 10]]


def test_a_pocket_that_is_closed_within_a_slice_and_open_through_the_next() -> None:
    voxels = np.full((3, 9, 9), 5.0, np.float32)
    voxels[0] = NAN  # beyond the head
    voxels[1, 4, 4] = NAN
    voxels[2, 4, 4] = NAN
    assert not np.isnan(filled(voxels).voxels).any()
    voxels[1, 4, 4] = 5.0
    assert np.isnan(filled(voxels).voxels).sum() == 1  # an end of the file is no border


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_infinity_is_never_a_background(bad: float) -> None:
    voxels = head()
    voxels[0, 0, 0] = bad
    assert not np.isfinite(filled(voxels).voxels).all()


def test_what_has_no_number_at_all_is_left_as_it_is() -> None:
    done = filled(np.full((2, 5, 5), NAN, np.float32))
    assert np.isnan(done.voxels).all()
    assert done.remarks == ()


def test_of_channels_each_has_its_own_lowest() -> None:
    voxels = np.stack([head(), 100 + head()], axis=3)
    lowest = np.nanmin(voxels, axis=(0, 1, 2))
    done = outside.filled(Volume(voxels.copy()))
    np.testing.assert_array_equal(done.voxels, np.where(np.isnan(voxels), lowest, voxels))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_where_there_is_none_nothing_changes(dtype: type) -> None:
    volume = Volume(np.arange(24, dtype=dtype).reshape(2, 3, 4, 1))
    assert outside.filled(volume) is volume


def reached(nan: np.ndarray) -> np.ndarray:
    """Breadth first from the slices' borders, step by step: another way to the same set."""
    slices, height, width = nan.shape
    found = np.zeros(nan.shape, bool)
    border = np.zeros(nan.shape, bool)
    border[:, [0, -1]] = border[:, :, [0, -1]] = True
    waiting = deque(tuple(place) for place in np.argwhere(nan & border))
    while waiting:
        z, y, x = waiting.popleft()
        if not (0 <= z < slices and 0 <= y < height and 0 <= x < width) or found[z, y, x] or not nan[z, y, x]:
            continue
        found[z, y, x] = True
        for axis, step in product(range(3), (-1, 1)):
            waiting.append(tuple(at + step * (axis == place) for place, at in enumerate((z, y, x))))
    return found


@settings(max_examples=200)
@given(arrays.arrays(bool, st.tuples(*[st.integers(1, 6)] * 3)))
def test_it_is_what_one_gets_to_from_the_border(nan: np.ndarray) -> None:
    voxels = np.where(nan, NAN, 7.0).astype(np.float32)
    still = np.isnan(filled(voxels).voxels[..., 0])
    np.testing.assert_array_equal(still, nan if nan.all() else nan & ~reached(nan))


# Files.


@pytest.mark.parametrize("codes", ["LPS", "RAS", "PIR", "SLA"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_volume_however_it_is_stored(tmp_path: Path, codes: str, dtype: type) -> None:
    voxels = head(dtype)
    path = volumes.save(tmp_path / "x.nii.gz", voxels, codes)
    done = File.at(path).read(nifti.decode)
    expected = np.nan_to_num(voxels, nan=np.nanmin(voxels)).astype(np.float32)
    np.testing.assert_array_equal(done.voxels[..., 0], expected)


@pytest.mark.parametrize("name", ["x.nii.gz", "x.tif"])
def test_a_mask_has_no_label_there(tmp_path: Path, name: str) -> None:
    """Also where all that is no NaN is labelled."""
    voxels = np.where(np.isnan(head()), NAN, 1.0).astype(np.float32)
    if name == "x.tif":
        tifffile.imwrite(tmp_path / name, voxels[4])
        voxels = voxels[4:5]
    else:
        volumes.save(tmp_path / name, voxels)
    done = File.at(tmp_path / name).read(formats.format_of(name).decode_mask)
    np.testing.assert_array_equal(done.voxels[..., 0], np.nan_to_num(voxels, nan=0.0))


def test_a_tiff_slice(tmp_path: Path) -> None:
    voxels = head()[4]
    tifffile.imwrite(tmp_path / "x.tif", voxels)
    done = File.at(tmp_path / "x.tif").read(formats.format_of("x.tif").decode)
    np.testing.assert_array_equal(done.voxels[0, ..., 0], np.nan_to_num(voxels, nan=np.nanmin(voxels)))


@pytest.fixture
def stripped(tmp_path: Path) -> Path:
    """A BraTS case as a program leaves it that writes NaN outside the brain, masks as well."""
    (folder,) = volumes.write_brats(tmp_path, cases=1, slices=6)
    brain = volumes.case(6, seed=(0, 1))["flair"] > 0
    for path in folder.iterdir():
        voxels = File.at(path).read(nifti.decode).voxels[..., 0].astype(np.float32)
        volumes.save(path, np.where(brain, voxels, NAN).astype(np.float32))
    return folder


def test_training_takes_it_and_says_so(stripped: Path) -> None:
    root = stripped.parents[1] if stripped.parents[1].name else stripped.parent
    table = tables.from_records(brats.find(root).records).assign(source="brats")
    rows = findings.measured(table, statistics.measure(root, table.to_dict("records")))
    assert rows["finite"].all()
    assert not rows["label_problem"].any()
    listed = findings.of(rows, twins.of(rows, 0))
    assert not (listed["severity"] == "critical").any()
    assert listed["explanation"].str.contains("NaN that reaches the border, ").sum() == 5  # a file each


def test_predict_reads_the_numbers_that_training_does(stripped: Path) -> None:
    (scan,) = discovery.find([stripped]).scans
    names = ["flair", "t1", "t1ce", "t2"]
    about = Input(name="x", shape=("batch", 64, 64, 4), channels=names, modalities=names, context=0)
    volume = reading.read(scan, about)
    assert any("NaN that reaches the border, " in remark for remark in volume.remarks)
    table = brats.find(stripped.parent).records
    reader = Reader(stripped.parent)
    for row, image in zip(table, volume.voxels, strict=True):
        np.testing.assert_array_equal(reader.image(row.image, row.slice, row.modalities), image)
