"""COCO annotations: what they draw equals masks made in other ways, and nothing they say may do harm."""

import codecs
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as Curve
from pycocotools import mask as coco_mask
from scipy import ndimage

from stages.core import record
from stages.core.errors import UserError
from stages.formats import annotations, shapes
from stages.scan.header import Unreadable
from tests.fixtures.coco import HEIGHT, TRIANGLE, WIDTH, annotation, image, run_lengths, write_json

SIZE = [HEIGHT, WIDTH]
BLOB = np.zeros((HEIGHT, WIDTH), np.uint8)
BLOB[5:20, 7:30] = 1
BLOB[10:12, 9:25] = 0
LEFT, RIGHT = np.zeros_like(BLOB), np.zeros_like(BLOB)
LEFT[:, :3], RIGHT[:, -2:] = 1, 1

STRIPES = np.repeat(np.array([0, 1, 0, 1], np.uint8), [100, 40, 1036, 24]).reshape(WIDTH, HEIGHT).T
"""Its run lengths are told by 100, 40, 1036 and, as the difference to 40, the sign "@" for -16."""


def compressed(mask: np.ndarray) -> dict[str, Any]:
    encoded = coco_mask.encode(np.asfortranarray(mask))
    return {"size": encoded["size"], "counts": encoded["counts"].decode("ascii")}


def uncompressed(mask: np.ndarray) -> dict[str, Any]:
    return {"size": [*mask.shape], "counts": run_lengths(mask)}


def drawn(tmp_path: Path, *segmentations: Any, **other: Any) -> np.ndarray:
    some = [annotation(one, annotation_id=12 + n, **other) for n, one in enumerate(segmentations)]
    return annotations.mask(write_json(tmp_path / "a.json", [image()], some), "1")


def filled(polygons: list[list[float]], height: int, width: int) -> np.ndarray:
    """The pixels whose centres lie in one of some polygons, by matplotlib."""
    inside = np.zeros((height, width), bool)
    for outline in (np.reshape(one, (-1, 2)) for one in polygons):
        (left, top), (right, bottom) = np.floor(outline.min(axis=0)), np.ceil(outline.max(axis=0))
        x, y = np.arange(max(left, 0), min(right, width)), np.arange(max(top, 0), min(bottom, height))
        column, row = np.meshgrid(x, y)
        centres = np.column_stack([column.ravel(), row.ravel()]) + 0.5
        where = np.ix_(y.astype(int), x.astype(int))
        inside[where] |= Curve(outline).contains_points(centres).reshape(row.shape)
    return inside


@pytest.mark.long
@pytest.mark.parametrize(("archive", "number"), [("coco.zip", 100), ("coco_polygons.zip", 45)])
def test_real_outlines_are_filled(shared_data: Path, tmp_path: Path, archive: str, number: int) -> None:
    """Of every fourth image: the other way to fill them takes a fiftieth of a second each."""
    compared = 0
    with zipfile.ZipFile(shared_data / archive) as packed:
        for name in (name for name in packed.namelist() if name.endswith(".json")):
            path = Path(packed.extract(name, tmp_path))
            content = json.loads(path.read_bytes())
            size = content["images"][0]["height"], content["images"][0]["width"]
            outlines: dict[int, list[list[float]]] = {}
            for one in content["annotations"]:
                outlines.setdefault(one["image_id"], []).extend(one["segmentation"])
            for image_id, polygons in list(outlines.items())[::4]:
                mask = annotations.mask(path, str(image_id))
                assert (mask.dtype, mask.shape, mask.max()) == (np.uint8, size, 1)
                ours, theirs = mask == 1, filled(polygons, *size)
                near = np.ones((3, 3))
                assert not (ours & ~ndimage.binary_dilation(theirs, near)).any(), (name, image_id)
                assert not (theirs & ~ndimage.binary_dilation(ours, near)).any(), (name, image_id)
                assert 2 * (ours & theirs).sum() > 0.975 * (ours.sum() + theirs.sum()), (name, image_id)
                compared += 1
    assert compared == number


