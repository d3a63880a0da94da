"""Masks lie on the grid of their scan, in its format; of a scan all files are written or none."""

import gzip
import struct
from pathlib import Path
from typing import Any

import highdicom as hd
import nibabel as nib
import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image

from stages.core.errors import UserError
from stages.inference.spec import Spec
from stages.predicting import discovery, reading, writing
from stages.scan.header import Unreadable
from tests.fixtures import dicom, graphs, scans, volumes
from tests.fixtures.volumes import FIELDS, forge

ONE = graphs.describe(channels=("flair",))
T2 = graphs.describe(channels=("t2",))
NESTED = graphs.describe(channels=("flair",), regions=graphs.BRATS)


def written(path: Path, labels: np.ndarray, spec: Spec, out: Path) -> list[str]:
    """Write labels for the only scan of a path; the names of the files."""
    (scan,) = discovery.find([path]).scans
    out.mkdir(exist_ok=True)
    return writing.write(labels, scan, reading.read(scan, spec.input), spec, out)[0]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.mark.parametrize(
    ("suffix", "name"), [(".png", "x_mask.png"), (".jpg", "x_mask.png"), (".tif", "x_mask.tif")]
)
@pytest.mark.parametrize("spec", [ONE, NESTED])
def test_pictures(tmp_path: Path, out: Path, suffix: str, name: str, spec: Spec) -> None:
    path = tmp_path / f"x{suffix}"
    Image.fromarray(np.full((12, 10), 90, np.uint8)).save(path)
    labels = np.random.default_rng(0).integers(0, 2 if spec is ONE else 4, (1, 12, 10), np.uint8)
    assert written(path, labels, spec, out) == [name]
    found = tifffile.imread(out / name) if suffix == ".tif" else np.asarray(Image.open(out / name))
    np.testing.assert_array_equal(found, labels[0] * (255 if spec is ONE else 1))


def test_an_lgg_case_gets_a_mask_for_each_slice(tmp_path: Path, out: Path) -> None:
    scans.write_lgg(tmp_path, patients=1, slices=11, size=16)
    spec = graphs.describe()
    labels = np.zeros((11, 16, 16), np.uint8)
    labels[9, 2, 3] = 1
    case = scans.case_name(0)
    assert written(tmp_path, labels, spec, out) == [f"{case}_mask"]
    assert len(list((out / f"{case}_mask").iterdir())) == 11
    mask = tifffile.imread(out / f"{case}_mask" / f"{case}_10_mask.tif")
    assert mask[2, 3] == 255
    assert mask.sum() == 255


@pytest.mark.parametrize("codes", ["LPS", "RAS", "PIR", "SLA", "AIL"])
def test_a_volume_keeps_its_grid(tmp_path: Path, out: Path, codes: str) -> None:
    """The mask of a thresholded volume is the threshold of the file's own voxels, in any orientation."""
    voxels = np.random.default_rng(0).integers(0, 9, (3, 4, 5)).astype(np.int16)
    path = volumes.save(tmp_path / "x.nii.gz", voxels, codes, spacing_mm=(3.0, 2.0, 1.0))
    assert written(path, (voxels > 4).astype(np.uint8), ONE, out) == ["x_mask.nii.gz"]
    source, mask = nib.load(path), nib.load(out / "x_mask.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(mask.dataobj), np.asanyarray(source.dataobj) > 4)
    np.testing.assert_array_equal(mask.affine, source.affine)
    assert mask.get_data_dtype() == np.uint8


def test_a_header_is_kept_but_for_what_concerns_the_numbers(tmp_path: Path, out: Path) -> None:
    path = tmp_path / "x.nii"
    image = nib.Nifti1Image(np.zeros((5, 4, 3, 1), np.int16), np.diag([-1.0, -2.0, 3.0, 1.0]))
    image.set_sform(image.affine, code=4)
    image.set_qform(image.affine, code=1)
    image.header["descrip"] = b"Jane Doe"
    image.header["db_name"] = image.header["aux_file"] = b"Jane Doe"
    image.header["cal_max"] = 900
    image.header.set_xyzt_units("mm", "sec")
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Jane Doe"))
    image.to_filename(path)
    forge(path, scl_slope=0.5, scl_inter=7.0)
    assert written(path, np.ones((3, 4, 5), np.uint8), ONE, out) == ["x_mask.nii"]
    mask = nib.load(out / "x_mask.nii")
    assert mask.shape == (5, 4, 3, 1)
    assert (int(mask.header["sform_code"]), int(mask.header["qform_code"])) == (4, 1)
    np.testing.assert_array_equal(mask.header.get_qform(), image.header.get_qform())
    assert mask.header.get_xyzt_units() == ("mm", "sec")
    content = (out / "x_mask.nii").read_bytes()
    slope, intercept = struct.unpack_from("<2f", content, FIELDS["scl_slope"][0])
    assert slope != slope or (slope, intercept) in ((1, 0), (0, 0))  # each means unscaled (nifti1.h)
    assert mask.header["cal_max"] == 0
    assert (mask.get_fdata() == 1).all()
    assert b"Jane" not in content


def test_a_gzipped_file_without_the_name_for_it(tmp_path: Path, out: Path) -> None:
    volumes.save(tmp_path / "a.nii", volumes.numbered())
    (tmp_path / "x.nii").write_bytes(gzip.compress((tmp_path / "a.nii").read_bytes()))
    assert written(tmp_path / "x.nii", np.ones((2, 3, 4), np.uint8), ONE, out) == ["x_mask.nii"]
    assert (nib.load(out / "x_mask.nii").get_fdata() == 1).all()


@pytest.mark.parametrize("kind", [nib.Nifti2Image, nib.Nifti1Image])
def test_big_endian_and_nifti_2(tmp_path: Path, out: Path, kind: type[Any]) -> None:
    header = kind.header_class(endianness=">")
    header.set_data_dtype(">i2")
    kind(np.arange(24, dtype=">i2").reshape(4, 3, 2), np.diag([-1.0, -1, 1, 1]), header).to_filename(
        tmp_path / "x.nii"
    )
    labels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4) % 4
    written(tmp_path / "x.nii", labels, NESTED, out)
    found = nib.load(out / "x_mask.nii")
    np.testing.assert_array_equal(np.asanyarray(found.dataobj).transpose(2, 1, 0), labels)
    assert isinstance(found, kind)


