"""The COCO layout: what is listed, under which names, whose it is, and which files are refused."""

import contextlib
import copy
import json
import os
import random
import shutil
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stages.core import record
from stages.core.errors import UserError
from stages.formats import annotations
from stages.formats.reader import Reader
from stages.scan.header import Unreadable
from stages.sources import coco
from tests.fixtures.coco import (
    HEIGHT,
    NAME,
    TRIANGLE,
    WIDTH,
    annotation,
    image,
    unpack,
    write_json,
    write_set,
)

BOX = [5, 5, 20, 5, 20, 9, 5, 9]


@pytest.fixture(scope="module")
def boxes(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real set of boxes: 400 of 2,146 images."""
    return unpack(shared_data / "coco.zip", tmp_path_factory.mktemp("boxes"))


@pytest.fixture(scope="module")
def polygons(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real set of outlines, with augmented copies."""
    return unpack(shared_data / "coco_polygons.zip", tmp_path_factory.mktemp("polygons"))


def test_the_real_boxes(boxes: Path) -> None:
    found = coco.find(boxes)
    assert Counter(one.source_split for one in found.records) == {"train": 280, "val": 80, "test": 40}
    assert {one.label_kind for one in found.records} == {"box"}
    assert {(one.width, one.height, one.channels) for one in found.records} == {(640, 640, 3)}
    assert {(one.modalities, one.spacing_mm, one.slice) for one in found.records} == {
        ("red;green;blue", "", 1)
    }
    assert len({one.patient_id for one in found.records}) == 400
    assert found.unannotated == {"2369-8b8afa9d"}
    assert found.notes == (
        "annotations of 0 (204), 1 (196) are all taken as tumour, as their supercategory says; if only some "
        "are, name them in ingest.categories",
    )
    reader = Reader(boxes)
    blank = [one.sample_id for one in found.records if not reader.mask(one.mask, 1).any()]
    assert blank == ["2369-8b8afa9d"]
    (twice,) = [one for one in found.records if one.sample_id == "176-23ef40c3"]
    assert twice.mask == "train/_annotations.coco.json#1005"
    mask = reader.mask(twice.mask, 1)
    assert mask[221:327, 374:475].all()
    assert mask[326:333, 471:473].all()
    assert mask.sum() < 101.25 * 106.25 + 2.5 * 7.5 + 120


def test_the_real_polygons(polygons: Path) -> None:
    found = coco.find(polygons)
    assert Counter(one.source_split for one in found.records) == {"train": 154, "val": 20, "test": 4}
    assert {one.label_kind for one in found.records} == {"polygon"}
    assert found.unannotated == set()
    of_patient: dict[str, set[str]] = {}
    for one in found.records:
        of_patient.setdefault(one.patient_id, set()).add(one.source_split)
    assert len(of_patient) == 110
    assert all(len(splits) == 1 for splits in of_patient.values())
    copies = [one.sample_id for one in found.records if one.patient_id == "1"]
    assert copies == ["1-9893ba72", "1-f008f231"]
    assert Counter(Counter(one.patient_id for one in found.records).values()) == {1: 42, 2: 68}


@pytest.mark.parametrize("name", ["boxes", "polygons"])
def test_every_real_image_and_mask_is_read(name: str, request: pytest.FixtureRequest) -> None:
    root = request.getfixturevalue(name)
    records = coco.find(root).records
    assert len({one.sample_id for one in records}) == len(records)
    files = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.suffix != ".md"]
    assert record.files(records) == {path for path in files if "." in path}
    reader = Reader(root)
    for one in records[::7]:
        assert reader.image(one.image, 1).shape == (one.height, one.width, 3)
        assert reader.mask(one.mask, 1).shape == (one.height, one.width)


