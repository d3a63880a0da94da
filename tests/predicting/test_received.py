"""Scans that arrive as bytes, as at a server: read and written as those in a folder, without a path."""

import gzip
import hashlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from stages.core.errors import UserError
from stages.predicting import discovery, reading, writing
from stages.predicting.scan import Scan, received
from stages.scan.header import Unreadable
from tests.fixtures import dicom, graphs, scans, volumes

FLAIR = graphs.describe(channels=("flair",))
SEQUENCES = graphs.describe()
BRATS = graphs.describe(channels=("flair", "t1", "t1ce", "t2"))
T2 = graphs.describe(channels=("t2",))
PICTURE = np.random.default_rng(0).integers(0, 256, (9, 7), np.uint8)


def made(root: Path, kind: str) -> Path:
    """A scan in a folder of its own; what names it."""
    if kind in ("png", "jpg", "tif"):
        Image.fromarray(PICTURE).save(root / f"x.{kind}")
        return root / f"x.{kind}"
    if kind in ("nii", "nii.gz"):
        voxels = np.random.default_rng(0).integers(0, 9, (3, 4, 5)).astype(np.int16)
        return volumes.save(root / f"x.{kind}", voxels, "PIR", spacing_mm=(3.0, 2.0, 1.0))
    if kind == "dicom":
        dicom.write_series(root / "s", volumes.numbered("u2"), dicom.CORONAL, spacing_mm=(3.0, 2.0, 1.0))
        return root / "s"
    if kind == "lgg":
        scans.write_lgg(root, patients=1, slices=11, size=16)
        return root / "kaggle_3m" / scans.case_name(0)
    (case,) = volumes.write_brats(root, cases=1, slices=3, size=16)
    return case


def handed_over(scan: Scan) -> Scan:
    """The same scan from the bytes of its files, the last first."""
    folder = scan.path if scan.path.is_dir() else scan.path.parent
    parts = [(file.name, (folder / file.name).read_bytes()) for file in reversed(scan.files)]
    return received(scan.kind, scan.name, parts)


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        *[(kind, FLAIR) for kind in ("png", "jpg", "tif", "nii", "nii.gz", "dicom", "brats")],
        *[("lgg", SEQUENCES), ("brats", BRATS), ("brats", T2)],
    ],
)
def test_bytes_are_read_and_written_as_files_are(tmp_path, kind, spec):
    (scan,) = discovery.find([made(tmp_path, kind)]).scans
    arrived = handed_over(scan)
    assert (arrived.kind, arrived.name, sorted(arrived.roles)) == (
        *(scan.kind, scan.name),
        sorted(scan.roles),
    )
    one, other = reading.read(scan, spec.input), reading.read(arrived, spec.input)
    np.testing.assert_array_equal(one.voxels, other.voxels)
    assert (one.voxels.dtype, one.spacing) == (other.voxels.dtype, other.spacing)
    for file in scan.files:
        (scan.path / file.name if scan.path.is_dir() else scan.path).unlink()
    labels = np.random.default_rng(0).integers(0, 2, one.voxels.shape[:3], np.uint8)
    contents: list[dict[str, str]] = []
    for each, volume in ((scan, one), (arrived, other)):  # no file is there any more
        out = tmp_path / f"out{len(contents)}"
        out.mkdir()
        writing.write(labels, each, volume, spec, out)
        contents.append({path.name: content(path) for path in out.rglob("*") if path.is_file()})
    assert contents[0] == contents[1]
    assert contents[0]


def content(path: Path) -> str:
    """A digest; a segmentation in DICOM has numbers and times of its own, a gzipped file its time."""
    if path.suffix == ".dcm":
        return ""
    packed = path.read_bytes()
    return hashlib.sha256(gzip.decompress(packed) if path.suffix == ".gz" else packed).hexdigest()


def test_slices_are_put_in_order_by_the_numbers_in_their_names(tmp_path):
    case = made(tmp_path, "lgg")
    (scan,) = discovery.find([case]).scans
    assert [file.name for file in handed_over(scan).files] == [file.name for file in scan.files]


def test_a_mask_of_received_bytes_lies_on_their_grid(tmp_path):
    path = made(tmp_path, "nii.gz")
    scan = received("nifti", "upload", [("anything.nii.gz", path.read_bytes())])
    volume = reading.read(scan, FLAIR.input)
    (name,), _ = writing.write((volume.voxels[..., 0] > 4).astype(np.uint8), scan, volume, FLAIR, tmp_path)
    source, mask = nib.load(path), nib.load(tmp_path / name)
    assert name == "upload_mask.nii.gz"
    np.testing.assert_array_equal(np.asanyarray(mask.dataobj), np.asanyarray(source.dataobj) > 4)
    np.testing.assert_array_equal(mask.affine, source.affine)


def test_names_tell_roles_and_lose_their_folders():
    parts = [("a/x_flair.nii", b""), ("C:\\a\\x_t2.nii", b""), ("../x_seg.nii", b"")]
    scan = received("brats", "x", parts)
    assert [(role, file.name) for role, file in zip(scan.roles, scan.files, strict=True)] == [
        ("flair", "x_flair.nii"),
        ("t2", "x_t2.nii"),
    ]
    assert received("nifti", "x", parts[:1]).roles == ("flair",)
    assert received("nifti", "x", parts[2:]).roles == ()


@pytest.mark.parametrize(
    ("kind", "parts", "sentence"),
    [
        ("flat", [], "0 files make no scan of kind flat"),
        ("flat", [("a.png", b""), ("b.png", b"")], "2 files make no scan of kind flat"),
        ("nifti", [("a.nii", b""), ("b.nii", b"")], "2 files make no scan of kind nifti"),
        (
            "film",
            [("a.png", b"")],
            "kind film; kinds are flat, nifti, brats, dicom, lgg",
        ),
        ("brats", [("a.nii", b"")], "the names of the files of x do not tell one modality each"),
        (
            "brats",
            [("a_t1.nii", b""), ("b_t1.nii", b"")],
            "tell one modality each; name them as BraTS",
        ),
    ],
)
def test_files_that_make_no_scan(kind, parts, sentence):
    with pytest.raises(UserError) as refused:
        received(kind, "x", parts)
    assert sentence in str(refused.value)


@pytest.mark.parametrize("name", ["../x", "/x", "a/b", "a\\b", "C:x", "", "..", "x\0"])
def test_no_name_leads_out_of_the_folder_of_masks(name):
    with pytest.raises(UserError, match=r"name it without folders$"):
        received("flat", name, [("x.png", b"")])
    (file,) = received("lgg", "x", [(name, b"")]).files
    assert not set(file.name) & set("/\\:\0")


@pytest.mark.parametrize("kind", ["flat", "nifti", "dicom", "lgg"])
@pytest.mark.parametrize("content", [b"", b"no scan", b"\x1f\x8b\x08", b"II*\0"])
def test_bytes_that_are_none(kind, content):
    name = {"flat": "x.png", "nifti": "x.nii", "dicom": "x.dcm", "lgg": "x_1.tif"}[kind]
    scan = received(kind, "x", [(name, content)])
    with pytest.raises(Unreadable) as refused:
        reading.read(scan, FLAIR.input)
    assert "\n" not in str(refused.value)


def test_a_mask_lies_on_the_first_volume_although_the_model_takes_another(tmp_path):
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


def test_a_stack_in_bytes(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((3, 9, 7), np.uint8), photometric="minisblack")
    scan = received("flat", "x", [("x.tif", (tmp_path / "x.tif").read_bytes())])
    assert reading.read(scan, FLAIR.input).voxels.shape == (3, 9, 7, 1)
