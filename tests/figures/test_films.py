"""Films: which slices, in which colours, and what the table says of them."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.figures import films
from stages.scan.spacing import Spacing
from stages.scoring.decision import Decision, Scored
from tests.fixtures import trainings

DECISION = Decision(
    threshold={"tumour": 0.5}, tta="none", smallest_component_ml={"tumour": 0.0}, val_dice=0.0
)


def squares(*corners: Any) -> np.ndarray:
    """16 px masks with filled squares of 6 px."""
    mask = np.zeros((16, 16), bool)
    for row, column in corners:
        mask[row : row + 6, column : column + 6] = True
    return mask


@pytest.fixture
def painted(tmp_path: Path) -> np.ndarray:
    """Of two grey slices the second with a hit, a miss and a false alarm."""
    images = np.full((2, 16, 16, 3), 100, np.uint8)
    truth = np.stack([squares(), squares((1, 1), (1, 9))])
    predicted = np.stack([squares(), squares((1, 1), (9, 9))])
    films.film(images, truth, predicted, tmp_path / "film.png")
    return cv2.cvtColor(cv2.imread(str(tmp_path / "film.png")), cv2.COLOR_BGR2RGB)


def mixed(colour: Any) -> list[int]:
    return [int(0.45 * 100 + 0.55 * part) for part in colour]


def test_a_column_a_slice_painted_above_and_plain_below(painted: np.ndarray) -> None:
    assert painted.shape == (32, 32, 3)
    assert (painted[16:] == 100).all()
    assert (painted[:16, :16] == 100).all()


@pytest.mark.parametrize(
    ("place", "colour"),
    [
        ((4, 4), mixed(films.HIT)),
        ((4, 12), mixed(films.MISS)),
        ((12, 12), mixed(films.FALSE_ALARM)),
        ((12, 4), [100, 100, 100]),  # neither
    ],
)
def test_colours(painted: np.ndarray, place: tuple[int, int], colour: list[int]) -> None:
    row, column = place
    assert painted[row, 16 + column].tolist() == colour


def test_large_slices_are_made_small_and_colours_of_sequences_grey_above(tmp_path: Path) -> None:
    images = np.zeros((1, 320, 320, 3), np.uint8)
    images[..., 0] = 90
    nothing = np.zeros((1, 320, 320), bool)
    films.film(images, nothing, nothing, tmp_path / "film.png")
    pixels = cv2.cvtColor(cv2.imread(str(tmp_path / "film.png")), cv2.COLOR_BGR2RGB)
    assert pixels.shape == (2 * films.SIDE, films.SIDE, 3)
    assert (pixels[: films.SIDE] == 30).all()
    assert (pixels[films.SIDE :] == [90, 0, 0]).all()


@settings(max_examples=100)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=60))
def test_frames_hold_the_slice_with_most_tumour_and_stay_few(sizes: list[int]) -> None:
    tumour = np.zeros((len(sizes), 3, 3), bool)
    for place, size in enumerate(sizes):
        tumour[place].flat[:size] = True
    found = films.frames(tumour)
    assert 1 <= len(found) <= films.FRAMES
    assert (np.diff(found) > 0).all()
    if any(sizes):
        assert np.argmax(sizes) in found
        some = np.flatnonzero(sizes)
        expected = np.arange(max(0, some[0] - 1), min(len(sizes), some[-1] + 2))
        assert set(found) <= set(expected)
        if len(expected) <= films.FRAMES:
            np.testing.assert_array_equal(found, expected)


def test_films_of_the_worst_cases_and_a_table_of_their_frames(tmp_path: Path) -> None:
    store = trainings.blobs(tmp_path / "store", cases=3, slices=4)
    # Of the last case only two slices, in a leaky split: the pictures must be of these.
    rows = {"case00": np.arange(4), "case01": np.arange(4, 8), "case02": np.array([9, 11])}
    predicted = []
    for case_id, members in rows.items():
        truth = (store.masks(members) > 0)[:, None]
        levels = np.zeros(truth.shape, np.uint8)
        levels[..., 0:3, 0:3] = 200
        predicted.append(Scored(case_id, case_id, levels, truth, Spacing(1.0, 1.0, 1.0), members))
    table = pd.DataFrame({"case_id": ["case02", "case00"], "region": "tumour"})
    (tmp_path / "films").mkdir()
    found = films.write(store, predicted, DECISION, "tumour", table, tmp_path / "films")
    assert sorted(path.name for path in (tmp_path / "films").iterdir()) == ["01.png", "02.png"]
    assert found["place"].tolist() == [1, 1, 2, 2, 2, 2]
    assert found["slice"].tolist() == [1, 3, 0, 1, 2, 3]
    assert found["missed"].tolist() == [
        int((store.masks(np.array([row])) > 0).sum()) for row in (9, 11, 0, 1, 2, 3)
    ]
    assert found["false_alarm"].tolist() == [9] * 6
    assert found["found"].tolist() == [0] * 6
    first = cv2.cvtColor(cv2.imread(str(tmp_path / "films/01.png")), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(first[32:, 32:], store.images(np.array([11]))[0])
