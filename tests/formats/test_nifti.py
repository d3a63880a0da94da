"""NIfTI volumes: a head is the same however its file is turned, numbered and packed."""

import gzip
import itertools
import zipfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.formats import nifti
from stages.formats.file import File
from stages.scan.header import Header, Unreadable
from stages.scan.spacing import Spacing
from tests.fixtures import strict, volumes
from tests.fixtures.decoded import nifti_header, nifti_voxels
from tests.fixtures.volumes import numbered

ORIENTATIONS = [
    "".join(codes)
    for axes in itertools.permutations(("RL", "AP", "SI"))
    for codes in itertools.product(*axes)
]
pytestmark = strict.WARNINGS


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """An intact file of 2 slices with 3 rows of 4 columns."""
    return volumes.save(tmp_path / "scan.nii", numbered())


@pytest.fixture(scope="module")
def flair(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real BraTS volume."""
    name = "train/brats_2013_pat0006_1/Flair_subtrMeanDivStd.nii.gz"
    with zipfile.ZipFile(shared_data / "brats2015.zip") as archive:
        return Path(archive.extract(name, tmp_path_factory.mktemp("brats")))


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_every_orientation_is_the_same_head(tmp_path: Path, codes: str) -> None:
    path = volumes.save(tmp_path / "scan.nii", numbered(), codes, spacing_mm=(5.0, 2.0, 0.5))
    assert nib.aff2axcodes(nib.load(path).affine) == tuple(codes)
    volume = nifti_voxels(path)
    assert volume.shape == (2, 3, 4, 1)
    np.testing.assert_array_equal(volume[..., 0], numbered())
    assert nifti_header(path) == Header(3, 4, 1, Spacing(5.0, 2.0, 0.5), slices=2)


@pytest.mark.long
@settings(max_examples=150)
@given(
    axes=st.permutations(range(3)),
    signs=st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3),
    shape=st.tuples(*[st.integers(2, 5)] * 3),
    zooms=st.tuples(*[st.sampled_from([0.5, 1.0, 3.0, 6.0])] * 3),
    tilt=st.tuples(*[st.floats(-0.4, 0.4)] * 3),
    form=st.sampled_from(["sform", "qform"]),
    suffix=st.sampled_from([".nii", ".nii.gz"]),
    kind=st.sampled_from([nib.Nifti1Image, nib.Nifti2Image]),
)
def test_indices_grow_upwards_backwards_and_to_the_left(
    tmp_path_factory: pytest.TempPathFactory,
    axes: list[int],
    signs: tuple[float, float, float],
    shape: tuple[int, int, int],
    zooms: tuple[float, float, float],
    tilt: tuple[float, float, float],
    form: str,
    suffix: str,
    kind: type[Any],
) -> None:
    """Each voxel holds its own number, so that its place in the scanner is known from the affine alone."""
    affine = np.eye(4)
    affine[:3, :3] = turned(*tilt) @ (np.eye(3)[:, axes] * signs * zooms)
    numbers = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    image = kind(numbers, affine)
    image.set_sform(affine, code=int(form == "sform"))
    image.set_qform(affine, code=int(form == "qform"))
    path = tmp_path_factory.mktemp("any") / f"scan{suffix}"
    image.to_filename(path)

    volume = nifti_voxels(path)[..., 0]
    assert sorted(volume.flat) == list(range(numbers.size))
    places = np.stack(np.unravel_index(volume, shape), axis=-1) @ affine[:3, :3].T  # to right, front, up
    for axis, (world, direction) in enumerate([(2, 1), (1, -1), (0, -1)]):
        steps = np.diff(places, axis=axis) * direction
        assert (steps[..., world] > 0).all()
        # What is nearest to the scanner's axis lies along it: within 0.4 rad about each axis it stays so.
        assert (np.abs(steps[..., world]) >= np.linalg.norm(steps, axis=-1) * 0.55).all()
    told = nifti_header(path)
    assert (told.slices, told.height, told.width) == volume.shape
    lengths = [np.linalg.norm(np.diff(places, axis=axis), axis=-1).mean() for axis in range(3)]
    assert told.spacing_mm is not None
    np.testing.assert_allclose(told.spacing_mm, lengths, rtol=1e-4)


def turned(about_x: float, about_y: float, about_z: float) -> np.ndarray:
    """A rotation by angles in rad."""
    c, s = np.cos([about_x, about_y, about_z]), np.sin([about_x, about_y, about_z])
    x = np.array([[1, 0, 0], [0, c[0], -s[0]], [0, s[0], c[0]]])
    y = np.array([[c[1], 0, s[1]], [0, 1, 0], [-s[1], 0, c[1]]])
    z = np.array([[c[2], -s[2], 0], [s[2], c[2], 0], [0, 0, 1]])
    return z @ y @ x


def test_without_any_orientation_the_old_convention_holds(plain: Path) -> None:
    """No sform and no qform: ANALYZE's order, from right to left, back to front, feet to head."""
    volumes.forge(plain, sform_code=0, qform_code=0)
    np.testing.assert_array_equal(nifti_voxels(plain)[..., 0], numbered()[:, ::-1])


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "f4"])
@pytest.mark.parametrize("endian", "<>")
def test_unscaled_numbers_keep_their_kind(tmp_path: Path, dtype: str, endian: str) -> None:
    volume = nifti_voxels(stored(tmp_path, numbered(dtype), endian))
    assert volume.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(volume[..., 0], numbered())


