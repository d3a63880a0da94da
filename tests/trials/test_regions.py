"""Regions of a model against labels of a set: by name, else the widest of both, and never without a word."""

import numpy as np
import pytest

from stages.core.errors import UserError
from stages.inference.spec import Output
from stages.scan.task import TUMOUR, Task
from stages.sources import brats_editions, sources
from stages.trials import regions
from stages.trials.regions import Labels


def output(task: Task, outline: str = "", noun: str = "tumour") -> Output:
    return Output(
        name="probabilities",
        shape=("batch", 8, 8, len(task.regions)),
        regions=task.regions,
        classes=task.classes,
        exclusive=task.exclusive,
        noun=noun,
        outline=outline,
    )


def labels(task: Task, outline: str = "") -> Labels:
    return Labels(task.classes, task.regions, task.noun, outline)


BRATS = brats_editions.TASK
LGG_OUTLINE, BRATS_OUTLINE = sources.outline("lgg"), sources.outline("brats")


def test_the_same_labels_need_no_word() -> None:
    matched = regions.match(output(BRATS, "x"), labels(BRATS, "x"))
    assert matched.classes == BRATS.regions
    assert (matched.places, matched.sentences) == ([0, 1, 2], ())


def test_a_tumour_is_held_against_the_widest_region_and_the_definitions_are_told() -> None:
    matched = regions.match(output(TUMOUR, LGG_OUTLINE), labels(BRATS, BRATS_OUTLINE))
    assert (matched.classes, matched.places) == ({"tumour": [1, 2, 3]}, [0])
    assert "tumour of the model is held against whole_tumour of the set" in matched.sentences[0]
    assert LGG_OUTLINE in matched.sentences[1]
    assert BRATS_OUTLINE in matched.sentences[1]


def test_a_cavity_is_no_tumour() -> None:
    """The widest region of 2024 leaves it out."""
    matched = regions.match(output(TUMOUR), labels(brats_editions.TASK_2024))
    assert matched.classes == {"tumour": [1, 2, 3]}


def test_the_other_way_round() -> None:
    matched = regions.match(output(BRATS), labels(TUMOUR))
    assert (matched.classes, matched.places) == ({"whole_tumour": [1]}, [0])


def test_a_name_that_means_other_classes_is_told() -> None:
    matched = regions.match(output(BRATS), labels(brats_editions.TASK_PED))
    assert matched.places == [0, 1, 2]
    assert any(
        sentence.startswith("tumour_core is enhancing, necrosis to the model")
        for sentence in matched.sentences
    )


def test_a_region_that_the_set_lacks_is_told() -> None:
    matched = regions.match(output(brats_editions.TASK_2024), labels(BRATS))
    assert matched.places == [0, 1, 2]
    assert "resection_cavity cannot be scored: the set has no such region" in matched.sentences


def test_parts_of_no_whole_are_held_against_all_that_is_labelled() -> None:
    parts = Task("parts", {1: "oedema", 2: "core"}, {"oedema": [1], "core": [2]}, {1: 1, 2: 2})
    assert regions.match(output(TUMOUR), labels(parts)).classes == {"tumour": [1, 2]}
    with pytest.raises(UserError, match="outlines oedema, core, the labels tumour: none is the other"):
        regions.match(output(parts), labels(TUMOUR))


def test_a_lesion_is_no_tumour() -> None:
    with pytest.raises(UserError, match="outlines a lesion, the labels a tumour"):
        regions.match(output(TUMOUR, noun="lesion"), labels(TUMOUR))


def test_exclusive_regions_exclude_each_other_before_some_are_picked() -> None:
    parts = Task("parts", {1: "a", 2: "b"}, {"a": [1], "b": [2]}, {1: 1, 2: 2}, exclusive=True)
    only = Task("only", {1: "b"}, {"b": [1]}, {1: 1})
    matched = regions.match(output(parts), labels(only))
    answer = np.array([[[[0.9, 0.2]], [[0.6, 0.7]]]], np.float32)
    assert matched.probabilities(answer).tolist() == np.array([[[[0.0, 0.7]]]], np.float32).tolist()