def test_annotations_of_an_image_are_united_and_overlaps_are_not_holes(tmp_path: Path) -> None:
    boxes = [[2, 3, 12, 3, 12, 13, 2, 13], [8, 8, 20, 8, 20, 25, 8, 25]]
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[3:13, 2:12] = expected[8:25, 8:20] = 1
    np.testing.assert_array_equal(drawn(tmp_path, [boxes[0]], [boxes[1]]), expected)
    np.testing.assert_array_equal(drawn(tmp_path, boxes), expected)
    np.testing.assert_array_equal(
        drawn(tmp_path, boxes, uncompressed(BLOB), compressed(LEFT)), expected | BLOB | LEFT
    )


@pytest.mark.parametrize("empty", [None, [], [[]]])
def test_a_box_stands_in_for_an_outline(tmp_path: Path, empty: Any) -> None:
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[5:9, 30:] = 1
    np.testing.assert_array_equal(drawn(tmp_path, empty, bbox=[30, 5.0, 20, 4]), expected)


def test_an_outline_counts_more_than_its_box(tmp_path: Path) -> None:
    box = [10, 10, 20, 10, 20, 20, 10, 20]
    assert drawn(tmp_path, [box], bbox=[0, 0, WIDTH, HEIGHT]).sum() == 100


def test_outlines_are_cut_at_the_border_of_the_image(tmp_path: Path) -> None:
    far = [-WIDTH, -HEIGHT, 2 * WIDTH, -HEIGHT, 2 * WIDTH, 2 * HEIGHT, -WIDTH, 2 * HEIGHT]
    assert drawn(tmp_path, [far]).sum() == WIDTH * HEIGHT


@pytest.mark.parametrize("mask", [BLOB, STRIPES, LEFT, RIGHT, 1 - BLOB, BLOB * 0 + 1])
@pytest.mark.parametrize("crowd", [0, 1])
def test_run_lengths(tmp_path: Path, mask: np.ndarray, crowd: int) -> None:
    np.testing.assert_array_equal(drawn(tmp_path, uncompressed(mask), iscrowd=crowd), mask)
    np.testing.assert_array_equal(drawn(tmp_path, compressed(mask), iscrowd=crowd), mask)


@given(
    st.tuples(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**32 - 1), st.integers(1, 99)),
)
@settings(max_examples=60)
def test_any_mask_survives_run_lengths(
    tmp_path_factory: pytest.TempPathFactory, drawing: tuple[int, int, int, int]
) -> None:
    height, width, seed, percent = drawing
    mask = (np.random.default_rng(seed).random((height, width)) < percent / 100).astype(np.uint8)
    assume(mask.any())
    listed = [image(number, f"{number}.png", height=height, width=width) for number in (1, 2)]
    some = [annotation(compressed(mask), 1), annotation(uncompressed(mask), 2)]
    path = write_json(tmp_path_factory.mktemp("runs") / "a.json", listed, some)
    np.testing.assert_array_equal(annotations.mask(path, "1"), mask)
    np.testing.assert_array_equal(annotations.mask(path, "2"), mask)


def test_run_lengths_of_a_large_image_take_several_signs(tmp_path: Path) -> None:
    mask = np.zeros((3000, 2500), np.uint8)
    mask[:, 2:2000] = 1
    mask[7:1300, 2100:2102] = 1
    mask[-1, -1] = 1
    packed = compressed(mask)
    path = write_json(tmp_path / "a.json", [image(height=3000, width=2500)], [annotation(packed)])
    assert max(len(one) for one in packed["counts"].split("0")) > 4
    np.testing.assert_array_equal(annotations.mask(path, "1"), mask)


def test_an_image_without_annotations_is_blank(tmp_path: Path) -> None:
    path = write_json(tmp_path / "a.json", [image(1), image(2, "2.png")], [annotation([TRIANGLE], 2)])
    blank = annotations.mask(path, "1")
    assert blank.flags.c_contiguous
    assert (blank.dtype, blank.shape, blank.sum()) == (np.uint8, (HEIGHT, WIDTH), 0)
    assert annotations.mask(path, "2").sum() > 0


def test_ids_are_compared_as_text_and_arrive_escaped(tmp_path: Path) -> None:
    listed = [image(7), image("8", "8.png"), image("a;b#c%d ä", "9.png")]
    some = [annotation([TRIANGLE], one) for one in ("7", 8, "a;b#c%d ä")]
    path = write_json(tmp_path / "a.json", listed, some)
    masks = [annotations.mask(path, one) for one in ("7", "8", "a%3Bb%23c%25d ä")]
    assert all(np.array_equal(mask, masks[0]) and mask.any() for mask in masks)
    assert annotations.load(path).orphans == 0