@pytest.mark.parametrize("endian", "<>")
def test_double_precision_becomes_single(tmp_path: Path, endian: str) -> None:
    voxels = numbered("f8") / 3
    voxels[0, 0] = [1e300, -1e300, np.nan, np.inf]
    volume = nifti_voxels(stored(tmp_path, voxels, endian))
    assert volume.dtype == np.float32
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(volume[..., 0], voxels.astype(np.float32))


def stored(folder: Path, voxels: np.ndarray, endian: str) -> Path:
    """A file of an endianness with the voxels in their own dtype."""
    header = nib.Nifti1Header(endianness=endian)
    header.set_data_dtype(voxels.dtype)
    nib.Nifti1Image(voxels.T, np.diag([-1, -1, 1, 1]), header).to_filename(folder / "scan.nii")
    assert (folder / "scan.nii").read_bytes()[:4] == np.array(348, f"{endian}i4").tobytes()
    return folder / "scan.nii"


@pytest.mark.parametrize(
    ("slope", "inter", "scaled"),
    [
        (2.0, -5.0, True),
        (1.0, 7.0, True),
        (1.0, 0.0, False),
        (0.0, 9.0, False),  # 0 says that there is no scaling
        (np.nan, 0.0, False),
        (np.inf, 0.0, False),
    ],
)
def test_scaling(plain: Path, slope: float, inter: float, scaled: bool) -> None:
    volume = nifti_voxels(volumes.forge(plain, scl_slope=slope, scl_inter=inter))[..., 0]
    assert volume.dtype == (np.float32 if scaled else np.int16)
    np.testing.assert_array_equal(volume, numbered() * slope + inter if scaled else numbered())


@pytest.mark.parametrize(
    ("unit", "factor"), [(0, 1.0), (2, 1.0), (1, 1000.0), (3, 0.001), (2 | 8, 1.0), (6, None)]
)
def test_units(tmp_path: Path, unit: int, factor: float | None) -> None:
    path = volumes.save(tmp_path / "scan.nii", numbered(), spacing_mm=(3.0, 2.0, 0.5))
    x, y, z = np.array([0.5, 2.0, 3.0]) / (factor or 1)
    rows = {"srow_x": (-x, 0, 0, 0), "srow_y": (0, -y, 0, 0), "srow_z": (0, 0, z, 0)}
    told = nifti_header(volumes.forge(path, xyzt_units=unit, pixdim=(1, x, y, z, 0, 0, 0, 0), **rows))
    assert told.spacing_mm == (pytest.approx((3.0, 2.0, 0.5)) if factor else None)


@pytest.mark.parametrize("length", [0.001, 101.0])
def test_a_spacing_that_cannot_be_is_not_told(plain: Path, length: float) -> None:
    path = volumes.forge(plain, srow_y=(0, -length, 0, 0))
    assert nifti_header(path).spacing_mm is None
    assert nifti_voxels(path).shape == (2, 3, 4, 1)


