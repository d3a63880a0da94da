"""Reading what a row names: by the file's kind, volume by volume, and never outside the folder."""

import dataclasses
import gc
import weakref
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import cv2
import nibabel as nib
import numpy as np
import pytest
import tifffile

from stages.core import record
from stages.core.errors import UserError
from stages.formats import formats, nifti
from stages.formats.reader import Reader, contained
from stages.scan.header import Header, Unreadable
from stages.scan.spacing import Spacing
from stages.scan.volume import Volume
from tests.fixtures import coco, volumes

KINDS = ", ".join(formats.FORMATS)


def plane(seed: int = 0, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, (8, 9)).astype(dtype)


def volume(seed: int = 0, slices: int = 4, dtype: type = np.int16) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, (slices, 8, 9)).astype(dtype)


def refusal(read: Callable[..., object], *wanted: object) -> str:
    """What is said instead of reading that."""
    with pytest.raises(UserError) as refused:
        read(*wanted)
    return str(refused.value)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each volume file is decoded from here on."""
    times: Counter[str] = Counter()

    def counted(stream: BinaryIO) -> Volume:
        times[Path(stream.name).name] += 1
        return nifti.decode(stream)

    for suffix in (".nii", ".nii.gz"):
        kind = dataclasses.replace(formats.FORMATS[suffix], decode=counted, decode_mask=counted)
        monkeypatch.setitem(formats.FORMATS, suffix, kind)
    return times


@pytest.mark.parametrize("name", ["x.png", "x.PNG", "a.b/x.Tif", "x.TIFF", "x.nii.gz", "x.NII.GZ", "X.Nii"])
def test_the_suffix_decides_in_any_case(tmp_path: Path, name: str) -> None:
    path, one = tmp_path / name, plane()
    path.parent.mkdir(exist_ok=True)
    if "nii" in name.lower():
        volumes.save(tmp_path / "x.nii.gz", one[None].astype(np.int16)).rename(path)
    elif "tif" in name.lower():
        tifffile.imwrite(path, one)
    else:
        path.write_bytes(cv2.imencode(".png", one)[1].tobytes())
    reader = Reader(tmp_path)
    np.testing.assert_array_equal(reader.image(name, 0)[..., 0], one)
    np.testing.assert_array_equal(reader.mask(name, 0), one)
    header = formats.read_header(path)
    assert (header.height, header.width, header.channels, header.slices) == (8, 9, 1, 1)
    assert formats.is_volume(name) is ("nii" in name.lower())


@pytest.mark.parametrize("name", ["x.bmp", "x", "png", "x.png.exe", "x.dcm", "x.nii.zip", "x.gz"])
def test_other_files_are_not_even_opened(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    reader = Reader(tmp_path)
    told = f"its name does not end in {KINDS}"
    assert refusal(reader.image, name, 0) == refusal(reader.mask, name, 0) == told
    assert refusal(formats.read_header, tmp_path / name) == told
    assert not formats.is_volume(name)


def test_which_rows_are_slices_of_volumes() -> None:
    assert formats.is_volume(";b.nii.gz")
    assert formats.is_volume(record.reference("a;b.nii"))
    assert not formats.is_volume("")
    assert not formats.is_volume("nii;b.png")


@pytest.mark.parametrize(
    ("reference", "modalities", "sentence"),
    [
        ("a.nii;;c.nii", "flair;t1ce;t2", "modality t1ce is missing"),
        (";a.nii;", "flair;t1;t2", "modality flair, t2 is missing"),
        ("a.nii;", "", "modality 2 is missing"),
        ("", "gray", "modality gray is missing"),
    ],
)
def test_a_missing_modality_is_named(
    tmp_path: Path, reference: str, modalities: str, sentence: str, decoded: Counter[str]
) -> None:
    reader = Reader(tmp_path)
    assert refusal(reader.image, reference, 0, modalities) == sentence
    assert not decoded


def moved(path: Path, mm: float) -> None:
    """Put the file at `path` elsewhere, by its header alone."""
    image = nib.load(path)
    affine = image.affine.copy()
    affine[2, 3] += mm
    nib.Nifti1Image(np.asarray(image.dataobj), affine).to_filename(path)


def identity(path: Path, _: float) -> None:
    """As scripts save arrays."""
    nib.Nifti1Image(np.asarray(nib.load(path).dataobj), np.eye(4)).to_filename(path)


@pytest.mark.parametrize(("spoil", "mm"), [(moved, 24.0), (moved, -0.3), (identity, 8.0)])
def test_what_lies_elsewhere_than_its_image_is_refused(
    tmp_path: Path, spoil: Callable[[Path, float], None], mm: float
) -> None:
    for name in ("flair", "t1", "seg"):
        volumes.save(tmp_path / f"{name}.nii", volume(3))
    reader = Reader(tmp_path)
    reader.image("flair.nii;t1.nii", 0)
    reader.mask("seg.nii", 0)
    for name in ("t1", "seg"):
        spoil(tmp_path / f"{name}.nii", mm)
    reader = Reader(tmp_path)
    assert refusal(reader.image, "flair.nii;t1.nii", 0).startswith(
        f"t1.nii lies {abs(mm):.3g} mm away from flair.nii"
    )
    reader.image("flair.nii", 0)
    assert refusal(reader.mask, "seg.nii", 0).startswith(f"seg.nii lies {abs(mm):.3g} mm away from flair.nii")
    with pytest.raises(Unreadable):  # of every slice, not of the first alone
        reader.mask("seg.nii", 1)


def test_files_whose_axes_run_otherwise_lie_together(tmp_path: Path) -> None:
    voxels = volume(3)
    for name, codes in (("flair", "LPS"), ("t1", "RAS"), ("seg", "PIR")):
        volumes.save(tmp_path / f"{name}.nii", voxels, codes)
    reader = Reader(tmp_path)
    np.testing.assert_array_equal(reader.image("flair.nii;t1.nii", 1), np.stack([voxels[1]] * 2, 2))
    np.testing.assert_array_equal(reader.mask("seg.nii", 1), voxels[1])


def test_a_volume_is_decoded_once_and_forgotten_with_its_case(tmp_path: Path, decoded: Counter[str]) -> None:
    seen = {}
    for number, name in enumerate(("a1", "a2", "a_seg", "b1", "b_seg")):
        seen[name] = volume(number)
        volumes.save(tmp_path / f"{name}.nii", seen[name])
    reader = Reader(tmp_path)
    for position in (0, 3, 1, 2):
        read = reader.image("a1.nii;a2.nii", position)
        np.testing.assert_array_equal(read, np.stack([seen["a1"][position], seen["a2"][position]], 2))
        np.testing.assert_array_equal(reader.mask("a_seg.nii", position), seen["a_seg"][position])
    assert decoded == {"a1.nii": 1, "a2.nii": 1, "a_seg.nii": 1}
    kept = [weakref.ref(one) for one in (reader.image("a1.nii", 0).base, reader.mask("a_seg.nii", 0).base)]
    assert all(one() is not None for one in kept)
    reader.image("b1.nii", 0)
    reader.mask("b_seg.nii", 0)
    gc.collect()
    assert [one() for one in kept] == [None, None]
    reader.image("a1.nii", 0)
    assert decoded == {"a1.nii": 2, "a2.nii": 1, "a_seg.nii": 1, "b1.nii": 1, "b_seg.nii": 1}


def test_single_slices_are_not_kept(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    for seed in (1, 2):
        tifffile.imwrite(tmp_path / "x.tif", plane(seed))
        np.testing.assert_array_equal(reader.image("x.tif", 1)[..., 0], plane(seed))


def test_a_damaged_volume_is_not_tried_again(tmp_path: Path, decoded: Counter[str]) -> None:
    whole = volumes.save(tmp_path / "x.nii.gz", volume())
    whole.write_bytes(whole.read_bytes()[:-30])
    reader = Reader(tmp_path)
    for position in range(3):
        assert refusal(reader.image, "x.nii.gz", position) == "it is cut short"
        assert refusal(reader.mask, "x.nii.gz", position) == "it is cut short"
    assert decoded == {"x.nii.gz": 2}  # once as an image, once as a mask


@pytest.mark.parametrize("position", [4, 1000, -1])
def test_a_slice_that_the_volume_does_not_have(tmp_path: Path, position: int) -> None:
    volumes.save(tmp_path / "x.nii", volume())
    reader = Reader(tmp_path)
    for read in (reader.image, reader.mask):
        told = refusal(read, "x.nii", position)
        assert told == f"it has 4 slices, there is no number {position}"


def test_volumes_that_do_not_belong_together(tmp_path: Path) -> None:
    volumes.save(tmp_path / "four.nii", volume())
    volumes.save(tmp_path / "three.nii", volume(1, slices=3))
    volumes.save(tmp_path / "wide.nii", volume()[:, :, :5])
    reader = Reader(tmp_path)
    for pair in ("four.nii;three.nii", "four.nii;wide.nii"):
        assert refusal(reader.image, pair, 0) == "its modalities differ in size"
    reader.image("four.nii", 0)
    assert refusal(reader.mask, "three.nii", 0) == "the mask has 3 slices and its image 4"


def test_modalities_of_several_number_types_keep_their_numbers(tmp_path: Path) -> None:
    whole, real = volume(0, dtype=np.int16), volume(1).astype(np.float32) / 7
    volumes.save(tmp_path / "whole.nii", whole)
    volumes.save(tmp_path / "real.nii", real)
    read = Reader(tmp_path).image("whole.nii;real.nii", 2)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, np.stack([whole[2], real[2]], 2))
    assert Reader(tmp_path).image("whole.nii;whole.nii", 2).dtype == np.int16


@pytest.mark.parametrize("name", ["a;b.png", "a#1.png", "100%.png", "%3B.png", "ä ö/x;#%.png", " .png"])
def test_names_with_signs_that_mean_something_in_a_table(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(cv2.imencode(".png", plane())[1].tobytes())
    reader = Reader(tmp_path)
    np.testing.assert_array_equal(reader.mask(record.reference(name), 1), plane())
    both = reader.image(record.reference(name, name), 1)
    np.testing.assert_array_equal(both, np.stack([plane(), plane()], 2))


def test_a_mask_from_annotations(tmp_path: Path) -> None:
    box = [5, 5, 20, 5, 20, 9, 5, 9]
    coco.write_set(tmp_path / "a;b", [coco.image(7)], [coco.annotation([box], 7)])
    reference = f"{record.reference(f'a;b/{coco.NAME}')}#7"
    mask = Reader(tmp_path).mask(reference, 1)
    assert (mask.shape, mask.dtype, set(np.unique(mask))) == ((coco.HEIGHT, coco.WIDTH), np.uint8, {0, 1})
    assert mask[6:9, 6:20].all()


OUTSIDE = [
    "../raw2/f.png",
    "../secret.png",
    "../raw/../secret.png",
    "a/../../secret.png",
    "/etc/passwd",
    ".",
    "",
    "..",
]


@pytest.mark.parametrize("name", [*OUTSIDE, "out.png", "folder/secret.png"])
def test_no_row_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    root = tmp_path / "raw"
    (tmp_path / "raw2").mkdir()
    root.mkdir()
    for path in (tmp_path / "raw2" / "f.png", tmp_path / "secret.png"):
        path.write_bytes(cv2.imencode(".png", plane())[1].tobytes())
    (root / "out.png").symlink_to(tmp_path / "secret.png")
    (root / "folder").symlink_to(tmp_path)
    told = f"{name} lies outside {root}; correct the row that names it"
    assert refusal(contained, root, name) == told
    if name:
        assert refusal(Reader(root).image, name, 1) == told
        assert refusal(Reader(root).mask, f"{name}#1", 1) == told


def test_links_and_detours_that_stay_inside_are_followed(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    (root / "a").mkdir(parents=True)
    (root / "x.png").write_bytes(cv2.imencode(".png", plane())[1].tobytes())
    (root / "link.png").symlink_to("x.png")
    (tmp_path / "way").symlink_to(root)
    for folder in (root, tmp_path / "way"):
        for name in ("x.png", "a/../x.png", "link.png", "./x.png"):
            assert contained(folder, name) == root.resolve() / "x.png"
            assert Reader(folder).image(name, 1).shape == (8, 9, 1)


def test_names_that_no_file_can_have(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    told = "'a\\x00.png' is no name of a file; correct the row that names it"
    assert refusal(reader.image, "a%00.png", 1) == refusal(reader.mask, "a\0.png", 1) == told
    for kind in ("png", "tif", "nii"):
        long = f"{'x' * 300}.{kind}"
        assert refusal(reader.image, long, 1) == "File name too long"
        (tmp_path / f"circle.{kind}").symlink_to(f"circle.{kind}")
        told = refusal(reader.image, f"circle.{kind}", 1)
        assert told == (f"it is a link to circle.{kind}, which leads in a circle; put the file in its place")


def test_headers_of_all_kinds(tmp_path: Path) -> None:
    volumes.save(tmp_path / "x.nii", volume(), spacing_mm=(3.0, 0.5, 0.75))
    tifffile.imwrite(tmp_path / "x.tif", plane())
    (tmp_path / "x.png").write_bytes(cv2.imencode(".png", plane())[1].tobytes())
    assert formats.read_header(tmp_path / "x.nii") == Header(8, 9, 1, Spacing(3.0, 0.5, 0.75), 4)
    assert (
        formats.read_header(tmp_path / "x.tif") == formats.read_header(tmp_path / "x.png") == Header(8, 9, 1)
    )
    with pytest.raises(Unreadable, match=r"^No such file or directory$"):
        formats.read_header(tmp_path / "y.tif")


def test_what_a_header_tells_of_a_row(tmp_path: Path) -> None:
    volumes.save(tmp_path / "x.nii", volume(), spacing_mm=(3.0, 0.5, 0.75))
    told = {"width": 9, "height": 8, "channels": 1, "spacing_mm": "3;0.5;0.75"}
    assert formats.header_fields(tmp_path / "x.nii") == told
    nothing = {"width": 0, "height": 0, "channels": 0, "spacing_mm": ""}
    assert formats.header_fields(tmp_path / "y.nii") == formats.header_fields(tmp_path / "x.bmp") == nothing
    assert [formats.colours(channels) for channels in range(5)] == [
        *("red;green;blue", "gray", "channel1;channel2", "red;green;blue"),
        "channel1;channel2;channel3;channel4",
    ]


def test_a_page_of_a_stack_is_one_slice(tmp_path: Path, decoded: Counter[str]) -> None:
    stack = volume(4).astype(np.uint16)
    for name in ("a.tif", "a_mask.tif"):
        tifffile.imwrite(tmp_path / name, stack, photometric="minisblack")
    reader = Reader(tmp_path)
    for page in range(4):
        np.testing.assert_array_equal(reader.image(f"a.tif#{page}", page)[..., 0], stack[page])
        np.testing.assert_array_equal(reader.mask(f"a_mask.tif#{page}", page), stack[page])
    assert refusal(reader.image, "a.tif#4", 4) == "it has 4 slices, there is no number 4"
    for row in ("a.tif", "a.tif#x"):
        assert refusal(Reader(tmp_path).image, row, 1) == "it holds 4 pages where one slice is expected"
    tifffile.imwrite(tmp_path / "a_mask.tif", stack[:3], photometric="minisblack")
    reader = Reader(tmp_path)
    reader.image("a.tif#0", 0)
    assert refusal(reader.mask, "a_mask.tif#0", 0) == "the mask has 3 slices and its image 4"


def test_remarks_are_those_of_the_last_row(tmp_path: Path) -> None:
    for name in ("a", "a_seg", "b"):
        volumes.save(tmp_path / f"{name}.nii", volume(3))
    volumes.forge(tmp_path / "a_seg.nii", pixdim=(1, 9, 9, 9, 1, 1, 1, 1))
    reader = Reader(tmp_path)
    reader.image("a.nii", 0)
    assert reader.remarks() == []
    reader.mask("a_seg.nii", 0)
    (remark,) = reader.remarks()
    assert remark.startswith(
        "a_seg.nii: between slices, rows and columns its pixdim has 9 x 9 x 9 mm and its"
    )
    reader.image("b.nii", 0)
    assert reader.remarks() == []