@pytest.mark.parametrize(("listed", "named"), [(1, 1.0), (1.0, 1), (1.0, "1"), ("1", 1.0), (1e15, 10**15)])
def test_whole_numbers_are_the_same_however_they_are_written(tmp_path: Path, listed: Any, named: Any) -> None:
    path = write_json(tmp_path / "a.json", [image(listed)], [annotation([TRIANGLE], named)])
    assert annotations.load(path).orphans == 0
    assert annotations.mask(path, str(int(listed))).any()


@pytest.mark.parametrize("bad", [True, 1.5, float("nan"), float("inf"), -0.1, None, [], {}])
@pytest.mark.parametrize("place", ["images.0.id", "annotations.0.image_id", "annotations.0.category_id"])
def test_ids_that_are_none_are_refused_by_their_key(tmp_path: Path, place: str, bad: Any) -> None:
    content: dict[str, Any] = {"images": [image(1)], "annotations": [annotation([TRIANGLE], category_id=1)]}
    kind, _, key = place.split(".")
    content[kind][0][key] = bad
    (tmp_path / "a.json").write_text(json.dumps(content))
    if bad is None and key == "category_id":
        assert annotations.mask(tmp_path / "a.json", "1").any()
        return
    with pytest.raises(Unreadable) as refused:
        annotations.load(tmp_path / "a.json")
    assert str(refused.value) == f"{place}: it must be a whole number or text, not {bad!r}"


def test_one_id_written_in_two_ways_is_one_image_twice(tmp_path: Path) -> None:
    path = write_json(tmp_path / "a.json", [image(1), image(1.0, "2.png")])
    with pytest.raises(Unreadable, match=r"^two images have the same id$"):
        annotations.load(path)


def test_a_byte_order_mark_is_no_damage(tmp_path: Path) -> None:
    path = write_json(tmp_path / "a.json", [image()], [annotation([TRIANGLE])])
    plain = annotations.mask(path, "1")
    path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())
    np.testing.assert_array_equal(annotations.mask(path, "1"), plain)


def test_a_file_that_has_changed_is_read_again(tmp_path: Path) -> None:
    path = write_json(tmp_path / "a.json", [image()], [annotation([TRIANGLE])])
    before = annotations.mask(path, "1").sum()
    write_json(path, [image()], [annotation([[4, 4, 30, 6, 12, 25]])])
    os.utime(path, ns=(0, 1))
    assert annotations.mask(path, "1").sum() > before


RECTANGLE = [5, 5, 20.5, 5, 20.5, 9, 5, 9]


@pytest.mark.parametrize(
    ("segmentations", "kind"),
    [
        ([[RECTANGLE]], "box"),
        ([[[*RECTANGLE, *RECTANGLE[:2]]]], "box"),
        ([[[*RECTANGLE[2:], *RECTANGLE[:2]]], [RECTANGLE[::-1]]], "box"),
        ([[RECTANGLE, RECTANGLE]], "box"),
        ([[]], "box"),
        ([None], "box"),
        ([[RECTANGLE], [TRIANGLE]], "polygon"),
        ([[RECTANGLE, TRIANGLE]], "polygon"),
        ([[[*RECTANGLE, 6, 5]]], "polygon"),
        ([[[5, 5, 20, 9, 20, 5, 5, 9]]], "polygon"),  # a bow
        ([[[5, 5, 20, 5, 20, 9, 6, 9]]], "polygon"),
        ([[[5, 5, 20, 5, 5, 5, 20, 5]]], "polygon"),
        ([[[10, 0, 20, 10, 10, 20, 0, 10]]], "polygon"),  # stands on its corner
        ([[[5, 5, 20, 5, 20, 9]]], "polygon"),
        ([[RECTANGLE], uncompressed(BLOB)], "mask"),
        ([compressed(BLOB)], "mask"),
    ],
)
def test_kinds_of_labels(tmp_path: Path, segmentations: list[Any], kind: str) -> None:
    path = write_json(tmp_path / "a.json", [image()], [annotation(one) for one in segmentations])
    assert annotations.load(path).kind("1") == kind


@pytest.mark.parametrize(("segmentation", "kind"), [([RECTANGLE], "box"), ([TRIANGLE], "polygon")])
def test_an_image_without_annotations_is_of_the_kind_of_the_others(
    tmp_path: Path, segmentation: Any, kind: str
) -> None:
    listed = [image(1), image(2, "2.png")]
    path = write_json(tmp_path / "a.json", listed, [annotation(segmentation, 2)])
    assert annotations.load(path).kind("1") == kind


