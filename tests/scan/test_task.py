"""Label numbers of any source and year become one set of classes, or the file is refused."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from stages.scan import task
from stages.scan.header import Unreadable
from stages.scan.task import TUMOUR, Task
from stages.sources.brats_editions import TASK as BRATS
from stages.sources.brats_editions import TASK_2015 as BRATS_2015
from tests.fixtures import strict

pytestmark = strict.WARNINGS
NOT_BINARY = "the mask holds other values than 0 and one label (1, or 255, or 65535 in 16 bits)"
NOT_WHOLE = "the mask holds values that are no whole numbers"
DTYPES = [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.float32, np.float64]


def unknown(label: str) -> str:
    return f"the mask holds label {label}, known are 0, 1, 2, 3, 4"


def refusal(mask: np.ndarray, label_set: Task) -> str:
    with pytest.raises(Unreadable) as refused:
        task.harmonise(mask, label_set)
    return str(refused.value)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("label_set", "classes"),
    [(BRATS, {0: 0, 1: 1, 2: 2, 3: 3, 4: 3}), (BRATS_2015, {0: 0, 1: 1, 2: 2, 3: 1, 4: 3})],
)
def test_numbers_of_each_year(dtype: type, label_set: Task, classes: dict[int, int]) -> None:
    harmonised = task.harmonise(np.array([list(classes)] * 2, dtype), label_set)
    assert harmonised.dtype == np.uint8
    assert harmonised.tolist() == [list(classes.values())] * 2


@given(
    st.sampled_from([BRATS, BRATS_2015, TUMOUR]),
    st.sampled_from([np.int8, np.uint16, np.int32, np.float32]).flatmap(
        lambda dtype: arrays.arrays(
            dtype,
            arrays.array_shapes(max_dims=3, max_side=4),
            elements=st.one_of(st.integers(0, 4), arrays.from_dtype(np.dtype(dtype))),
            fill=st.just(0),
        )
    ),
)
def test_every_voxel_is_looked_up(label_set: Task, mask: np.ndarray) -> None:
    """Against one voxel after the other, in Python's own numbers."""
    with np.errstate(invalid="ignore"):
        assume(
            not np.isclose(np.abs(mask - np.rint(mask)), 0.01, rtol=1e-4).any()
        )  # the limit, but for rounding
    try:
        harmonised = task.harmonise(mask, label_set).ravel().tolist()
    except Unreadable:
        harmonised = None
    assert harmonised == naive(mask, label_set)


def naive(mask: np.ndarray, label_set: Task) -> list[int] | None:
    values = mask.ravel().tolist()
    if label_set.numbers is None:
        numbers = set(values) - {0}
        return [int(value != 0) for value in values] if numbers in ({1}, {255}, {65535}, set()) else None
    known = {0: 0, **label_set.numbers}
    found: list[Any] = [
        next((known[label] for label in known if abs(value - label) < 0.01), None) for value in values
    ]
    return None if None in found else found