@pytest.mark.parametrize("length", [0.0, 0.001, 1.5, 101.0, -1.0, np.nan, np.inf])
def test_the_affine_that_places_the_voxels_says_the_spacing(
    plain: Path, length: float, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that was resampled with its sform and kept its pixdim had a tenth of its volume."""
    rows = {"srow_x": (-1.5, 0, 0, 0), "srow_y": (0, -1.5, 0, 0), "srow_z": (0, 0, 4, 0)}
    path = volumes.forge(plain, pixdim=(1.0, 1.0, length, 1.0, 0, 0, 0, 0), **rows)
    assert nifti_header(path).spacing_mm == (4.0, 1.5, 1.5)
    assert not caplog.records


def test_a_slanted_affine_says_the_spacing_along_its_axes(plain: Path) -> None:
    """Turned by 30 degrees about the axis from foot to head; the numbers have a float's last digits."""
    c, s = 2 * np.cos(np.pi / 6), 3 * np.sin(np.pi / 6)
    rows = {"srow_x": (-c, s, 0, 5), "srow_y": (-2 * s / 3, -3 * c / 2, 0, 7), "srow_z": (0, 0, 5, 0)}
    told = nifti_header(volumes.forge(plain, **rows))
    assert told.spacing_mm == pytest.approx((5.0, 3.0, 2.0), rel=1e-5)
    noted = nifti_header(volumes.forge(plain, pixdim=(1.0, 2.0, 3.0, 5.0, 0, 0, 0, 0), **rows))
    assert noted.spacing_mm == (5.0, 3.0, 2.0)


def both_forms(path: Path) -> Path:
    """A file with a qform of 2 x 3 x 5 mm and a sform of the same."""
    affine = np.diag([-2.0, -3.0, 5.0, 1.0])
    image = nib.Nifti1Image(numbered().T, affine)
    image.header.set_qform(affine, code=1)
    image.header.set_sform(affine, code=1)
    image.to_filename(path)
    return path


@pytest.mark.parametrize("row", [(0, 0, 0, 0), (np.nan, 0, 0, 0)])
def test_a_sform_that_places_nothing_gives_way_to_the_qform(tmp_path: Path, row: tuple[float, ...]) -> None:
    path = both_forms(tmp_path / "scan.nii")
    whole = nifti_voxels(path)
    volumes.forge(path, srow_x=row, srow_y=row, srow_z=row)
    assert nifti_header(path).spacing_mm == (5.0, 3.0, 2.0)
    np.testing.assert_array_equal(nifti_voxels(path), whole)
    volumes.forge(path, qform_code=0)
    with pytest.raises(Unreadable, match=r"^its header does not say how the head lies$"):
        nifti_header(path)


def test_the_sform_counts_before_the_qform(tmp_path: Path) -> None:
    path = both_forms(tmp_path / "scan.nii")
    volumes.forge(path, srow_x=(0, 0, -7, 0), srow_y=(0, -3, 0, 0), srow_z=(-2, 0, 0, 0))
    assert nifti_header(path).spacing_mm == (2.0, 3.0, 7.0)


def remarks(path: Path) -> tuple[str, ...]:
    return File.at(path).read(nifti.decode).remarks


SLANTED = {"srow_x": (-2, 0.4, 0, 0), "srow_y": (0, -3, 0.5, 0)}


@pytest.mark.parametrize(
    ("fields", "mm"),
    [
        ({"srow_z": (0, 0, 5, 12)}, "12"),
        ({"srow_x": (2, 0, 0, 0)}, "12"),  # left for right, over three steps of 2 mm
        (SLANTED, "0.8"),
        ({"pixdim": (1.0, 2.0, 3.0, 6.0, 0, 0, 0, 0)}, "1"),  # which the qform takes for its own
    ],
)
def test_two_placings_are_told(tmp_path: Path, fields: dict[str, object], mm: str) -> None:
    path = both_forms(tmp_path / "scan.nii")
    assert remarks(path) == ()
    volumes.forge(path, srow_z=(0, 0, 5, 0.4))  # as rounding may
    assert remarks(path) == ()
    volumes.forge(path, srow_z=(0, 0, 5, 0))
    volumes.forge(path, **fields)
    assert remarks(path) == (f"its sform and its qform place it {mm} mm apart; the sform counts",)


def test_what_places_a_scan_is_told(tmp_path: Path, plain: Path) -> None:
    path = both_forms(tmp_path / "both.nii")
    volumes.forge(path, **dict.fromkeys(("srow_x", "srow_y", "srow_z"), (0, 0, 0, 0)))
    assert remarks(path) == ("its sform places nothing, so its qform counts",)
    volumes.forge(path, sform_code=0)
    assert remarks(path) == ()
    volumes.forge(path, qform_code=0)
    (remark,) = remarks(path)
    assert remark.startswith("neither its sform nor its qform is set, so how the head lies is a guess")
    assert remarks(volumes.forge(plain, qform_code=0)) == ()
    volumes.forge(plain, qform_code=0, pixdim=(1.0, 1.0, 1.0, 4.0, 0, 0, 0, 0))
    assert remarks(plain) == (
        "between slices, rows and columns its pixdim has 4 x 1 x 1 mm and its sform 1 x 1 x 1 mm; "
        "the sform counts",
    )


def test_axes_of_length_one_are_dropped(tmp_path: Path, plain: Path) -> None:
    nib.Nifti1Image(numbered().T[..., None, None], np.diag([-1, -1, 1, 1])).to_filename(tmp_path / "4d.nii")
    np.testing.assert_array_equal(nifti_voxels(tmp_path / "4d.nii"), nifti_voxels(plain))
    nib.Nifti1Image(numbered()[0].T, np.diag([-1, -1, 1, 1])).to_filename(tmp_path / "2d.nii")
    np.testing.assert_array_equal(nifti_voxels(tmp_path / "2d.nii")[..., 0], numbered()[:1])


def test_the_content_says_whether_it_is_gzipped(tmp_path: Path, plain: Path) -> None:
    whole = nifti_voxels(plain)
    (tmp_path / "named.nii.gz").write_bytes(plain.read_bytes())
    (tmp_path / "named.nii").write_bytes(gzip.compress(plain.read_bytes()))
    np.testing.assert_array_equal(nifti_voxels(tmp_path / "named.nii.gz"), whole)
    np.testing.assert_array_equal(nifti_voxels(tmp_path / "named.nii"), whole)


def test_extensions_are_passed_over(tmp_path: Path) -> None:
    image = nib.Nifti1Image(numbered().T, np.diag([-1, -1, 1, 1]))
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"x" * 5000))
    image.to_filename(tmp_path / "scan.nii")
    content = bytearray((tmp_path / "scan.nii").read_bytes())
    content[352:356] = b"\xff\xff\xff\x7f"  # it claims to be two GiB long
    (tmp_path / "scan.nii").write_bytes(content)
    np.testing.assert_array_equal(nifti_voxels(tmp_path / "scan.nii")[..., 0], numbered())