def test_records_of_a_small_set(tmp_path: Path) -> None:
    name = "17_png.rf.0123456789abcdef.png"
    write_set(tmp_path / "data" / "valid", [image(3, name)], [annotation([TRIANGLE], 3)])
    assert coco.find(tmp_path).records == [
        record.Record(
            sample_id="17-01234567",
            case_id="17-01234567",
            patient_id="17",
            slice=1,
            image=f"data/valid/{name}",
            mask=f"data/valid/{NAME}#3",
            width=WIDTH,
            height=HEIGHT,
            channels=1,
            spacing_mm="",
            source_split="val",
            label_kind="polygon",
            modalities="gray",
            label_set="tumour",
            patient_known=False,
        )
    ]


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        *(("train", "train"), ("TRAINING", "train"), ("valid", "val"), ("Val", "val"), ("validation", "val")),
        *(("Test", "test"), ("deep/down/test", "test"), ("test/more", "test"), ("train/test", "test")),
        *(("", ""), ("data", ""), ("training set", ""), ("train2017", "")),
    ],
)
def test_splits_are_told_from_folders(tmp_path: Path, folder: str, split: str) -> None:
    write_set(tmp_path / folder, [image()])
    assert [one.source_split for one in coco.find(tmp_path).records] == [split]


def test_a_file_above_the_splits_may_list_all(tmp_path: Path) -> None:
    names = ["train/1.png", "valid/2.png", "test/3.png"]
    write_set(tmp_path, [image(n, name) for n, name in enumerate(names)])
    records = {one.image: one.source_split for one in coco.find(tmp_path).records}
    assert records == {"train/1.png": "train", "valid/2.png": "val", "test/3.png": "test"}


def test_images_may_lie_in_a_folder_of_that_name(tmp_path: Path) -> None:
    listing = write_set(tmp_path / "train", [image(1), image(2, "2.png")], [annotation([BOX], 1)])
    (tmp_path / "train" / "images").mkdir()
    (tmp_path / "train" / "2.png").rename(tmp_path / "train" / "images" / "2.png")
    records = coco.find(tmp_path).records
    assert [(one.image, one.source_split) for one in records] == [
        ("train/1.png", "train"),
        ("train/images/2.png", "train"),
    ]
    assert {one.mask.split("#")[0] for one in records} == {listing.relative_to(tmp_path).as_posix()}


def test_both_separators_are_understood(tmp_path: Path) -> None:
    write_set(tmp_path, [image(1, "sub/1.png")])
    write_json(tmp_path / NAME, [image(1, r"sub\1.png")])
    assert [one.image for one in coco.find(tmp_path).records] == ["sub/1.png"]


def test_order_and_names_do_not_depend_on_the_order_in_files(tmp_path: Path) -> None:
    listed = [image(n, f"{n}.png") for n in range(1, 13)]
    for folder in ("train", "valid"):
        write_set(tmp_path / folder, listed, [annotation([BOX], 4)])
    first = coco.find(tmp_path)
    assert [one.image for one in first.records][:3] == ["train/1.png", "train/2.png", "train/3.png"]
    assert [PurePosixPath(one.image).stem for one in first.records] == [str(n) for n in range(1, 13)] * 2
    for folder in ("train", "valid"):
        random.Random(folder).shuffle(listed)
        write_json(tmp_path / folder / NAME, listed, [annotation([BOX], 4)])
    assert coco.find(tmp_path) == first


ABC = "0123456789abcdef"


@pytest.mark.parametrize(
    ("names", "samples", "patients"),
    [
        (["1.png", "2.jpg"], ["1", "2"], ["1", "2"]),
        (["train/1.png", "val/1.png"], ["train/1", "val/1"], ["train/1", "val/1"]),
        (["train/1.png", "val/1.png", "val/2.png"], ["train/1", "val/1", "2"], ["train/1", "val/1", "2"]),
        (["1.jpg", "1.png"], ["1.jpg", "1.png"], ["1.jpg", "1.png"]),
        (["a/1.jpg", "a/1.png", "b/1.png"], ["a/1.jpg", "a/1.png", "b/1"], ["a/1.jpg", "a/1.png", "b/1"]),
        (["1.png", "a/1.png", "b/a/1.png"], ["1", "a/1", "b/a/1"], ["1", "a/1", "b/a/1"]),
        (["a/1.png", "b/a/1.png.png", "b/a/1.png"], ["a/1", "1.png", "b/a/1"], ["a/1", "1.png", "b/a/1"]),
        ([f"9_jpg.rf.{ABC}.jpg", f"9_jpg.rf.{ABC[::-1]}.jpg"], ["9-01234567", "9-fedcba98"], ["9", "9"]),
        ([f"a/9_jpg.rf.{ABC}.jpg", f"a/9_jpg.rf.{ABC}00.jpg"], [f"9-{ABC}", f"9-{ABC}00"], ["9", "9"]),
        ([f"a/9_jpg.rf.{ABC}.jpg", f"b/9_jpg.rf.{ABC}.jpg"], [f"a/9-{ABC}", f"b/9-{ABC}"], ["9", "9"]),
        ([f"9_JPEG.rf.{ABC}.jpg", "9.jpg"], ["9-01234567", "9"], ["9", "9"]),
        ([f"a_b c_png.rf.{ABC}.PNG"], ["a_b c-01234567"], ["a_b c"]),
        (["x.rf.0123.jpg", "x_jpg.rf..jpg", "x_gif.rf.0123.jpg"], None, None),
    ],
)
def test_names_of_samples_and_patients(
    tmp_path: Path, names: list[str], samples: list[str] | None, patients: list[str] | None
) -> None:
    write_set(tmp_path, [image(n, name) for n, name in enumerate(names)])
    records = {one.image: one for one in coco.find(tmp_path).records}
    found = [records[name] for name in names]
    stems = [PurePosixPath(name).stem for name in names]
    assert [one.sample_id for one in found] == [one.case_id for one in found] == (samples or stems)
    assert [one.patient_id for one in found] == (patients or stems)


