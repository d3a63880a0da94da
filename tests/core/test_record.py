"""Rows of the manifest: any file name gets into a field of a table and out of it again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core import record
from stages.core.record import Record

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1) | st.sampled_from(
    [
        ";",
        "#",
        "%",
        "%3B",
        "%253B",
        "a;b#c%d.png",
        "a%2",
        "%zz",
        " a ",
        "NA",
        "1",
        "ä/ö.png",
        "+",
        "a+b c.png",
    ]
)


def row(image: str = "", mask: str = "", name: str = "1") -> Record:
    return Record(name, name, name, 1, image, mask, 8, 8, 1, "")


@given(st.lists(NAMES | st.just(""), min_size=1, max_size=5))
def test_names_come_back_in_their_order_and_number(names: list[str]) -> None:
    assert record.names(record.reference(*names)) == names


@given(NAMES, NAMES)
def test_what_follows_the_sign_is_not_the_files_name(file: str, image_id: str) -> None:
    reference = f"{record.reference(file)}#{record.reference(image_id)}"
    assert record.names(reference) == [file]
    assert reference.count("#") == 1


@given(NAMES)
def test_a_reference_has_no_sign_with_a_meaning_but_those_meant(name: str) -> None:
    reference = record.reference(name, name)
    assert reference.count(";") == 1
    assert "#" not in reference


@pytest.mark.parametrize("plain", ["images/1.png", "a b/ä.tif", "(1), [2] & 3+4.png"])
def test_names_without_such_signs_stay_readable(plain: str) -> None:
    assert record.reference(plain) == plain


def test_the_files_of_records_without_the_missing_ones() -> None:
    records = [
        row(record.reference("a;1.nii", "", "b.nii"), "seg.nii"),
        row("c.jpg", "_annotations.json#7"),
        row("d.jpg", "_annotations.json#8"),
        row("", "only_mask.png"),
        row("only_image.png", ""),
    ]
    assert record.files(records) == {
        *("a;1.nii", "b.nii", "seg.nii", "c.jpg", "d.jpg"),
        *("_annotations.json", "only_mask.png", "only_image.png"),
    }
    assert record.files([]) == set()