FAR = f"annotation 12 lies far outside its image of {WIDTH}x{HEIGHT} pixels"
NO_LIST = "annotation 12 has a polygon that is no list of coordinates"
NO_BOX = "annotation 12 has no segmentation and no box of x, y, width and height"
DAMAGED = "annotation 12 has run lengths that are damaged"
OTHER_SIZE = f"annotation 12 has run lengths for another size than {WIDTH}x{HEIGHT} pixels"
BLANK = WIDTH * HEIGHT


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([[1, 2, 3]], "annotation 12 has a polygon of 3 numbers; an even number from 6 on makes one"),
        ([[1, 2, 3, 4]], "annotation 12 has a polygon of 4 numbers; an even number from 6 on makes one"),
        (
            [[1, 2, 3, 4, 5, 6, 7]],
            "annotation 12 has a polygon of 7 numbers; an even number from 6 on makes one",
        ),
        ([TRIANGLE, []], "annotation 12 has a polygon of 0 numbers; an even number from 6 on makes one"),
        ([[1, 2, "3", 4, 5, 6]], NO_LIST),
        ([[1, 2, True, 4, 5, 6]], NO_LIST),
        ([[1, 2, None, 4, 5, 6]], NO_LIST),
        ([[1, 2, float("nan"), 4, 5, 6]], NO_LIST),
        ([[1, 2, float("inf"), 4, 5, 6]], NO_LIST),
        ([[1, 2, 10**400, 4, 5, 6]], NO_LIST),
        ([TRIANGLE, 5], NO_LIST),
        (TRIANGLE, NO_LIST),
        ([[[1, 2], [3, 4], [5, 6]]], NO_LIST),
        ([[1, 2, 2 * WIDTH + 1, 4, 5, 6]], FAR),
        ([[1, 2, 3, 2 * HEIGHT + 1, 5, 6]], FAR),
        ([[1, 2, 3, -HEIGHT - 0.5, 5, 6]], FAR),
        ([[1, 2, 3, 4, -999999999, 6]], FAR),
        ("mask", "annotation 12 has a segmentation that is neither polygons nor run lengths"),
        (0, "annotation 12 has a segmentation that is neither polygons nor run lengths"),
        ([], NO_BOX),
        ({}, OTHER_SIZE),
        ({"size": SIZE[::-1], "counts": [BLANK]}, OTHER_SIZE),
        ({"size": [10**9, 10**9], "counts": [BLANK]}, OTHER_SIZE),
        ({"size": SIZE}, DAMAGED),
        ({"size": SIZE, "counts": [BLANK, True]}, DAMAGED),
        ({"size": SIZE, "counts": [600, -5, 605]}, DAMAGED),
        ({"size": SIZE, "counts": [2**32 + BLANK]}, DAMAGED),
        ({"size": SIZE, "counts": [1.5, BLANK]}, DAMAGED),
        (
            {"size": SIZE, "counts": [BLANK - 1]},
            "annotation 12 has run lengths of 1199 pixels for an image of 1200",
        ),
        (
            {"size": SIZE, "counts": [BLANK, 1]},
            "annotation 12 has run lengths of 1201 pixels for an image of 1200",
        ),
        ({"size": SIZE, "counts": []}, "annotation 12 has run lengths of 0 pixels for an image of 1200"),
        ({"size": SIZE, "counts": ""}, "annotation 12 has run lengths of 0 pixels for an image of 1200"),
        ({"size": SIZE, "counts": "000"}, "annotation 12 has run lengths of 0 pixels for an image of 1200"),
        ({"size": SIZE, "counts": compressed(BLOB)["counts"][:-1]}, DAMAGED),
        ({"size": SIZE, "counts": "P"}, DAMAGED),  # cut short, by which the C decoder would read on and on
        ({"size": SIZE, "counts": "o" * 60}, DAMAGED),
        ({"size": SIZE, "counts": "P" * 7 + compressed(LEFT)["counts"]}, DAMAGED),
        ({"size": SIZE, "counts": compressed(STRIPES)["counts"].replace("@", "\0")}, DAMAGED),
        ({"size": SIZE, "counts": "/"}, DAMAGED),
        ({"size": SIZE, "counts": "p"}, DAMAGED),
        ({"size": SIZE, "counts": "ä"}, DAMAGED),
        ({"size": SIZE, "counts": "\0"}, DAMAGED),
    ],
)
def test_a_bad_annotation_costs_its_image_only(tmp_path: Path, segmentation: Any, message: str) -> None:
    listed = [image(1), image(2, "2.png")]
    path = write_json(tmp_path / "a.json", listed, [annotation(segmentation, 1), annotation([TRIANGLE], 2)])
    with pytest.raises(Unreadable) as refused:
        annotations.mask(path, "1")
    assert str(refused.value) == message
    assert annotations.mask(path, "2").any()
    assert annotations.load(path).kind("1") in ("box", "polygon", "mask")


