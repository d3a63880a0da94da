"""The one rule from levels to masks."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from stages.masks.rule import Rule


def rule(threshold: float = 0.5, smallest: float = 0.0) -> Rule:
    return Rule({"tumour": threshold}, "none", {"tumour": smallest})


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.1, 0.35, 0.6, 0.9]),
    st.sampled_from([0.0, 0.1, 0.3, 1.0]),
    st.sampled_from([0.004, 0.05, 0.6]),
)
def test_a_mask_has_every_large_component_above_the_threshold(
    seed: int, threshold: float, smallest: float, voxel_ml: float
) -> None:
    random = np.random.default_rng(seed)
    shades = random.integers(0, 201, (4, 9, 9), np.uint8) * random.integers(0, 2, (4, 9, 9), np.uint8)
    above = shades >= 200 * threshold
    numbered, count = ndimage.label(above, structure=np.ones((3, 3, 3)))
    sizes = ndimage.sum_labels(above, numbered, range(1, count + 1)) * voxel_ml
    large = [number for number, size in enumerate(sizes, 1) if size >= smallest - 1e-9]
    mask = rule(threshold, smallest).mask(shades, "tumour", voxel_ml)
    np.testing.assert_array_equal(mask, np.isin(numbered, large))


@pytest.mark.parametrize(
    "values",
    [
        ({"a": 1.5}, "none", {"a": 0.0}),
        ({"a": float("nan")}, "none", {"a": 0.0}),
        ({"a": 0.5}, "none", {"a": -1.0}),
        ({"a": 0.5}, "none", {"a": float("inf")}),
        ({"a": 0.5}, "none", {"b": 0.0}),
    ],
)
def test_what_no_rule_can_have(values: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match=r"threshold|component"):
        Rule(*values)


def test_masks_need_numpy_alone_until_a_component_is_dropped() -> None:
    code = """
import sys
from stages.masks import label_map, levels, rule
print(sorted({"scipy", "pandas", "torch", "pydantic"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