@given(
    st.sets(
        st.tuples(
            st.sampled_from(["", "a/", "a/b/", "b/"]),
            st.sampled_from(["1", "a-01234567", "1.png", "a_jpg.rf.0123456789", "a_jpg.rf.01234567"]),
            st.sampled_from([".png", ".jpg", ".PNG"]),
        ),
        min_size=1,
        max_size=16,
    )
)
@settings(max_examples=100)
def test_no_two_samples_have_one_name(
    tmp_path_factory: pytest.TempPathFactory, parts: set[tuple[str, str, str]]
) -> None:
    root = tmp_path_factory.mktemp("names")
    names = sorted("".join(one) for one in parts)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    write_json(root / NAME, [image(n, name) for n, name in enumerate(names)])
    records = coco.find(root).records
    assert len({one.sample_id for one in records}) == len(records) == len(names)


ODD = [
    "ä ö/Schädel 1.PNG",
    "脳/腫瘍.JPG",
    "a;b.png",
    "a#b.png",
    "100%.png",
    "%3B.png",
    "%253B#;.Tif",
    "'\",.jpeg",
]


def test_odd_names_make_the_round_trip(tmp_path: Path) -> None:
    listed = [image(f"{n};%#3B ü", name) for n, name in enumerate(ODD)]
    outlines = [[0, 0, 10 + n, 0, 10 + n, 10, 0, 10] for n in range(len(ODD))]
    some = [annotation([outline], listed[n]["id"]) for n, outline in enumerate(outlines)]
    write_set(tmp_path / "Teil #1; 100%25", listed, some, name="Über;#%.JSON")
    found = coco.find(tmp_path)
    assert len(found.records) == len(ODD)
    reader = Reader(tmp_path)
    for one in found.records:
        (name,) = record.names(one.image)
        number = ODD.index(name.removeprefix("Teil #1; 100%25/"))
        assert reader.image(one.image, 1).shape == (one.height, one.width, one.channels) == (30, 40, 1)
        assert reader.mask(one.mask, 1).sum() == 10 * (10 + number)
    on_disc = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert record.files(found.records) == on_disc


def test_images_that_nobody_annotated_are_told(tmp_path: Path) -> None:
    listed = [image(n, f"{n}.png") for n in (1, 2, 3)]
    write_set(tmp_path, listed, [annotation([BOX], 1), annotation([BOX], 3, 13), annotation([BOX], 3, 14)])
    found = coco.find(tmp_path)
    assert found.unannotated == {"2"}
    assert not Reader(tmp_path).mask(found.records[1].mask, 1).any()
    assert [one.label_kind for one in found.records] == ["box", "box", "box"]


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    write_set(tmp_path, [image()], [annotation([BOX], 1), annotation([BOX], 5), annotation([BOX], 6)])
    for name in (*(f"more/{n}.png" for n in range(11, 30)), "more/10.JPG", "package.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    assert coco.find(tmp_path).notes == (
        f"annotations in {NAME} that belong to no image in it, ignored: 2",
        "JSON files that hold no COCO annotations, ignored: 1, the first is 'package.json'",
        "images that no annotation file lists, ignored: 20, the first is 'more/10.JPG'",
    )