@pytest.mark.parametrize(
    "box",
    [
        *(None, [], [1, 2, 3], [1, 2, 3, 4, 5], [1, 2, -3, 4], [1, 2, 3, -4], "1234", {"x": 1}),
        *([1, 2, 3, "4"], [1, 2, float("nan"), 4], [1, 2, 3, float("inf")], [0.5, 2, 10**400, 4]),
    ],
)
def test_a_bad_box(tmp_path: Path, box: Any) -> None:
    with pytest.raises(Unreadable) as refused:
        drawn(tmp_path, [], bbox=box)
    assert str(refused.value) == NO_BOX


def test_a_box_far_outside(tmp_path: Path) -> None:
    with pytest.raises(Unreadable) as refused:
        drawn(tmp_path, [], bbox=[0, 0, 3 * WIDTH, 5])
    assert str(refused.value) == FAR


@pytest.mark.parametrize(
    ("annotation_id", "name"),
    [
        ("a\nb", r"annotation 'a\nb'"),
        (None, "an annotation"),
        ([1], "an annotation"),
        (10**60, "annotation 1000"),
    ],
)
def test_an_annotation_is_named_in_one_short_line(tmp_path: Path, annotation_id: Any, name: str) -> None:
    path = write_json(tmp_path / "a.json", [image()], [annotation(0, annotation_id=annotation_id)])
    with pytest.raises(Unreadable) as refused:
        annotations.mask(path, "1")
    assert str(refused.value).startswith(name)
    assert len(str(refused.value)) < 130


@pytest.mark.parametrize(
    ("height", "width", "message"),
    [
        (None, 40, "image 1 has no height and width in whole pixels"),
        (30, "40", "image 1 has no height and width in whole pixels"),
        (30, True, "image 1 has no height and width in whole pixels"),
        (30.5, 40, "image 1 has no height and width in whole pixels"),
        (float("inf"), 40, "image 1 has no height and width in whole pixels"),
        (float("nan"), 40, "image 1 has no height and width in whole pixels"),
        (0, 40, "its header says 40x0 pixels with 1 channels"),
        (-30, -40, "its header says -40x-30 pixels with 1 channels"),
        (8193, 8192, "its header says 8192x8193 pixels, more than the 67108864 that are allowed"),
    ],
)
def test_a_bad_size(tmp_path: Path, height: Any, width: Any, message: str) -> None:
    path = write_json(tmp_path / "a.json", [image(height=height, width=width)], [annotation([TRIANGLE])])
    with pytest.raises(Unreadable) as refused:
        annotations.mask(path, "1")
    assert str(refused.value) == message


def test_a_size_in_whole_floats_is_good(tmp_path: Path) -> None:
    path = write_json(tmp_path / "a.json", [image(height=30.0, width=40.0)], [annotation([TRIANGLE])])
    assert annotations.mask(path, "1").shape == (30, 40)


def test_an_image_that_is_not_listed(tmp_path: Path) -> None:
    path = write_json(tmp_path / "a.json", [image(1)], [annotation([TRIANGLE], 2)])
    assert annotations.load(path).orphans == 1
    assert annotations.decode(path.read_bytes()) == annotations.load(path)
    with pytest.raises(Unreadable) as refused:
        annotations.mask(path, "2")
    assert str(refused.value) == "it lists no image '2'"


