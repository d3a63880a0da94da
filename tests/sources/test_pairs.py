"""Pairs of image and mask: which two files belong together in every layout, and whose they are."""

import random
import shutil
import zipfile
from collections import Counter
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.core.errors import UserError
from stages.core.record import Record
from stages.formats.reader import Reader
from stages.scan.task import TUMOUR, harmonise
from stages.sources import pairs
from tests.fixtures import pictures
from tests.fixtures.paired import GREY, MASK, put, refusal


def found(root: Path) -> list[tuple[str, str, str]]:
    """Sample, image and mask of each record."""
    return [(one.sample_id, one.image, one.mask) for one in pairs.find(root).records]


@pytest.fixture(scope="module")
def figshare(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("figshare")
    with zipfile.ZipFile(shared_data / "figshare.zip") as archive:
        archive.extractall(root)
    return root


def test_the_real_set(figshare: Path) -> None:
    records = pairs.find(figshare).records
    assert len(records) == 133
    assert [one.sample_id for one in records[:4]] == ["4", "16", "122", "125"]
    assert all(one.sample_id == one.case_id == one.patient_id for one in records)
    assert all(
        (one.image, one.mask) == (f"images/{one.case_id}.png", f"masks/{one.case_id}.png") for one in records
    )
    assert Counter((one.width, one.height) for one in records) == {(512, 512): 132, (256, 256): 1}
    assert {(one.channels, one.modalities, one.spacing_mm, one.source_split) for one in records} == {
        (1, "gray", "", "")
    }
    reader = Reader(figshare)
    assert all(harmonise(reader.mask(one.mask, 1), TUMOUR).any() for one in records)


def test_two_folders_and_one_folder_are_the_same_set(tmp_path: Path) -> None:
    apart = put(tmp_path / "a", *(f"{folder}/{n}.png" for folder in ("images", "masks") for n in (1, 2, 10)))
    together = put(tmp_path / "b", *(f"{n}{end}.png" for end in ("", "_mask") for n in (10, 2, 1)))
    assert found(apart) == [(n, f"images/{n}.png", f"masks/{n}.png") for n in ("1", "2", "10")]
    assert found(together) == [(n, f"{n}.png", f"{n}_mask.png") for n in ("1", "2", "10")]
    told = Record(
        *("1", "1", "1", 1, "images/1.png", "masks/1.png", 9, 8, 1, ""),
        *("", "mask", "gray", "tumour"),
        patient_known=False,
    )
    assert pairs.find(apart).records[0] == told


@pytest.mark.parametrize(
    ("image", "mask", "key"),
    [
        ("images/1.png", "masks/1.tif", "1"),
        ("images/1.jpg", "masks/1.png", "1"),
        ("1.jpeg", "1_mask.png", "1"),
        ("1.tiff", "1_mask.tif", "1"),
        ("image/1.png", "mask/1.png", "1"),
        ("images/1.png", "masks/1_mask.png", "1"),
        ("Images/1.PNG", "MASKS/1.Png", "1"),
        ("a.JPG", "a_Mask.PNG", "a"),
        ("set/images/1.png", "set/masks/1.png", "set/1"),
        ("train/images/1.png", "train/masks/1.png", "train/1"),
        ("images/train/1.png", "masks/train/1.png", "train/1"),
        ("1.2.png", "1.2_mask.png", "1.2"),
        ("images/köpf e/шум №1.png", "masks/köpf e/шум №1.png", "köpf e/шум №1"),
        ("images/a;b#c%41.png", "masks/a;b#c%41.png", "a;b#c%41"),
        ("_mask.png", "_mask_mask.png", "_mask"),
    ],
)
def test_what_belongs_together(tmp_path: Path, image: str, mask: str, key: str) -> None:
    put(tmp_path, image, pixels=GREY)
    put(tmp_path, mask, pixels=MASK)
    (one,) = pairs.find(tmp_path).records
    assert (one.sample_id, one.patient_id, one.width, one.height, one.channels) == (key, key, 9, 8, 1)
    reader = Reader(tmp_path)
    read = reader.image(one.image, 1)[..., 0].astype(int)
    assert np.abs(read - GREY).max() <= (60 if "j" in Path(image).suffix.lower() else 0)
    np.testing.assert_array_equal(reader.mask(one.mask, 1), MASK)
    assert pairs.belongs(PurePosixPath(image))
    assert pairs.belongs(PurePosixPath(mask))


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("patients.csv", True),
        ("set/Patients.CSV", True),
        ("other.csv", False),
        ("images/1.nii.gz", False),
        ("images/1.bmp", False),
        ("notes.txt", False),
    ],
)
def test_which_files_are_taken(name: str, taken: bool) -> None:
    assert pairs.belongs(PurePosixPath(name)) is taken