@pytest.mark.parametrize(
    ("mode", "channels", "modalities"),
    [("L", 1, "gray"), ("RGB", 3, "red;green;blue"), ("P", 3, "red;green;blue")],
)
def test_channels_are_those_of_the_files(tmp_path: Path, mode: str, channels: int, modalities: str) -> None:
    write_set(tmp_path, [image()])
    Image.new(mode, (WIDTH, HEIGHT)).save(tmp_path / "1.png")
    (one,) = coco.find(tmp_path).records
    assert (one.channels, one.modalities) == (channels, modalities)


def test_absent_and_damaged_images_are_listed_for_validation_to_judge(tmp_path: Path) -> None:
    write_set(tmp_path, [image(n, f"{n}.png") for n in (1, 2, 3)], [annotation([BOX], n) for n in (1, 2, 3)])
    (tmp_path / "2.png").unlink()
    (tmp_path / "3.png").write_bytes(b"damaged")
    records = coco.find(tmp_path).records
    assert [(one.image, one.width, one.height, one.channels) for one in records] == [
        ("1.png", WIDTH, HEIGHT, 1),
        ("2.png", 0, 0, 0),
        ("3.png", 0, 0, 0),
    ]
    with pytest.raises(Unreadable, match=r"^No such file or directory$"):
        Reader(tmp_path).image(records[1].image, 1)


def test_a_bad_annotation_costs_its_image_only(tmp_path: Path) -> None:
    write_set(tmp_path, [image(1), image(2, "2.png")], [annotation([[1, 2, 3]], 1), annotation([BOX], 2)])
    bad, good = coco.find(tmp_path).records
    reader = Reader(tmp_path)
    assert reader.mask(good.mask, 1).sum() == 60
    with pytest.raises(
        Unreadable, match=r"^annotation 12 has a polygon of 3 numbers; an even number from 6 on makes"
    ):
        reader.mask(bad.mask, 1)


def refusal(root: Path) -> str:
    with pytest.raises(UserError) as refused:
        coco.find(root)
    return str(refused.value)


@pytest.mark.parametrize(
    "name",
    [
        *("../secret.png", "a/../../secret.png", "a/..", "/etc/passwd", "//server/share/1.png"),
        *(
            r"..\secret.png",
            r"a\..\..\secret.png",
            r"C:\scans\1.png",
            "c:/scans/1.png",
            r"\\server\share\1.png",
        ),
    ],
)
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    write_set(root / "train", [image()])
    Image.new("L", (WIDTH, HEIGHT)).save(tmp_path / "secret.png")
    write_json(root / "train" / NAME, [image(), image(2, name)])
    told = f"train/{NAME}: file_name {name!r} lies outside its folder; correct the entry"
    assert refusal(root) == told


def test_absolute_names_are_refused_even_within_the_folder(tmp_path: Path) -> None:
    write_set(tmp_path, [image()])
    name = str(tmp_path / "1.png")
    write_json(tmp_path / NAME, [image(1, name)])
    assert refusal(tmp_path) == f"{NAME}: file_name {name!r:.80} lies outside its folder; correct the entry"


@pytest.mark.parametrize("name", ["1.png", "images/1.png", "gone.png"])
def test_links_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    write_set(root, [image(2, "2.png")])
    Image.new("L", (WIDTH, HEIGHT)).save(tmp_path / "1.png")
    (root / "images").mkdir()
    (root / name).symlink_to(tmp_path / Path(name).name)
    told = f"{NAME}: file_name {Path(name).name!r} lies outside its folder; correct the entry"
    write_json(root / NAME, [image(1, Path(name).name), image(2, "2.png")])
    assert refusal(root) == told


def test_links_within_the_folder_are_good_and_circles_are_not(tmp_path: Path) -> None:
    write_set(tmp_path, [image()])
    (tmp_path / "2.png").symlink_to(tmp_path / "1.png")
    write_json(tmp_path / NAME, [image(), image(2, "2.png")])
    assert [one.width for one in coco.find(tmp_path).records] == [WIDTH, WIDTH]
    (tmp_path / "2.png").unlink()
    (tmp_path / "2.png").symlink_to(tmp_path / "2.png")
    with pytest.raises(UserError):
        coco.find(tmp_path)


