"""Which annotations of a COCO set are tumours: by the names of their categories, or by the user's."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.core.errors import UserError
from stages.formats.reader import Reader
from stages.scan.header import Unreadable
from stages.sources import coco
from stages.sources.source import Holding
from tests.fixtures.coco import HEIGHT, NAME, WIDTH, annotation, image, write_json, write_set


def box(number: int) -> list[int]:
    """The corners of a box of 10 x `number` pixels."""
    return [5, 5, 15, 5, 15, 5 + number, 5, 5 + number]


def listed(*of: int | None, **other: Any) -> tuple[list[Any], list[Any]]:
    """Images 1, 2, ... with an annotation each, of these category_ids; None: an image without annotations."""
    pictures = [image(n, f"{n}.png") for n in range(1, len(of) + 1)]
    return pictures, [
        annotation([box(n)], n, n, category_id=category, **other)
        for n, category in enumerate(of, 1)
        if category is not None
    ]


def pixels(root: Path, holding: Holding) -> list[int]:
    reader = Reader(root)
    return [int(reader.mask(record.mask, 1).sum()) for record in holding.records]


def found(root: Path, categories: list[Any], *of: int | None, names: list[Any] | None = None) -> Holding:
    write_set(root, *listed(*of), categories=categories)
    return coco.find(root, names)


def refusal(root: Path, categories: list[Any], *of: int | None, names: list[Any] | None = None) -> str:
    with pytest.raises(UserError) as refused:
        found(root, categories, *of, names=names)
    return str(refused.value)


@pytest.mark.parametrize("name", ["no_tumor", "Negative", "normal", "healthy", "notumor", "non-tumor", "No"])
def test_a_negative_is_annotated_and_free_of_tumour(tmp_path: Path, name: str) -> None:
    holding = found(tmp_path, ["tumor", name], 1, 2, None, 2)
    assert pixels(tmp_path, holding) == [10, 0, 0, 0]
    assert holding.unannotated == {"3"}
    assert holding.notes == (
        f"images without tumour, as the categories {name} (2) of their annotations say: 2",
    )
    assert [record.mask for record in holding.records] == [f"{NAME}#{n}" for n in (1, 2, 3, 4)]


def test_what_a_negative_outlines_does_not_matter(tmp_path: Path) -> None:
    pictures, some = listed(1, 2)
    some[1] |= {"segmentation": [], "bbox": [0, 0, 0, 0]}
    write_set(tmp_path, pictures, some, categories=["tumor", "no_tumor"])
    holding = coco.find(tmp_path)
    assert pixels(tmp_path, holding) == [10, 0]
    assert holding.unannotated == set()


def test_a_contradiction_costs_its_image_only(tmp_path: Path) -> None:
    pictures, some = listed(1, 2, 1)
    both = annotation([box(9)], 3, 44, category_id=2)
    write_set(tmp_path, pictures, [*some, both], categories=["glioma", "no tumor"])
    holding = coco.find(tmp_path)
    assert holding.unannotated == set()
    reader = Reader(tmp_path)
    assert [reader.mask(record.mask, 1).sum() for record in holding.records[:2]] == [10, 0]
    with pytest.raises(Unreadable) as refused:
        reader.mask(holding.records[2].mask, 1)
    assert str(refused.value) == (
        "annotation 44 is of category no tumor and annotation 3 of category glioma; remove one of the two, "
        "or name the categories that are tumour in ingest.categories"
    )
    assert pixels(tmp_path, coco.find(tmp_path, ["glioma"])) == [10, 0, 30]


def test_outlines_of_the_head_draw_nothing_and_say_nothing(tmp_path: Path) -> None:
    pictures, some = listed(1, 2, 2)
    write_set(
        tmp_path,
        pictures,
        [*some, annotation([box(20)], 1, 9, category_id=2)],
        categories=["tumor", "Brain"],
    )
    holding = coco.find(tmp_path)
    assert pixels(tmp_path, holding) == [10, 0, 0]
    assert holding.unannotated == {"2", "3"}
    assert holding.notes == ("annotations of something else than tumours, ignored: Brain (3)",)


def test_only_outlines_of_the_head(tmp_path: Path) -> None:
    told = refusal(tmp_path, ["brain", "tumor"], 1, None)
    assert told == (
        "annotations are of brain (1) only, by their names no tumours; if they are, name them in "
        "ingest.categories"
    )
    assert pixels(tmp_path, coco.find(tmp_path, ["Brain"])) == [10, 0]


def test_negatives_only(tmp_path: Path) -> None:
    assert pixels(tmp_path, found(tmp_path, ["normal"], 1, 1)) == [0, 0]


@pytest.mark.parametrize("name", ["object", "0", "glioma", "necrosis", "脳腫瘍", "a;b#c%d"])
@pytest.mark.parametrize("more", [[], [{"id": 0, "name": "brain-tumor", "supercategory": "none"}]])
def test_the_only_category_that_is_used_is_tumour_whatever_its_name(
    tmp_path: Path, name: str, more: list[Any]
) -> None:
    holding = found(tmp_path, [name, "pituitary", *more], 1, 1)
    assert (pixels(tmp_path, holding), holding.notes) == ([10, 20], ())
    assert [record.mask for record in holding.records] == [f"{NAME}#1", f"{NAME}#2"]
    assert coco.find(tmp_path, [name]).records[0].mask.startswith(f"{NAME}#1#")
    assert pixels(tmp_path, coco.find(tmp_path, [name])) == [10, 20]


@pytest.mark.parametrize(
    "categories",
    [[], None, "missing"],
)
def test_without_categories_all_is_tumour(tmp_path: Path, categories: Any) -> None:
    path = write_set(tmp_path, *listed(1, None, 7))
    content = json.loads(path.read_text())
    del content["categories"]
    if categories != "missing":
        content["categories"] = categories
    path.write_text(json.dumps(content))
    holding = coco.find(tmp_path)
    assert pixels(tmp_path, holding) == [10, 0, 30]
    assert holding.notes == (
        f"{NAME} does not name the 2 categories of its annotations, all are taken as tumour",
    )


SEVERAL = (
    "annotations are of more than one category, {}; name in ingest.categories those that are tumour, images "
    "with others only then have none"
)


@pytest.mark.parametrize(
    ("categories", "counts"),
    [
        (["glioma", "meningioma", "pituitary", "metastasis"], "glioma (2), meningioma (1), pituitary (1)"),
        (["label0", "label1", "label2"], "label0 (2), label1 (1), label2 (1)"),
        (["0", "1", "no_tumor"], "0 (2), 1 (1)"),
        (
            [{"id": 1, "name": "0"}, {"id": 2, "name": "1", "supercategory": "tumor"}, "negative"],
            "0 (2), 1 (1)",
        ),
        (
            [{"id": n, "name": n - 1, "supercategory": "brain-tumor"} for n in (1, 2, 3)],
            "0 (2), 1 (1), 2 (1)",
        ),
        (["tumor", "unknown", "brain"], "tumor (2), unknown (1)"),
    ],
)
def test_several_are_asked_about(tmp_path: Path, categories: list[Any], counts: str) -> None:
    for n, category in enumerate(categories, 1):
        if isinstance(category, dict):
            category["id"] = n
    assert refusal(tmp_path, categories, 1, 2, 3, 1, None) == SEVERAL.format(counts)


def test_a_long_list_is_cut(tmp_path: Path) -> None:
    told = refusal(tmp_path, [f"kind {n}" * 20 for n in range(50)], *range(1, 51))
    assert "and 30 more" in told
    assert len(told) < 1200


def test_files_of_one_set_are_asked_together(tmp_path: Path) -> None:
    """What is 1 in one file is 2 in another; names are the same, however they are written."""
    write_set(tmp_path / "train", *listed(1, 2), categories=["brain_tumor", "No tumor"])
    write_set(tmp_path / "valid", *listed(1, 2), categories=["no-tumor", "Brain Tumor"])
    assert pixels(tmp_path, coco.find(tmp_path)) == [10, 0, 0, 20]
    write_set(tmp_path / "valid", *listed(1, 2), categories=["no-tumor", "glioma"])
    with pytest.raises(UserError) as refused:
        coco.find(tmp_path)
    assert str(refused.value) == SEVERAL.format("brain_tumor (1), glioma (1)")


def test_numbers_that_the_file_calls_tumours_go_on_with_a_word(tmp_path: Path) -> None:
    kinds: list[Any] = [{"id": n, "name": str(n - 1), "supercategory": "Tumor"} for n in (1, 2)]
    holding = found(tmp_path, [*kinds, {"id": 0, "name": "Tumor", "supercategory": "none"}], 1, 2)
    assert pixels(tmp_path, holding) == [10, 20]
    assert holding.notes == (
        "annotations of 0 (1), 1 (1) are all taken as tumour, as their supercategory says; if only some are, "
        "name them in ingest.categories",
    )
    assert pixels(tmp_path, coco.find(tmp_path, [1])) == [0, 20]
    assert pixels(tmp_path, coco.find(tmp_path, ["0", 1])) == [10, 20]


def test_categories_that_the_user_names(tmp_path: Path) -> None:
    holding = found(tmp_path, ["Glioma", "no_tumor", "brain", "oedema"], 1, 2, 3, 4, None, names=["GLI-oma"])
    assert pixels(tmp_path, holding) == [10, 0, 0, 0, 0]
    assert holding.unannotated == {"5"}
    assert {record.mask.split("#", 2)[2] for record in holding.records} == {"glioma"}
    assert holding.notes == (
        "images without tumour, as the categories brain (1), no_tumor (1), oedema (1) of their annotations "
        "say: 3",
    )
    both = coco.find(tmp_path, ["oedema", "glioma"])
    assert pixels(tmp_path, both) == [10, 0, 0, 40, 0]
    assert both.records[0].mask == f"{NAME}#1#glioma#oedema"
    assert pixels(tmp_path, coco.find(tmp_path, ["no tumor", "brain"])) == [0, 20, 30, 0, 0]


def test_the_kind_of_a_label_is_that_of_what_is_drawn(tmp_path: Path) -> None:
    pictures, some = listed(1, 2)
    some[0]["segmentation"] = [[5, 5, 20, 5, 9, 15]]
    some.append(annotation([box(3)], 1, 3, category_id=2))
    write_set(tmp_path, pictures, some, categories=["tumor", "oedema"])
    assert coco.find(tmp_path, ["tumor"]).records[0].label_kind == "polygon"
    assert [record.label_kind for record in coco.find(tmp_path, ["oedema"]).records] == ["box", "box"]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (
            ["glioma", "pituitary"],
            "ingest.categories names 'pituitary', which no annotation file lists; there are glioma (1), "
            "metastasis (0), negative (1)",
        ),
        (
            ["metastasis"],
            "no annotation is of ingest.categories ['metastasis']; there are glioma (1), metastasis (0), "
            "negative (1)",
        ),
        (
            [],
            "no annotation is of ingest.categories []; there are glioma (1), metastasis (0), negative (1)",
        ),
        ([7], "ingest.categories names '7', which no annotation file lists; there are glioma (1), "),
    ],
)
def test_names_that_are_none_of_the_sets(tmp_path: Path, names: list[Any], told: str) -> None:
    assert refusal(tmp_path, ["glioma", "negative", "metastasis"], 1, 2, names=names).startswith(told)


@pytest.mark.parametrize("names", [None, ["tumor"]])
def test_a_file_without_categories_beside_one_that_needs_them(
    tmp_path: Path, names: list[str] | None
) -> None:
    write_set(tmp_path / "train", *listed(1, 2), categories=["tumor", "no_tumor"])
    write_set(tmp_path / "valid", *listed(1, None))
    with pytest.raises(UserError) as refused:
        coco.find(tmp_path, names)
    assert str(refused.value) == (
        f"valid/{NAME} lists no categories, so that its annotations of tumours cannot be told from others; "
        "add the categories there"
    )
    write_set(tmp_path / "train", *listed(1, 1), categories=["tumor", "no_tumor"])
    if names is None:
        assert pixels(tmp_path, coco.find(tmp_path)) == [10, 20, 10, 0]


@pytest.mark.parametrize("names", [None, ["tumor"]])
@pytest.mark.parametrize(
    ("category_id", "told"),
    [
        (7, "annotation 1 has category_id 7, which is not among the file's categories; correct it there"),
        (None, "annotation 1 has no category_id among the file's categories; correct it there"),
    ],
)
def test_an_unlisted_category_costs_its_image(
    tmp_path: Path, category_id: int | None, told: str, names: list[str] | None
) -> None:
    pictures, some = listed(1, 1)
    some[0]["category_id"] = category_id
    write_set(tmp_path, pictures, some, categories=["tumor", "no_tumor"])
    holding = coco.find(tmp_path, names)
    assert holding.unannotated == set()
    reader = Reader(tmp_path)
    with pytest.raises(Unreadable) as refused:
        reader.mask(holding.records[0].mask, 1)
    assert str(refused.value) == told
    assert reader.mask(holding.records[1].mask, 1).sum() == 20


def test_annotations_without_category_are_of_the_only_one(tmp_path: Path) -> None:
    write_set(tmp_path, [image()], [annotation([box(3)])], categories=["tumor"])
    assert pixels(tmp_path, coco.find(tmp_path)) == [30]
    write_set(tmp_path, [image()], [annotation([box(3)])], categories=["no_tumor"])
    assert pixels(tmp_path, coco.find(tmp_path)) == [0]


def test_ids_of_categories_are_compared_as_those_of_images_are(tmp_path: Path) -> None:
    kinds = [{"id": "1", "name": "tumor"}, {"id": 2.0, "name": "negative"}, {"id": "x", "name": "head"}]
    pictures, some = listed(1, 2, 1)
    for entry, category_id in zip(some, (1.0, "2", "x"), strict=True):
        entry["category_id"] = category_id
    write_set(tmp_path, pictures, some, categories=kinds)
    assert pixels(tmp_path, coco.find(tmp_path)) == [10, 0, 0]


@pytest.mark.parametrize(
    ("categories", "told"),
    [
        ({"1": "tumor"}, "categories: Input should be a valid list"),
        (["x", 5], "categories.1: Input should be a valid dictionary or instance of Category"),
        ([{"id": 1}], "categories.0.name: Field required"),
        ([{"name": "tumor"}], "categories.0.id: Field required"),
        ([{"id": 1, "name": None}], "categories.0.name: it must be a whole number or text, not None"),
        ([{"id": 1, "name": ["a"]}], "categories.0.name: it must be a whole number or text, not ['a']"),
        ([{"id": 1, "name": True}], "categories.0.name: it must be a whole number or text, not True"),
        ([{"id": True, "name": "a"}], "categories.0.id: it must be a whole number or text, not True"),
        ([{"id": 1.5, "name": "a"}], "categories.0.id: it must be a whole number or text, not 1.5"),
        (
            [{"id": 1, "name": "tumor"}, {"id": 1.0, "name": "no tumor"}],
            "the categories tumor and no tumor have the same id 1",
        ),
        ([{"id": 1, "name": "tumor\0"}], "a category has a name with control characters"),
    ],
)
def test_damaged_categories_are_refused_by_name(tmp_path: Path, categories: Any, told: str) -> None:
    path = write_set(tmp_path, *listed(1, 1))
    if isinstance(categories, list):
        write_json(path, *listed(1, 1), categories=categories)
    else:
        path.write_text(json.dumps(json.loads(path.read_text()) | {"categories": categories}))
    with pytest.raises(UserError) as refused:
        coco.find(tmp_path)
    assert str(refused.value) == f"{NAME} is no COCO file: {told}; export it again or remove it"


def test_a_category_that_is_listed_twice_is_one(tmp_path: Path) -> None:
    kinds = [{"id": 1, "name": "tumor"}, {"id": 1, "name": "Tumor"}, {"id": 4, "name": "tumor "}]
    assert pixels(tmp_path, found(tmp_path, kinds, 1, 4)) == [10, 20]


def test_orphans_are_of_no_category(tmp_path: Path) -> None:
    pictures, some = listed(1, 1, 2)
    write_set(tmp_path, pictures[:2], some, categories=["glioma", "meningioma"])
    holding = coco.find(tmp_path)
    assert pixels(tmp_path, holding) == [10, 20]
    assert holding.notes == (f"annotations in {NAME} that belong to no image in it, ignored: 1",)


@pytest.mark.parametrize("iscrowd", [0, 1, None])
def test_crowds_are_as_any(tmp_path: Path, iscrowd: int | None) -> None:
    pictures, some = listed(1, 2, iscrowd=iscrowd)
    runs = {"size": [HEIGHT, WIDTH], "counts": [100, 50, WIDTH * HEIGHT - 150]}
    some.append(annotation(runs, 1, 9, category_id=2, iscrowd=iscrowd))
    write_set(tmp_path, pictures, some, categories=["oedema", "tumor"])
    masks = [Reader(tmp_path).mask(record.mask, 1) for record in coco.find(tmp_path, ["tumor"]).records]
    assert [mask.sum() for mask in masks] == [50, 20]
    assert np.flatnonzero(masks[0].T.ravel()).tolist() == [*range(100, 150)]
