"""Every kind of scan arrives as slices with the model's channels, or says in a sentence why it does not."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from stages.inference.spec import Input
from stages.predicting import discovery, reading
from stages.scan.header import Unreadable
from stages.scan.volume import Volume
from tests.fixtures import dicom, graphs, scans, volumes

SEQUENCES = graphs.describe().input
FLAIR = graphs.describe(channels=("flair",)).input
BRATS = graphs.describe(channels=("flair", "t1", "t1ce", "t2")).input
PICTURE = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)


def read(path: Path, wanted: Input) -> Volume:
    (scan,) = discovery.find([path]).scans
    return reading.read(scan, wanted)


def refused(path: Path, wanted: Input) -> str:
    with pytest.raises(Unreadable) as error:
        read(path, wanted)
    return str(error.value)


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_three_sequences_in_their_order(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    tifffile.imwrite(path, PICTURE) if suffix == ".tif" else Image.fromarray(PICTURE).save(path)
    np.testing.assert_array_equal(read(path, SEQUENCES).voxels, PICTURE[None])
    assert read(path, SEQUENCES).spacing is None


@pytest.mark.parametrize("kind", ["rgb", "minisblack"])
def test_three_equal_channels_of_a_tiff_are_three_sequences(tmp_path: Path, kind: str) -> None:
    """So are those of 10 patients of LGG, whose only sequence was copied, which models are trained on."""
    equal = PICTURE[..., :1].repeat(3, axis=2)
    tifffile.imwrite(tmp_path / "x.tif", equal, photometric=kind, planarconfig="contig")
    np.testing.assert_array_equal(read(tmp_path / "x.tif", SEQUENCES).voxels, equal[None])
    np.testing.assert_array_equal(read(tmp_path / "x.tif", FLAIR).voxels, equal[None, ..., :1])
    case = tmp_path / "case"
    for number in (1, 2):
        scans.write_slice(tmp_path, "case", number, equal, None)
    np.testing.assert_array_equal(read(case, SEQUENCES).voxels, np.stack([equal, equal]))
    np.testing.assert_array_equal(read(case, FLAIR).voxels, np.stack([equal, equal])[..., :1])
    tifffile.imwrite(tmp_path / "grey.tif", equal[..., 0])
    assert refused(tmp_path / "grey.tif", SEQUENCES).startswith("it has 1 channel")


def test_three_equal_channels_of_a_png_may_be_a_grey_picture(tmp_path: Path) -> None:
    Image.fromarray(PICTURE[..., :1].repeat(3, axis=2)).save(tmp_path / "x.png")
    assert refused(tmp_path / "x.png", SEQUENCES).endswith("save them as the channels of a TIFF")
    np.testing.assert_array_equal(read(tmp_path / "x.png", FLAIR).voxels[0], PICTURE[..., :1])


def test_a_grey_picture_of_16_bits(tmp_path: Path) -> None:
    deep = PICTURE[..., 0].astype(np.uint16) * 200
    Image.fromarray(deep).save(tmp_path / "x.png")
    np.testing.assert_array_equal(read(tmp_path / "x.png", FLAIR).voxels[0, ..., 0], deep)


def test_a_grey_jpeg(tmp_path: Path) -> None:
    Image.fromarray(np.full((16, 16), 90, np.uint8)).save(tmp_path / "x.jpg")
    assert (read(tmp_path / "x.jpg", FLAIR).voxels == 90).all()
    assert refused(tmp_path / "x.jpg", SEQUENCES).startswith("it has 1 channel")


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_photos(tmp_path: Path, mode: str) -> None:
    photo = Image.fromarray(PICTURE).convert(mode)
    photo.save(tmp_path / "x.png")
    assert refused(tmp_path / "x.png", FLAIR).startswith("it is a colour picture, ")
    if mode == "RGBA":
        assert refused(tmp_path / "x.png", SEQUENCES).startswith("a picture with transparency is no scan, ")
    photo.convert("RGB").save(tmp_path / "y.jpg")
    assert refused(tmp_path / "y.jpg", FLAIR).startswith("it is a colour picture, ")
    assert refused(tmp_path / "y.jpg", SEQUENCES).startswith("a colour JPEG blends its colours, ")


def test_a_stack_is_a_scan_of_slices(tmp_path: Path) -> None:
    pixels = np.arange(3 * 9 * 7, dtype=np.uint8).reshape(3, 9, 7)
    tifffile.imwrite(tmp_path / "x.tif", pixels, photometric="minisblack")
    np.testing.assert_array_equal(read(tmp_path / "x.tif", FLAIR).voxels[..., 0], pixels)


def test_a_stack_among_the_slices_of_a_case(tmp_path: Path) -> None:
    for number in (1, 2):
        scans.write_slice(tmp_path, "case", number, np.zeros((9, 7), np.uint8), None)
    tifffile.imwrite(tmp_path / "case/case_2.tif", np.zeros((3, 9, 7), np.uint8), photometric="minisblack")
    assert refused(tmp_path, FLAIR) == "case_2.tif holds 3 pages; segment it as a file by itself"


def test_a_case_with_a_gap(tmp_path: Path) -> None:
    for number in (1, 2, 3, 6, 7):
        scans.write_slice(tmp_path, "case", number, np.zeros((9, 7), np.uint8), None)
    assert read(tmp_path / "case", FLAIR).remarks == (
        "it has slices 1 to 7 without 4 to 5; those around a gap count as neighbours, and volumes leave it "
        "out: fetch what is missing",
    )
    for number in (4, 5):
        scans.write_slice(tmp_path, "case", number, np.zeros((9, 7), np.uint8), None)
    assert read(tmp_path / "case", FLAIR).remarks == ()


def test_remarks_on_the_slices_of_a_case(tmp_path: Path) -> None:
    image = np.ones((9, 7), np.float32)
    image[0, 0] = np.nan
    for number in (1, 2):
        scans.write_slice(tmp_path, "case", number, image, None)
    first, others = read(tmp_path / "case", FLAIR).remarks
    assert first.startswith("case_1.tif: NaN that reaches the border")
    assert others == "1 more slices are like this"


def test_an_lgg_case(tmp_path: Path) -> None:
    images, masks = scans.volume(11)
    for number, (image, mask) in enumerate(zip(images, masks, strict=True), 1):
        scans.write_slice(tmp_path, "case", number, image, mask)
    np.testing.assert_array_equal(read(tmp_path, SEQUENCES).voxels, images)
    scans.write_slice(tmp_path, "case", 12, images[0, :-1], None)
    assert refused(tmp_path, SEQUENCES) == "case_12.tif differs in size from the slices before it"


def test_a_brats_case_by_the_names_of_its_files(tmp_path: Path) -> None:
    (case,) = volumes.write_brats(tmp_path, cases=1, slices=3, size=16)
    expected = volumes.case(3, 16, seed=(0, 1))
    found = read(case, BRATS)
    for number, role in enumerate(("flair", "t1", "t1ce", "t2")):
        np.testing.assert_array_equal(found.voxels[..., number], expected[role])
    assert found.spacing == (1.0, 1.0, 1.0)
    np.testing.assert_array_equal(read(case, FLAIR).voxels[..., 0], expected["flair"])


def test_a_model_with_its_modalities_in_another_order(tmp_path: Path) -> None:
    (case,) = volumes.write_brats(tmp_path, cases=1, slices=3, size=16, roles=("flair", "t1"))
    swapped = graphs.describe(channels=("t1", "flair"), modalities=("flair", "t1")).input
    expected = volumes.case(3, 16, seed=(0, 1))
    found = read(case, swapped).voxels
    np.testing.assert_array_equal(found[..., 0], expected["t1"])
    np.testing.assert_array_equal(found[..., 1], expected["flair"])


def test_what_a_model_does_not_take_is_not_decoded(tmp_path: Path) -> None:
    (case,) = volumes.write_brats(tmp_path, cases=1, slices=3, size=16)
    (case / f"{case.name}_t2.nii").write_bytes(b"damaged")
    assert read(case, FLAIR).voxels.shape == (3, 16, 16, 1)


def test_missing_modalities(tmp_path: Path) -> None:
    (case,) = volumes.write_brats(tmp_path, cases=1, slices=3, size=16, roles=("flair", "t2"))
    has = "the scan has flair, t2, the model takes flair, t1, t1ce, t2"
    assert refused(case, BRATS) == f"modality t1, t1ce is missing: {has}"
    single = case / f"{case.name}_t2.nii"
    assert refused(single, FLAIR) == ("modality flair is missing: the scan has t2, the model takes flair")


def test_modalities_of_two_sizes(tmp_path: Path) -> None:
    (case,) = volumes.write_brats(tmp_path, cases=1, slices=3, size=16)
    volumes.save(case / f"{case.name}_t2.nii", np.zeros((3, 16, 15), np.int16))
    assert refused(case, BRATS) == "its modalities differ in size"


def test_a_modality_that_lies_elsewhere(tmp_path: Path) -> None:
    """Same size, another place: stacked as they are, no voxel would show one spot of the head."""
    (case,) = volumes.write_brats(tmp_path, cases=1, slices=3, size=16)
    path = case / f"{case.name}_t1.nii"
    affine = nib.load(path).affine.copy()
    affine[2, 3] += 24
    nib.Nifti1Image(np.asarray(nib.load(path).dataobj), affine).to_filename(path)
    assert refused(case, BRATS).startswith(f"{path.name} lies 24 mm away from {case.name}_flair.nii by their")
    assert read(case, FLAIR).voxels.shape == (3, 16, 16, 1)


def test_a_series_of_volumes(tmp_path: Path) -> None:
    nib.Nifti1Image(np.zeros((4, 4, 4, 5), np.int16), np.eye(4)).to_filename(tmp_path / "x.nii.gz")
    assert refused(tmp_path / "x.nii.gz", FLAIR) == "it is a series of 5 volumes, one is needed"
    needed = "one of each of flair, t1, t1ce, t2 is needed"
    assert refused(tmp_path / "x.nii.gz", BRATS) == f"it is a series of 5 volumes, {needed}"


def test_the_sequences_of_one_file(tmp_path: Path) -> None:
    """As the Decathlon keeps them; nothing in it tells which is which."""
    stored = np.arange(3 * 4 * 5 * 4, dtype=np.int16).reshape(3, 4, 5, 4)
    nib.Nifti1Image(stored, np.eye(4)).to_filename(tmp_path / "x.nii.gz")
    volume = read(tmp_path / "x.nii.gz", BRATS)
    nib.Nifti1Image(stored[..., 2], np.eye(4)).to_filename(tmp_path / "y.nii.gz")
    alone = read(tmp_path / "y.nii.gz", FLAIR).voxels
    np.testing.assert_array_equal(volume.voxels[..., 2:3], alone)
    assert volume.remarks == (
        "nothing tells the sequence of its volumes, so they were taken for flair, t1, t1ce, t2",
    )


def test_a_series_among_the_files_of_a_case(tmp_path: Path) -> None:
    (case,) = volumes.write_brats(tmp_path, cases=1, slices=3, size=16)
    path = case / f"{case.name}_t1.nii"
    volume = np.asarray(nib.load(path).dataobj)
    nib.Nifti1Image(np.stack([volume] * 2, axis=3), nib.load(path).affine).to_filename(path)
    assert refused(case, BRATS) == "it is a series of 2 volumes, one is needed"


def test_a_dicom_series(tmp_path: Path) -> None:
    voxels = volumes.numbered("u2")
    dicom.write_series(tmp_path / "s", voxels, dicom.CORONAL, spacing_mm=(3.0, 2.0, 1.0))
    found = read(tmp_path / "s", FLAIR)
    np.testing.assert_array_equal(found.voxels[..., 0], voxels)
    assert found.spacing == pytest.approx((3.0, 2.0, 1.0))
    assert refused(tmp_path / "s", SEQUENCES).startswith("it has 1 channel")


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.nii.gz", "x.dcm", "x.jpg"])
@pytest.mark.parametrize("content", [b"", b"no scan", b"\x89PNG\r\n\x1a\n", b"II*\0", b"\x1f\x8b\x08"])
def test_files_that_are_none(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert "\n" not in refused(tmp_path / name, FLAIR)