def test_sequences_in_one_file_get_one_mask(tmp_path: Path, out: Path) -> None:
    stored = np.random.default_rng(0).integers(0, 9, (3, 4, 5, 4), np.int16)
    nib.Nifti1Image(stored, np.diag([-1.0, -2, 3, 1])).to_filename(tmp_path / "x.nii.gz")
    spec = graphs.describe(channels=("flair", "t1", "t1ce", "t2"))
    labels = (stored[..., 2].transpose(2, 1, 0) > 4).astype(np.uint8)
    assert written(tmp_path / "x.nii.gz", labels, spec, out) == ["x_mask.nii.gz"]
    mask = nib.load(out / "x_mask.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(mask.dataobj), stored[..., 2] > 4)
    np.testing.assert_array_equal(mask.affine, np.diag([-1.0, -2, 3, 1]))


def test_a_brats_case_gets_labels_on_the_grid_of_its_first_volume(tmp_path: Path, out: Path) -> None:
    (case,) = volumes.write_brats(tmp_path, cases=1, year=2021, slices=3, size=16)
    labels = np.random.default_rng(0).integers(0, 4, (3, 16, 16), np.uint8)
    assert written(case, labels, NESTED, out) == [f"{case.name}_mask.nii.gz"]
    found = nib.load(out / f"{case.name}_mask.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(found.dataobj).transpose(2, 1, 0), labels)
    assert sorted(np.unique(found.get_fdata())) == [0, 1, 2, 3]


@pytest.mark.parametrize("plane", [dicom.AXIAL, dicom.SAGITTAL])
def test_a_series_gets_nifti_and_dicom(
    tmp_path: Path, out: Path, plane: tuple[tuple[float, float, float], tuple[float, float, float]]
) -> None:
    voxels = np.random.default_rng(0).integers(0, 9, (6, 5, 7)).astype(np.uint16)
    files = dicom.write_series(tmp_path / "s", voxels, plane, spacing_mm=(3.0, 2.0, 1.0))
    labels = (voxels > 4).astype(np.uint8)
    assert written(tmp_path / "s", labels, ONE, out) == ["s_mask.nii.gz", "s_mask.dcm"]
    (again,) = discovery.find([out / "s_mask.nii.gz"]).scans
    back = reading.read(again, ONE.input)
    np.testing.assert_array_equal(back.voxels[..., 0], labels)
    assert back.spacing == pytest.approx((3.0, 2.0, 1.0))
    segmented = hd.seg.segread(out / "s_mask.dcm")
    for path in files:  # of each file the mask is the threshold of its own pixels
        slice_ = pydicom.dcmread(path)
        (frame,) = segmented.get_pixels_by_source_instance([slice_.SOPInstanceUID], combine_segments=True)
        np.testing.assert_array_equal(frame, slice_.pixel_array > 4)


@pytest.mark.parametrize("fails", [False, True])
def test_a_series_that_no_segmentation_can_be_made_of_gets_its_nifti(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """Where the series lacks what it takes, and where highdicom fails in a way that nobody foresaw."""
    voxels = np.random.default_rng(0).integers(0, 9, (6, 5, 7)).astype(np.uint16)
    files = dicom.write_series(tmp_path / "s", voxels, spacing_mm=(3.0, 2.0, 1.0), PatientName="Doe^Jane")
    why = "its files do not tell their SOPInstanceUID"
    if fails:

        def save_as(self: object, path: Path) -> None:
            path.write_bytes(b"half")
            raise ValueError("Doe^Jane")

        monkeypatch.setattr(hd.seg.Segmentation, "save_as", save_as)
        why = "its attributes do not suit highdicom (ValueError)"
    else:
        for file in files:
            dicom.edit(file, SOPInstanceUID=None)
    (scan,) = discovery.find([tmp_path / "s"]).scans
    out.mkdir()
    labels = (voxels > 4).astype(np.uint8)
    names, remarks = writing.write(labels, scan, reading.read(scan, ONE.input), ONE, out)
    assert names == [path.name for path in out.iterdir()] == ["s_mask.nii.gz"]
    assert remarks == [f"no DICOM segmentation was written: {why}"]
    (again,) = discovery.find([out / "s_mask.nii.gz"]).scans
    np.testing.assert_array_equal(reading.read(again, ONE.input).voxels[..., 0], labels)


def test_a_full_disk_is_no_lack_of_the_series(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save_as(self: object, path: Path) -> None:
        raise OSError(28, "No space left on device")

    dicom.write_series(tmp_path / "s", np.ones((3, 5, 7), np.uint16))
    monkeypatch.setattr(hd.seg.Segmentation, "save_as", save_as)
    with pytest.raises(OSError, match="No space left"):
        written(tmp_path / "s", np.ones((3, 5, 7), np.uint8), ONE, out)


def test_files_appear_together_or_not_at_all(tmp_path: Path) -> None:
    def half() -> None:
        with writing.together(tmp_path) as folder:
            (folder / "a.png").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert list(tmp_path.iterdir()) == []
    for content in ("one", "two"):
        with writing.together(tmp_path) as folder:
            (folder / "a.png").write_text(content)
            (folder / "masks").mkdir()
            (folder / "masks" / content).touch()
            assert list(tmp_path.glob("[!.]*")) == (
                [] if content == "one" else [tmp_path / "a.png", tmp_path / "masks"]
            )
    assert (tmp_path / "a.png").read_text() == "two"
    assert [path.name for path in (tmp_path / "masks").iterdir()] == ["two"]


def test_what_lies_beside_is_kept(tmp_path: Path) -> None:
    for name in ("a_mask.png", "b_mask.png", "a_mask.png"):
        with writing.together(tmp_path, "p1/anat") as folder:
            (folder / name).write_text("mask")
    assert sorted(path.name for path in (tmp_path / "p1" / "anat").iterdir()) == ["a_mask.png", "b_mask.png"]
    with pytest.raises(KeyboardInterrupt), writing.together(tmp_path, "p2"):
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["p1"]


def test_a_folder_that_holds_files(tmp_path: Path) -> None:
    writing.prepare(tmp_path / "new" / "deep", overwrite=False)
    writing.prepare(tmp_path / "new" / "deep", overwrite=False)
    with pytest.raises(UserError) as error:
        writing.prepare(tmp_path / "new", overwrite=False)
    assert str(error.value) == (
        f"{tmp_path}/new is not empty; name a new folder with --out, or add --overwrite"
    )
    writing.prepare(tmp_path / "new", overwrite=True)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder, reason in ((tmp_path / "file", "File exists"), (tmp_path / "file" / "x", "Not a directory")):
        with pytest.raises(UserError) as error:
            writing.prepare(folder, overwrite=True)
        assert str(error.value) == f"{folder} cannot be written ({reason}); name another folder with --out"


def test_a_mask_lies_on_the_first_volume_although_the_model_takes_another(tmp_path: Path) -> None:
    (case,) = volumes.write_brats(tmp_path, cases=1, slices=3, size=16)
    turned = np.ones((3, 16, 16), np.int16)
    volumes.save(case / f"{case.name}_flair.nii", turned, "SLA")
    (scan,) = discovery.find([case]).scans
    volume = reading.read(scan, T2.input)
    labels = np.random.default_rng(0).integers(0, 2, (3, 16, 16), np.uint8)
    (name,), _ = writing.write(labels, scan, volume, T2, tmp_path)
    assert "".join(nib.aff2axcodes(nib.load(tmp_path / name).affine)) == "SLA"
    (again,) = discovery.find([tmp_path / name]).scans
    np.testing.assert_array_equal(reading.read(again, T2.input).voxels[..., 0], labels)
    volumes.save(case / f"{case.name}_flair.nii", turned[:2])
    with pytest.raises(Unreadable, match=r"^its modalities differ in size$"):
        reading.read(scan, T2.input)
