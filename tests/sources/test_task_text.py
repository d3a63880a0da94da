"""The text of a whole task: nothing of it is lost, and no other text is one."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.scan.task import TUMOUR, Task
from stages.sources import sources, task_text
from stages.sources.nifti import LESION

WORD = st.text("abcXYZ_019", min_size=1, max_size=8)


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    names = draw(st.lists(WORD, min_size=1, max_size=12))
    numbers = list(range(1, len(names) + 1))
    regions = {f"r{number}": [number] for number in numbers}
    exclusive = draw(st.booleans())
    if not exclusive:
        regions["all"] = draw(st.permutations(numbers))
    files = {draw(st.integers(0, 20)) * 12 + number: number for number in numbers}
    return Task("of a set", dict(zip(numbers, names, strict=True)), regions, files, exclusive, draw(WORD))


@given(task=tasks())
def test_what_is_read_is_alike_and_the_numbers_of_its_files_are_those_of_its_classes(task: Task) -> None:
    again = sources.task(task_text.text(task))
    assert again.alike(task)
    assert list(again.regions) == list(task.regions)  # the order of a network's channels
    assert again.numbers == {number: number for number in task.classes}
    assert sources.task(again.name) == again
    assert task_text.differences(task, again) == ""


def test_every_task_of_every_source_has_a_text() -> None:
    for task in sources.TASKS.values():
        assert sources.task(task_text.text(task)).alike(task)
    of_user = sources.task("edema=2;core=1,3")
    assert sources.task(task_text.text(of_user)).alike(of_user)
    assert not sources.task(task_text.text(of_user)).alike(TUMOUR)


SOUND = task_text.content(TUMOUR)


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"classes": None}, "it lacks classes"),
        ({"noun": None}, "it lacks noun"),
        ({"exclusive": 0}, "exclusive is neither true nor false"),
        ({"classes": {}}, "classes must have a name for each number, of 1 to 254"),
        ({"classes": ["tumour"]}, "classes must have a name for each number, of 1 to 254"),
        ({"classes": {"0": "tumour"}}, "classes are numbered from 1 on"),
        ({"classes": {"one": "tumour"}}, "classes are numbered from 1 on"),
        ({"classes": {"\u0661": "tumour"}}, "classes are numbered from 1 on"),
        ({"classes": {"2": "tumour"}}, "classes are numbered from 1 on, not [2]"),
        ({"classes": {"1": "tu\0mour"}}, "'tu\\x00mour' is no name of letters, digits and underscores"),
        ({"classes": {"1": ""}}, "'' is no name of letters, digits and underscores"),
        ({"classes": {"1": 1}}, "1 is no name of letters, digits and underscores"),
        ({"regions": {"a;b": [1]}}, "'a;b' is no name of letters, digits and underscores"),
        ({"regions": {"tumour": 1}}, "regions must have a list of numbers of classes each"),
        ({"regions": {"tumour": [True]}}, "regions must have a list of numbers of classes each"),
        ({"regions": {}}, "regions must have a list of numbers of classes each"),
        ({"regions": {"tumour": [2]}}, "regions must be made of classes [1], all of them"),
        ({"regions": {"tumour": []}}, "regions must be made of classes [1], all of them"),
        (
            {"regions": {"a": [1], "b": [1]}, "exclusive": True},
            "exclusive regions must not share a class",
        ),
        ({"noun": "<b>"}, "'<b>' is no name of letters, digits and underscores"),
    ],
)
def test_what_is_no_task(changes: dict[str, object], wrong: str) -> None:
    said = {key: value for key, value in (SOUND | changes).items() if value is not None}
    with pytest.raises(ValueError, match=f"^{re.escape(wrong)}$"):
        task_text.parse(json.dumps(said))


@pytest.mark.parametrize("text", ["", "{", "[]", "1", "{}", '{"classes":NaN}'])
def test_other_texts(text: str) -> None:
    with pytest.raises(ValueError, match=r"it |JSON|expected|EOF"):
        task_text.parse(text)


def test_differences_are_named_one_by_one() -> None:
    assert task_text.differences(TUMOUR, LESION) == (
        "class 1 is tumour and lesion; region tumour is made of 1 and not there; "
        "region lesion is not there and made of 1; a labelled pixel shows tumour and lesion"
    )