LISTED = '{"id": 1, "file_name": "1.png"}'
BIG = "9" * 5000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is not readable JSON (EOF while parsing a value at line 1 column 0)"),
        (
            '{"images": [], "annotations": [',
            "it is not readable JSON (EOF while parsing a list at line 1 column 31)",
        ),
        ("[" * 100_000, "it is not readable JSON (recursion limit exceeded at line 1 column 202)"),
        (
            '{"images": [], "annotations": ' + '{"a":' * 100_000,
            "it is not readable JSON (recursion limit exceeded at line 1 column 1031)",
        ),
        (
            '{"images": [LISTED], "annotations": [BIG]}',
            "it is not readable JSON (number out of range",
        ),
        ('{"images": {}, "annotations": []}', "images: Input should be a valid list"),
        ('{"images": [], "annotations": null}', "annotations: Input should be a valid list"),
        (
            '{"images": [5], "annotations": []}',
            "images.0: Input should be a valid dictionary or instance of Image",
        ),
        ('{"images": [{"id": 1}], "annotations": []}', "images.0.file_name: Field required"),
        (
            '{"images": [{"id": 1, "file_name": 5}], "annotations": []}',
            "images.0.file_name: Input should be a valid",
        ),
        (
            '{"images": [{"id": 1.5, "file_name": ""}], "annotations": []}',
            "images.0.id: it must be a whole number or text, not 1.5",
        ),
        (
            '{"images": [{"id": true, "file_name": ""}], "annotations": []}',
            "images.0.id: it must be a whole number or text, not True",
        ),
        ('{"images": [LISTED], "annotations": [{}]}', "annotations.0.image_id: Field required"),
        (
            '{"images": [LISTED], "annotations": [{"image_id": []}]}',
            "annotations.0.image_id: it must be a whole number or text, not []",
        ),
        (
            '{"images": [LISTED], "annotations": [{"image_id": true}]}',
            "annotations.0.image_id: it must be a whole number or text, not True",
        ),
        ('{"images": [LISTED, LISTED], "annotations": []}', "two images have the same id"),
        (
            '{"images": [LISTED, {"id": "1", "file_name": "2.png"}], "annotations": []}',
            "two images have the same id",
        ),
        (
            r'{"images": [{"id": "1\u0000", "file_name": "2.png"}], "annotations": []}',
            "an image has an id with control characters",
        ),
    ],
)
def test_a_file_that_is_damaged(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text.replace("LISTED", LISTED).replace("BIG", BIG))
    for read in (annotations.load, lambda path: annotations.mask(path, "1")):
        with pytest.raises(Unreadable) as refused:
            read(path)
        assert str(refused.value).startswith(message)
        assert not isinstance(refused.value, annotations.Foreign)


@pytest.mark.parametrize(
    "text", ["{}", "[]", "5", '"images annotations"', '{"images": []}', '{"shapes": [1]}']
)
def test_other_json_is_told_from_damage(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(annotations.Foreign, match=r"^it has no images and annotations$"):
        annotations.load(path)


def test_a_file_that_is_not_there_or_no_file(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"^No such file or directory$"):
        annotations.mask(tmp_path / "a.json", "1")
    with pytest.raises(Unreadable, match=r"^Is a directory$"):
        annotations.mask(tmp_path, "1")


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    with path.open("wb") as sparse:
        sparse.truncate(annotations.MAX_BYTES + 1)
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail("read"))
    with pytest.raises(Unreadable, match=r"^it is larger than the 256 MiB that are allowed$"):
        annotations.load(path)


TOO_MUCH = "image 1 has more than 1000 shapes, or outlines longer than 1048576 pixels, which is not allowed"


def test_the_number_of_shapes_is_bounded(tmp_path: Path) -> None:
    assert drawn(tmp_path, [TRIANGLE] * 999, uncompressed(BLOB)).any()
    with pytest.raises(Unreadable) as refused:
        drawn(tmp_path, [TRIANGLE] * 1000, uncompressed(BLOB))
    assert str(refused.value) == TOO_MUCH.replace("image 1", "image '1'")


def test_corners_count_as_well_as_lengths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "MAX_BOUNDARY", 20)
    box = [5, 5, 6, 5, 6, 6, 5, 6]
    assert drawn(tmp_path, [[*box, *box[:2] * 12]]).sum() == 1
    with pytest.raises(Unreadable, match="outlines longer than 20 pixels"):
        drawn(tmp_path, [[*box, *box[:2] * 13]])


LARGE = 8192
_DRAW = """
import resource, sys
from pathlib import Path
from stages.formats import annotations
gib = 2**30
resource.setrlimit(resource.RLIMIT_AS, (int(float(sys.argv[2]) * gib),) * 2)
try:
    print(annotations.mask(Path(sys.argv[1]), "1").sum())
except annotations.Unreadable as error:
    print(error)
"""