def test_a_real_volume(flair: Path, tmp_path: Path) -> None:
    assert nifti_header(flair) == Header(240, 240, 1, Spacing(1.0, 1.0, 1.0), slices=155)
    volume = nifti_voxels(flair)
    assert (volume.shape, volume.dtype) == ((155, 240, 240, 1), np.float32)
    # BraTS keeps its volumes from right to left and front to back, so that nothing is to be turned.
    np.testing.assert_array_equal(volume[..., 0], np.asarray(nib.load(flair).dataobj).T)
    part = volume[60:70, 80:120, 60:120, 0]
    for codes in ("RAS", "PIR"):
        np.testing.assert_array_equal(
            nifti_voxels(volumes.save(tmp_path / "a.nii", part, codes))[..., 0], part
        )


def test_a_real_oblique_volume(shared_data: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(shared_data / "unlabelled_scans.zip") as archive:
        path = Path(archive.extract("nifti/chris_PD.nii.gz", tmp_path))
    told = nifti_header(path)
    assert (told.slices, told.height, told.width) == (54, 256, 191)
    assert told.spacing_mm == pytest.approx((2.4, 0.859375, 0.857875), abs=1e-4)
    canonical = np.asarray(nib.as_closest_canonical(nib.load(path)).dataobj)  # right, front, up
    np.testing.assert_array_equal(nifti_voxels(path)[..., 0], canonical[::-1, ::-1].T)
    assert nifti_voxels(path).dtype == np.uint8