@pytest.mark.parametrize("name", ["", ".", "./", "a\0.png", "a\n.png", "1" * 5000 + ".png"])
def test_names_that_are_none(tmp_path: Path, name: str) -> None:
    write_set(tmp_path, [image()])
    write_json(tmp_path / NAME, [image(), image(2, name)])
    assert refusal(tmp_path) == f"{NAME}: file_name {name!r:.80} is no name of a file; correct the entry"


def test_long_names_are_absent_files(tmp_path: Path) -> None:
    write_set(tmp_path, [image()])
    names = [
        "9" * 1020 + ".png",
        "9" * 1020 + ".tif",
        "/".join(["a" * 200] * 5) + ".jpg",
        "2.bmp",
        "2.nii.gz",
        "2",
    ]
    write_json(tmp_path / NAME, [image(), *(image(n, name) for n, name in enumerate(names, 2))])
    records = coco.find(tmp_path).records
    assert sorted(one.image for one in records if not one.width) == sorted(names)
    for one in records:
        if not one.width:
            with pytest.raises(Unreadable):
                Reader(tmp_path).image(one.image, 1)


def test_an_image_that_is_listed_twice(tmp_path: Path) -> None:
    write_set(tmp_path, [image(3, "a/1.png")])
    write_json(tmp_path / NAME, [image(3, "a/1.png"), image("7", "a/./1.png")])
    assert refusal(tmp_path) == f"{NAME} lists a/1.png twice, as images '3' and '7'; merge the two entries"


@pytest.mark.parametrize(("other", "name"), [("a/more.json", "1.png"), ("zoo.json", "a/1.png")])
def test_an_image_that_two_files_list(tmp_path: Path, other: str, name: str) -> None:
    write_set(tmp_path / "a", [image()], name="listing.json")
    write_json(tmp_path / other, [image(1, name)])
    assert refusal(tmp_path) == f"a/listing.json and {other} both list a/1.png; remove one of the two files"


def test_a_folder_without_annotations(tmp_path: Path) -> None:
    nothing = "no COCO annotation file that lists images was found; "
    assert refusal(tmp_path) == nothing + "check ingest.source and ingest.location"
    (tmp_path / "other.json").write_text("[1]")
    Image.new("L", (8, 8)).save(tmp_path / "1.png")
    assert refusal(tmp_path) == nothing + "check ingest.source and ingest.location"
    write_json(tmp_path / "train" / NAME, [])
    assert refusal(tmp_path) == nothing + "check ingest.source and ingest.location"


def test_a_folder_without_the_images(tmp_path: Path) -> None:
    write_json(tmp_path / "train" / NAME, [image(1), image(2, "2.png")])
    Image.new("L", (8, 8)).save(tmp_path / "1.png")
    assert refusal(tmp_path) == (
        "none of the 2 images that the annotation files list is there; put them beside "
        "their file, or into a folder images there"
    )


def test_a_damaged_annotation_file_is_named(tmp_path: Path) -> None:
    write_set(tmp_path / "train", [image()])
    (tmp_path / "valid").mkdir()
    (tmp_path / "valid" / NAME).write_text("{")
    sentence = refusal(tmp_path)
    assert sentence.startswith(f"valid/{NAME} is no COCO file: it is not readable JSON (")
    assert sentence.endswith("; export it again or remove it")


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        *(
            ("train/_annotations.coco.json", True),
            ("train/1.jpg", True),
            ("a/b/1.PNG", True),
            ("1.TIFF", True),
        ),
        *(("1.jpeg", True), ("1.tif", True), ("LABELS.JSON", True), ("README.roboflow.txt", False)),
        *(
            ("README.md", False),
            ("1.jpg.exe", False),
            ("1.nii.gz", False),
            ("json", False),
            ("data.csv", False),
        ),
    ],
)
def test_which_files_are_taken(name: str, taken: bool) -> None:
    assert coco.belongs(PurePosixPath(name)) is taken


def test_the_source() -> None:
    source = coco.COCO
    assert (source.name, source.belongs, source.find, source.generate) == (
        "coco",
        coco.belongs,
        coco.find,
        None,
    )
    assert source.kaggle == "pkdarabi/brain-tumor-image-dataset-semantic-segmentation/versions/1"