@given(
    numbers=st.lists(st.integers(0, 4), min_size=1, max_size=20),
    error=st.floats(-0.0099, 0.0099),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_resampled_labels_are_rounded(numbers: list[int], error: float, dtype: type) -> None:
    exact = np.array(numbers)
    rounded = task.harmonise((exact + error).astype(dtype), BRATS)
    np.testing.assert_array_equal(rounded, task.harmonise(exact, BRATS))


@pytest.mark.parametrize(
    ("values", "dtype", "reason"),
    [
        ([0, 1, 5], np.uint8, unknown("5")),
        ([0, 255], np.uint8, unknown("255")),
        ([0, 256], np.uint16, unknown("256")),  # a cast to 8 bits would make it 0
        ([0, 257], np.int64, unknown("257")),
        ([4, -1], np.int16, unknown("-1")),
        ([5, -1], np.int16, unknown("-1")),
        ([2**32 - 1], np.uint32, unknown("4294967295")),
        ([1e30], np.float32, unknown("1.000000015e+30")),
        ([-2.0], np.float64, unknown("-2")),
        ([1.98], np.float32, NOT_WHOLE),
        ([0.5], np.float64, NOT_WHOLE),
        ([1.0, np.nan], np.float32, NOT_WHOLE),
        ([np.inf], np.float32, NOT_WHOLE),
        ([-np.inf], np.float64, NOT_WHOLE),
    ],
)
def test_numbers_that_no_year_has(values: list[float], dtype: type, reason: str) -> None:
    assert refusal(np.array(values, dtype), BRATS) == reason


def test_a_gap_among_the_labels_is_no_class() -> None:
    gap = Task("gap", {1: "a"}, {"a": [1]}, {1: 1, 4: 1})
    assert task.harmonise(np.array([0, 1, 4]), gap).tolist() == [0, 1, 1]
    assert refusal(np.array([0, 3, 2]), gap) == "the mask holds label 3, known are 0, 1, 4"


@pytest.mark.parametrize(
    ("highest", "dtype"),
    [(1, np.bool_), (1, np.uint8), (255, np.uint8), (255, np.int16), (65535, np.uint16), (1, np.float32)],
)
def test_a_binary_mask_however_it_was_saved(highest: int, dtype: type) -> None:
    for values in ([0, 1, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0]):
        harmonised = task.harmonise(np.array(values).astype(dtype) * np.array(highest, dtype), TUMOUR)
        assert harmonised.dtype == np.uint8
        assert harmonised.tolist() == values


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([0, 1, 255], np.uint8),
        ([0, 1, 2], np.uint8),
        ([0, 128], np.uint8),  # half a tumour
        ([0, -1], np.int8),
        ([1, -1], np.int8),
        ([0, np.nan], np.float32),
        ([np.nan, np.nan], np.float32),
        ([0, np.inf], np.float32),
        ([0, -np.inf], np.float32),
        ([1, 0.999], np.float32),
        ([0, 0.5], np.float64),
    ],
)
def test_a_mask_that_is_not_binary(values: list[float], dtype: type) -> None:
    assert refusal(np.array(values, dtype), TUMOUR) == NOT_BINARY


@pytest.mark.parametrize("label_set", [BRATS, TUMOUR])
def test_an_empty_array(label_set: Task) -> None:
    assert task.harmonise(np.zeros((0, 4), np.float32), label_set).shape == (0, 4)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"classes": {2: "a", 1: "b", 4: "c"}}, "x: classes are numbered from 1 on, not [1, 2, 4]"),
        ({"classes": {0: "background", 1: "a"}}, "x: classes are numbered from 1 on, not [0, 1]"),
        ({"regions": {"all": [1, 2, 3]}}, "x: regions must be made of classes [1, 2], all of them"),
        ({"regions": {"a": [1]}}, "x: regions must be made of classes [1, 2], all of them"),
        (
            {"regions": {"all": [1, 2], "none": []}},
            "x: regions must be made of classes [1, 2], all of them",
        ),
        (
            {"regions": {"all": [1, 2], "b": [2]}, "exclusive": True},
            "x: exclusive regions must not share a class",
        ),
        ({"numbers": {1: 1, 2: 3}}, "x: numbers must stand for all of [1, 2]"),
        ({"numbers": {1: 1}}, "x: numbers must stand for all of [1, 2]"),
        ({"numbers": {0: 1, 2: 2}}, "x: numbers in a mask are from 1 to 254"),
        ({"numbers": {1: 1, 255: 2}}, "x: numbers in a mask are from 1 to 254"),
    ],
)
def test_a_task_that_contradicts_itself(fields: dict[str, Any], reason: str) -> None:
    sound: dict[str, Any] = {"classes": {1: "a", 2: "b"}, "regions": {"a": [1], "b": [2]}}
    Task("x", **sound)
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}$"):
        Task("x", **(sound | fields))
