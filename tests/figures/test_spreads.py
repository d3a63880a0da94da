"""How measures are spread: equal bytes for equal numbers, whatever the numbers are."""

from pathlib import Path

import numpy as np
import pytest

from stages.figures import spreads
from tests.fixtures import populations

MEASURES = {measure.name: measure for measure in populations.listed()}


@pytest.mark.parametrize(
    ("name", "patients", "scans"),
    [
        ("slice_distance_mm", [5.0] * 9, [1.0, 2.0]),
        ("slice_distance_mm", [5.0] * 9, [5.0]),
        ("skewness:pre", [-1.0, 0.0, 0.4], [0.0, 2.0]),
        ("brightness:pre", [-3.0, 10.0, 4e5], [1e-9]),
        ("matrix", [256.0] * 4, [512.0] * 200),
    ],
)
def test_any_numbers_are_drawn_the_same_each_time(
    tmp_path: Path, name: str, patients: list[float], scans: list[float]
) -> None:
    for path in (tmp_path / "a.png", tmp_path / "b.png"):
        spreads.draw(np.array(patients), np.array(scans), MEASURES[name], path)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_other_numbers_are_another_picture(tmp_path: Path) -> None:
    for path, value in ((tmp_path / "a.png", 1.0), (tmp_path / "b.png", 2.0)):
        spreads.draw(np.array([5.0, 6.0]), np.array([value]), MEASURES["slice_distance_mm"], path)
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()