def test_the_published_division(tmp_path: Path) -> None:
    for part in ("train", "valid", "test"):
        put(tmp_path, f"{part}/images/1.png", f"{part}/masks/1.png")
    put(tmp_path, "images/2.png", "masks/2.png")
    split = {one.sample_id: one.source_split for one in pairs.find(tmp_path).records}
    assert split == {"2": "", "test/1": "test", "train/1": "train", "valid/1": "val"}


def test_halves_and_damaged_files_are_listed_for_validation_to_judge(tmp_path: Path) -> None:
    put(tmp_path, "images/1.png", "images/2.png", "masks/2.png", "masks/3.png")
    (tmp_path / "images/4.png").write_bytes(b"damaged")
    (tmp_path / "masks/4.png").write_bytes(b"damaged")
    one, two, three, four = pairs.find(tmp_path).records
    assert (one.image, one.mask, one.channels, one.modalities) == ("images/1.png", "", 1, "gray")
    assert (two.image, two.mask) == ("images/2.png", "masks/2.png")
    assert (three.image, three.mask, three.width, three.height) == ("", "masks/3.png", 9, 8)
    assert (three.channels, four.width, four.height, four.channels) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("channels", "names"), [(1, "gray"), (2, "channel1;channel2"), (3, "red;green;blue")]
)
def test_the_names_of_channels(tmp_path: Path, channels: int, names: str) -> None:
    put(tmp_path, "masks/1.png")
    (tmp_path / "images").mkdir()
    planes = np.stack([GREY] * channels, 2)
    path = tmp_path / "images" / ("1.tif" if channels == 2 else "1.png")
    if channels == 2:
        tifffile.imwrite(path, planes, photometric="minisblack", planarconfig="contig")
    else:
        path.write_bytes(pictures.png(planes.squeeze()))
    (one,) = pairs.find(tmp_path).records
    assert (one.channels, one.modalities) == (channels, names)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (
            ("images/1.jpg", "images/1.png", "masks/1.png"),
            "images/1.jpg and images/1.png would both be the image of 1; rename or remove one",
        ),
        (
            ("1.png", "1_mask.png", "masks/1.png"),
            "1_mask.png and masks/1.png would both be the mask of 1; rename or remove one",
        ),
        (
            ("a/images/1.png", "images/a/1.png", "masks/a/1.png"),
            "a/images/1.png and images/a/1.png would both be the image of a/1; rename or remove one",
        ),
    ],
)
def test_two_files_for_one_place(tmp_path: Path, names: tuple[str, ...], sentence: str) -> None:
    assert refusal(put(tmp_path, *names)) == sentence


@pytest.mark.parametrize(
    "names", [(), ("images/1.png",), ("masks/1.png", "masks/2.png"), ("images/1.png", "masks/2.png")]
)
def test_a_folder_without_pairs(tmp_path: Path, names: tuple[str, ...]) -> None:
    (tmp_path / "notes.txt").write_text("1.png")
    assert refusal(put(tmp_path, *names)) == (
        "no image with its mask was found; name them images/x.png and masks/x.png, or x.png and x_mask.png"
    )


def test_the_order_is_natural_and_not_that_of_the_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = ["1", "01", "001", "2", "10", "a1", "a01", "b", "B"]
    put(tmp_path, *(f"images/{key}.png" for key in keys), *(f"masks/{key}.png" for key in keys[::-1]))
    put(tmp_path, "masks/0.png")
    listed = sorted(tmp_path.rglob("*"))
    known = None
    for seed in range(8):
        shuffled = random.Random(seed).sample(listed, len(listed))
        monkeypatch.setattr(Path, "rglob", lambda *_, shuffled=shuffled: iter(shuffled))
        records = pairs.find(tmp_path).records
        known = known or records
        assert records == known
    assert [one.sample_id for one in known or ()] == ["0", "001", "01", "1", "2", "10", "B", "a01", "a1", "b"]


FOLDERS = st.sampled_from(
    ["", "images/", "masks/", "Masks/", "train/", "train/images/", "images/train/", "a/"]
)
NAMES = st.sampled_from(["1", "01", "1_mask", "x", "x_MASK", "_mask", "x_mask_mask"])
FILES = st.builds("{}{}{}".format, FOLDERS, NAMES, st.sampled_from([".png", ".PNG", ".jpg", ".tif"]))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(FILES, min_size=2, max_size=8))
def test_every_file_is_in_one_place_and_every_slice_has_its_own_name(tmp_path: Path, files: set[str]) -> None:
    shutil.rmtree(tmp_path)
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    try:
        records = pairs.find(tmp_path).records
    except UserError:
        return
    assert sorted(name for one in records for name in (one.image, one.mask) if name) == sorted(files)
    assert len({one.sample_id for one in records}) == len(records)
    assert any(one.image and one.mask for one in records)