@pytest.mark.parametrize(("corners", "answer"), [(120, None), (140, TOO_MUCH), (300_000, TOO_MUCH)])
def test_the_length_of_outlines_is_bounded(tmp_path: Path, corners: int, answer: str | None) -> None:
    """A line to and fro across the largest image: pycocotools would take 80 bytes for each pixel of it, and
    crash where it does not get them.
    """
    outline = [value for n in range(corners) for value in (LARGE * (n % 2), n % LARGE)]
    path = write_json(tmp_path / "a.json", [image(height=LARGE, width=LARGE)], [annotation([outline])])
    done = subprocess.run(
        [sys.executable, "-c", _DRAW, str(path), "2.5"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    if answer is None:
        assert int(done.stdout) > 0
    else:
        assert done.stdout.strip() == answer.replace("image 1", "image '1'")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -1, 0, 1, 12, 2**31, 2**32, 2**63, 8192, 640.0, "", "P", "1", "o" * 50])
    | st.floats()
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=8) | st.dictionaries(st.sampled_from(["size", "counts", "a"]), inner)
    ),
    max_leaves=12,
)
"""Values that may stand where another was expected."""

SEED = {
    "images": [image(1), image("b", "sub/b.png")],
    "annotations": [
        annotation([TRIANGLE, RECTANGLE], 1, 1, bbox=[4, 4, 26, 20], area=260.5, iscrowd=0, category_id=1),
        annotation(uncompressed(BLOB), "b", 2, iscrowd=1),
        annotation(compressed(BLOB), "b", 3),
        annotation([], 1, 4, bbox=[1.5, 2, 3, 4]),
    ],
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value inside a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] + [place for key, one in inside for place in places(one, (*path, key))]


def replaced(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    """`value` with `new` in a place, or without that place where `new` is Ellipsis."""
    if not place:
        return new
    copy = dict(value) if isinstance(value, dict) else [*value]
    if len(place) == 1 and new is ...:
        del copy[place[0]]
    else:
        copy[place[0]] = replaced(copy[place[0]], place[1:], new)
    return copy


PLACES = places(SEED)


def judged(path: Path) -> list[str]:
    """What becomes of each image; any error but `Unreadable` is the test's to report."""
    try:
        content = annotations.load(path)
    except Unreadable as error:
        return [str(error)]
    answers = []
    for image_id in content.images:
        assert content.kind(image_id) in ("box", "polygon", "mask")
        try:
            mask = annotations.mask(path, record.reference(image_id))
            assert mask.dtype == np.uint8
            assert mask.max() <= 1
            answers.append("drawn")
        except Unreadable as error:
            answers.append(str(error))
    return answers


def test_the_seed_of_the_mutations_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(SEED))
    assert judged(tmp_path / "a.json") == ["drawn", "drawn"]


@pytest.mark.long
@given(st.lists(st.tuples(st.sampled_from(PLACES[1:]), JSON | st.just(...)), min_size=1, max_size=2))
@settings(max_examples=250, deadline=10_000)
def test_values_of_any_kind_in_any_place(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[tuple[Any, ...], Any]]
) -> None:
    content = SEED
    for place, new in changes:
        if place in places(content):
            content = replaced(content, place, new)
    path = tmp_path_factory.mktemp("values") / "a.json"
    path.write_text(json.dumps(content))
    assert all(answer == "drawn" or "\n" not in answer for answer in judged(path))


@pytest.mark.long
@given(
    st.lists(
        st.tuples(st.integers(0, 1200), st.integers(0, 4), st.binary(max_size=3)), min_size=1, max_size=6
    )
)
@settings(max_examples=250, deadline=10_000)
def test_damaged_bytes(
    tmp_path_factory: pytest.TempPathFactory, damages: list[tuple[int, int, bytes]]
) -> None:
    data = json.dumps(SEED).encode()
    for start, length, new in damages:
        start %= len(data)
        data = data[:start] + new + data[start + length :]
    path = tmp_path_factory.mktemp("bytes") / "a.json"
    path.write_bytes(data)
    judged(path)


def test_unreadable_is_a_user_error() -> None:
    assert issubclass(annotations.Foreign, Unreadable)
    assert issubclass(Unreadable, UserError)
