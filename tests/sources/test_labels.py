"""Labels of a data set of its own kind: what names and numbers mean, and the line that the manifest holds."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.scan.task import Task, harmonise
from stages.sources import labels, sources


def meaning(said: dict[str, Any]) -> Task:
    return labels.parse(labels.text(labels.numbered(said)))


def test_classes_exclude_each_other() -> None:
    task = meaning({"background": 0, "oedema": 1, "non-enhancing tumour": 4, "enhancing": 2})
    assert task.exclusive
    assert task.classes == {1: "oedema", 2: "enhancing", 3: "non_enhancing_tumour"}
    assert task.regions == {"oedema": [1], "non_enhancing_tumour": [3], "enhancing": [2]}
    assert harmonise(np.array([[0, 1], [4, 2]]), task).tolist() == [[0, 1], [3, 2]]


def test_the_decathlon_writes_numbers_first() -> None:
    assert meaning({"0": "background", "1": "a", "2": "b"}) == meaning({"background": 0, "a": 1, "b": 2})


def test_regions_share_classes_which_are_called_as_the_smallest_of_them() -> None:
    task = meaning({"background": 0, "whole": [1, 2, 3, 4], "core": [2, 3], "enhancing": 3})
    assert not task.exclusive
    assert task.classes == {1: "whole_1", 2: "core_2", 3: "enhancing", 4: "whole_4"}
    assert task.regions == {"whole": [1, 2, 3, 4], "core": [2, 3], "enhancing": [3]}


def test_no_class_is_called_as_another_region() -> None:
    task = meaning({"a": [1, 2], "a_2": 3})
    assert task.classes == {1: "a_1", 2: "a_2_only", 3: "a_2"}


def test_one_label() -> None:
    task = meaning({"background": 0, "stroke": 1})
    assert (task.exclusive, task.noun, task.regions) == (False, "stroke", {"stroke": [1]})


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ({"background": 0}, "no label is named but the background"),
        ({}, "no label is named but the background"),
        ({"a": 300}, "label 'a' has no number from 0 to 254"),
        ({"a": "x"}, "label 'a' has no number from 0 to 254"),
        ({"a": [1, True]}, "label 'a' has no number from 0 to 254"),
        ({"a": []}, "label 'a' has no number from 0 to 254"),
        ({"a": 1, "ignore": 2}, "label 2 is 'ignore', and voxels that nobody annotated"),
        ({"brain": 0, "a": 1}, "label 0 is 'brain', and 0 alone is the background"),
        ({"background": 1}, "label 1 is 'background', and 0 alone is the background"),
        ({"a": [0, 1]}, "region 'a' holds 0, the background"),
        ({"a-b": 1, "a b": 2}, "label 'a b' has a name that is no word, or that another one has"),
        ({"?": 1}, "label '?' has a name that is no word"),
    ],
)
def test_labels_that_are_refused(said: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(what)}"):
        labels.numbered(said)


@given(
    st.dictionaries(
        st.text("abcXYZ019 _-", min_size=1, max_size=6).filter(lambda name: any(map(str.isalnum, name))),
        st.integers(1, 254) | st.lists(st.integers(1, 254), min_size=1, max_size=4),
        min_size=1,
        max_size=4,
    )
)
def test_whatever_is_accepted_comes_back_from_a_row_of_the_manifest(said: dict[str, Any]) -> None:
    try:
        numbers = labels.numbered(said)
    except ValueError:
        return
    task = sources.task(labels.text(numbers))
    held = {
        name: {number for number, place in (task.numbers or {}).items() if place in places}
        for name, places in task.regions.items()
    }
    assert held == {name: set(own) for name, own in numbers.items()}
    assert len(set(task.classes.values())) == len(task.classes)


@pytest.mark.parametrize("text", ["", "a", "a=", "a=1;", "=1", "a=x"])
def test_other_text_is_no_meaning(text: str) -> None:
    with pytest.raises(ValueError, match="is no meaning of labels"):
        labels.parse(text)