REAL_CUT: dict[str, Any] = {
    "info": {"year": "2023", "version": "1", "description": "Exported from roboflow.com"},
    "licenses": [{"id": 1, "url": "https://creativecommons.org/licenses/by/4.0/", "name": "CC BY 4.0"}],
    "categories": [{"id": 0, "name": "Tumor", "supercategory": "none"}, {"id": 1, "name": "0"}],
    "images": [
        image(9, "2534_jpg.rf.3c8c8666.jpg", license=1, date_captured="2023-08-19T04:37:54+00:00"),
        image(14, "2465_jpg.rf.3d82d23c.jpg", license=1, date_captured="2023-08-19T04:37:54+00:00"),
    ],
    "annotations": [
        annotation([BOX], 9, 9, category_id=1, bbox=[5, 5, 15, 4], area=60, iscrowd=0),
        annotation([TRIANGLE], 14, 14, category_id=1, bbox=[4, 4, 26, 20], area=264.5, iscrowd=0),
        annotation({"size": [HEIGHT, WIDTH], "counts": [100, 50, 1050]}, 14, 15, category_id=1, iscrowd=1),
    ],
}
"""Two entries as Roboflow writes them, of smaller images."""

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        [10**400, "../a.jpg", "/a.jpg", "a\\..\\..\\b", "C:\\a", "a" * 300, "a.tif", "é;#%.png", ".."]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cut")
    write_set(root, REAL_CUT["images"])
    return root


def judge(root: Path, data: bytes) -> None:
    """List and draw a set whose annotation file holds `data`; refusals that name a file may come of it."""
    annotations._load.cache_clear()  # rewritten within one tick of the file system's clock
    (root / NAME).write_bytes(data)
    try:
        found = coco.find(root)
    except UserError as error:
        refused = str(error)
    else:
        refused = ""
        judge_records(root, found.records)
    assert "\n" not in refused
    assert not refused or NAME in refused or refused.startswith(("no COCO annotation", "none of the "))


def judge_records(root: Path, records: list[record.Record]) -> None:
    reader = Reader(root)
    assert len({one.sample_id for one in records}) == len(records)
    for one in records:
        assert all((root / name).resolve().is_relative_to(root.resolve()) for name in record.files([one]))
        with contextlib.suppress(Unreadable):
            mask = reader.mask(one.mask, one.slice)
            assert mask.dtype == np.uint8
            assert mask.max() <= 1
        try:
            assert reader.image(one.image, one.slice).shape == (one.height, one.width, one.channels)
        except Unreadable:
            assert (one.height, one.width, one.channels) == (0, 0, 0)


def test_what_is_mutated_below_is_good(cut: Path) -> None:
    (cut / NAME).write_text(json.dumps(REAL_CUT))
    found = coco.find(cut)
    assert [Reader(cut).mask(one.mask, 1).sum() > 0 for one in found.records] == [True, True]


@given(st.data())
@settings(max_examples=250, deadline=10_000)
def test_damaged_bytes(cut: Path, data: st.DataObject) -> None:
    content = json.dumps(REAL_CUT).encode()
    for _ in range(data.draw(st.integers(1, 5))):
        start = data.draw(st.integers(0, len(content)))
        length, new = data.draw(st.integers(0, 3)), data.draw(st.binary(max_size=3))
        content = content[:start] + new + content[start + length :]
    judge(cut, content)


@given(st.data())
@settings(max_examples=250, deadline=10_000)
def test_values_of_any_kind_in_any_place(cut: Path, data: st.DataObject) -> None:
    content: Any = copy.deepcopy(REAL_CUT)
    for _ in range(data.draw(st.integers(1, 3))):
        parent, key = content, data.draw(st.sampled_from(["images", "annotations", "categories"]))
        while True:
            inside = parent[key]
            deeper = (
                [*inside]
                if isinstance(inside, dict)
                else [*range(len(inside))]
                if isinstance(inside, list)
                else []
            )
            if not deeper or data.draw(st.integers(0, 3)) == 0:
                parent[key] = data.draw(JSON)
                break
            parent, key = inside, data.draw(st.sampled_from(deeper))
    judge(cut, json.dumps(content).encode())


def test_a_set_may_be_found_again_after_it_moved(tmp_path: Path) -> None:
    write_set(tmp_path / "one" / "train", [image()], [annotation([BOX])])
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    os.utime(tmp_path / "two" / "train" / NAME, (0, 0))
    assert coco.find(tmp_path / "one") == coco.find(tmp_path / "two")
