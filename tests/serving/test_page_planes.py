"""What the page draws of a volume: where, how bright, in which slice. In a browser without WebGL."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionBuilder
from selenium.webdriver.common.actions import interaction
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from stages.predicting import overlay
from tests.fixtures import graphs, scans, served, volumes
from tests.fixtures.served import Page

SHAPE = 20, 64, 48
MM = 3.0, 1.0, 1.25
TUMOUR = 14, 20, 13
"""Slice, row and column of its middle: above, in front and to the right of the head's."""
HOLE = 6, 44, 34
"""The middle of a dark place: below, behind and to the left."""
AXES = {"axial": (0, 1, 2), "coronal": (1, 0, 2), "sagittal": (2, 0, 1)}
"""Axes of (slice, row, column) through, down and across each plane."""
OPACITY = 0.35


def phantom() -> np.ndarray:
    """A head (S, H, W) uint8, not the same from any two sides."""
    place = np.indices(SHAPE).astype(float)
    middle = (np.array(SHAPE) - 1) / 2

    def ball(centre: np.ndarray | tuple[int, int, int], radii: tuple[float, int, int]) -> np.ndarray:
        return sum(((place[axis] - centre[axis]) / radii[axis]) ** 2 for axis in range(3)) < 1

    head = np.random.default_rng(0).normal(110, 8, SHAPE) * ball(middle, (9.4, 30, 22))
    head[ball(HOLE, (2.2, 6, 5))] = 30
    head[ball(TUMOUR, (2.2, 6, 5))] = 250
    return head.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, driver: webdriver.Chrome) -> Iterator[Page]:
    """The page with the phantom, from a file whose axes run the other way, and a scan of three sequences."""
    root = tmp_path_factory.mktemp("planes")
    model = graphs.export(root / "model", graphs.describe(channels=("flair",)))
    volumes.save(root / "head.nii.gz", phantom(), codes="RAS", spacing_mm=MM)
    with served.running(model) as address:
        page = Page(driver, address).open()
        page.bring(root / "head.nii.gz")
        yield page


@pytest.fixture
def head(page: Page) -> Page:
    """The phantom as it is when it was just opened, without the crosshair."""
    page.open()
    page.choose("head.nii.gz")
    page.press("x")
    return page


def spot(page: Page, plane: str, voxel: tuple[int, ...]) -> tuple[int, int]:
    """Where on the screenshot of a plane a voxel is, by what a radiologist expects: the patient's right and
    front are on the left of the screen, the head is above.
    """
    _, down, across = AXES[plane]
    x, y = voxel[across], voxel[down] if plane == "axial" else SHAPE[0] - 1 - voxel[down]
    extent = SHAPE[across], SHAPE[down], MM[across], MM[down]
    left, top = page.at(plane, (x, y), extent)
    return round(top), round(left)


def colour(page: Page, plane: str, voxel: tuple[int, ...]) -> np.ndarray:
    """Median colour around the middle of a voxel."""
    top, left = spot(page, plane, voxel)
    return np.median(page.picture(plane)[top - 2 : top + 3, left - 2 : left + 3].reshape(-1, 3), axis=0)


def test_there_is_no_webgl(page: served.Page) -> None:
    assert page.driver.execute_script("return document.createElement('canvas').getContext('webgl')") is None


@pytest.mark.parametrize("plane", AXES)
def test_scan_and_mask_are_where_they_are(head: Any, plane: str) -> None:
    head.go(plane, HOLE[AXES[plane][0]])
    dark = colour(head, plane, HOLE).max()
    for axis in AXES[plane][1:]:
        mirrored = list(HOLE)
        mirrored[axis] = SHAPE[axis] - 1 - HOLE[axis]
        assert colour(head, plane, tuple(mirrored)).max() > dark + 40
    through = AXES[plane][0]
    head.go(plane, TUMOUR[through])
    expected = (1 - OPACITY) * 255 + OPACITY * np.array(overlay.COLOURS[0])
    assert np.abs(colour(head, plane, TUMOUR) - expected).max() <= 3
    for name in AXES[plane][1:]:  # the same place on the other side of the plane
        mirrored = list(TUMOUR)
        mirrored[name] = SHAPE[name] - 1 - TUMOUR[name]
        red, green, blue = colour(head, plane, tuple(mirrored))
        assert red == green == blue
    head.press("m")
    assert np.abs(colour(head, plane, TUMOUR) - 255).max() <= 3
    assert head.canvas(plane).get_attribute("aria-label").endswith("mask: none")


LETTERS = {"axial": "ALPR", "coronal": "SLIR", "sagittal": "SPIA"}
SIDES = [
    (plane, side, letter)
    for plane, letters in LETTERS.items()
    for side, letter in zip(("top", "right", "bottom", "left"), letters, strict=True)
]


def test_letters_say_which_side_is_which(head: served.Page) -> None:
    for plane, side, letter in SIDES:
        canvas = head.canvas(plane)
        element = head.driver.find_element(By.CSS_SELECTOR, f"figure.{plane} .letter.{side}")
        assert element.text == letter
        middle = element.rect["x"] + element.rect["width"] / 2, element.rect["y"] + element.rect["height"] / 2
        box = canvas.rect
        across, down = (middle[0] - box["x"]) / box["width"], (middle[1] - box["y"]) / box["height"]
        place = {"top": down < 0.1, "bottom": down > 0.9, "left": across < 0.1, "right": across > 0.9}
        assert [name for name, is_there in place.items() if is_there] == [side]


def test_a_pixel_is_as_long_as_its_mm(head: served.Page) -> None:
    """The head in the axial plane: 61 mm from front to back and 56 mm across."""
    head.press("m")
    head.go("axial", 10)
    head.driver.execute_script("document.querySelectorAll('.picture span').forEach((text) => text.remove())")
    bright = head.picture("axial").max(axis=2) > 60
    (top, bottom), (left, right) = (np.flatnonzero(bright.any(axis=axis))[[0, -1]] for axis in (1, 0))
    assert (bottom - top) / (right - left) == pytest.approx(60 / (44 * 1.25), rel=0.06)


def test_it_opens_at_the_slice_with_most_mask(head: served.Page) -> None:
    assert [abs(head.slice(plane) - TUMOUR[axes[0]]) <= 1 for plane, axes in AXES.items()] == [True] * 3


def test_a_click_moves_the_other_planes(head: served.Page) -> None:
    top, left = spot(head, "axial", HOLE)
    head.pointer("axial", (left, top))
    assert (head.slice("coronal"), head.slice("sagittal")) == HOLE[1:]
    top, left = spot(head, "coronal", HOLE)
    head.pointer("coronal", (left, top))
    assert head.slice("axial") == HOLE[0]


def test_the_window_makes_it_darker_and_auto_takes_it_back(head: served.Page) -> None:
    head.press("m")
    before = colour(head, "axial", (14, 32, 30))
    head.driver.execute_script(
        "const level = document.getElementById('level'); level.value = level.max;"
        "level.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    head.drawn()
    assert colour(head, "axial", (14, 32, 30)).max() < before.max() - 30
    head.id("auto").click()
    head.drawn()
    assert (colour(head, "axial", (14, 32, 30)) == before).all()


def test_shift_and_drag_change_the_window(head: served.Page) -> None:
    before = head.id("level-value").text, head.id("width-value").text
    head.driver.execute_script(
        "const canvas = document.querySelector('canvas[data-plane=axial]');"
        "const box = canvas.getBoundingClientRect();"
        "for (const [kind, by] of [['pointerdown', 0], ['pointermove', 80], ['pointerup', 80]])"
        " canvas.dispatchEvent(new PointerEvent(kind, {pointerId: 7, pointerType: 'mouse', shiftKey: true,"
        " bubbles: true, clientX: box.x + 100 + by, clientY: box.y + 100 + by / 2}))"
    )
    head.drawn()
    assert float(head.id("level-value").text) < float(before[0])
    assert float(head.id("width-value").text) > float(before[1])


def test_keys_move_through_slices(head: served.Page) -> None:
    head.go("axial", 5)
    for key, index in (
        (Keys.ARROW_UP, 6),
        (Keys.ARROW_DOWN, 5),
        (Keys.PAGE_UP, 15),
        (Keys.PAGE_DOWN, 5),
        (Keys.HOME, 0),
        (Keys.ARROW_DOWN, 0),
        (Keys.END, SHAPE[0] - 1),
    ):
        head.press(key)
        assert head.slice("axial") == index
    head.press(Keys.ARROW_RIGHT)
    before = head.slice("coronal")
    head.press(Keys.ARROW_UP)
    assert (head.slice("axial"), head.slice("coronal")) == (SHAPE[0] - 1, before + 1)


def test_keys_move_from_mask_to_mask(head: served.Page) -> None:
    labelled = np.flatnonzero(head.labels("head.nii.gz").any(axis=(1, 2)))
    head.press(Keys.HOME)
    head.press("n")
    assert head.slice("axial") == labelled[0]
    head.press(Keys.END)
    head.press("p")
    assert head.slice("axial") == labelled[-1]


def test_the_slider_has_marks_where_the_mask_is(head: served.Page) -> None:
    marks = head.driver.find_element(By.CSS_SELECTOR, "figure.axial .marks")
    row = head.driver.execute_script(
        "const marks = arguments[0];"
        "const {data} = marks.getContext('2d').getImageData(0, 2, marks.width, 1);"
        "return [...data].filter((_, n) => n % 4 === 3)",
        marks,
    )
    labelled = np.flatnonzero(head.labels("head.nii.gz").any(axis=(1, 2)))
    places = np.flatnonzero(row)
    thumb = 14
    slices = (places - thumb / 2) / (len(row) - thumb) * (SHAPE[0] - 1)
    assert slices.min() == pytest.approx(labelled[0], abs=0.7)
    assert slices.max() == pytest.approx(labelled[-1], abs=0.7)


def test_the_wheel_moves_through_slices_and_zooms_with_ctrl(head: served.Page) -> None:
    head.go("axial", 5)
    wheel = (
        "document.querySelector('canvas[data-plane=axial]').dispatchEvent(new WheelEvent('wheel',"
        " {deltaY: -180, ctrlKey: arguments[0], bubbles: true, cancelable: true}))"
    )
    head.driver.execute_script(wheel, False)
    head.drawn()
    assert head.slice("axial") == 8
    before = head.picture("axial")
    head.driver.execute_script(wheel, True)
    head.drawn()
    assert head.slice("axial") == 8
    zoomed = head.picture("axial")
    assert (zoomed.max(axis=2) > 60).sum() > 1.1 * (before.max(axis=2) > 60).sum()
    head.press("0")
    assert (head.picture("axial") == before).all()


def test_zoomed_in_a_drag_moves_the_picture_and_not_the_crosshair(head: served.Page) -> None:
    for _ in range(4):
        head.press("+")
    before, slices = head.picture("axial").astype(int), head.slice("coronal")
    head.pointer("axial", (300, 300), (340, 320))
    after = head.picture("axial").astype(int)
    assert np.abs(after[120:500, 140:450] - before[100:480, 100:410]).mean() < 1
    assert head.slice("coronal") == slices


def test_outlines_leave_the_inside_free(head: served.Page) -> None:
    head.press("o")
    assert np.abs(colour(head, "axial", TUMOUR) - 255).max() <= 3
    picture = head.picture("axial").astype(int)
    assert (np.abs(picture - overlay.COLOURS[0]).max(axis=2) < 12).sum() > 20


def test_a_finger_moves_through_slices_and_two_zoom(head: served.Page) -> None:
    head.go("axial", 5)
    canvas = head.canvas("axial")
    touch = ActionBuilder(head.driver, mouse=PointerInput(interaction.POINTER_TOUCH, "finger"))
    touch.pointer_action.move_to(canvas).pointer_down().move_to(canvas, y=-40).pointer_up()
    touch.perform()
    head.drawn()
    assert head.slice("axial") == 10
    before = (head.picture("axial").max(axis=2) > 60).sum()
    box = canvas.rect
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for kind, apart in (("touchStart", 40), ("touchMove", 60), ("touchMove", 90), ("touchEnd", None)):
        points = (
            [] if apart is None else [{"x": x + by, "y": y, "id": n} for n, by in enumerate((-apart, apart))]
        )
        head.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    head.drawn()
    assert head.slice("axial") == 10
    assert (head.picture("axial").max(axis=2) > 60).sum() > 1.5 * before


def test_a_screen_reader_hears_slice_and_mask(head: served.Page) -> None:
    head.go("axial", TUMOUR[0])
    assert head.canvas("axial").get_attribute("aria-label") == "flair, axial slice 15 of 20, mask: tumour"
    head.go("axial", 0)
    assert head.canvas("axial").get_attribute("aria-label") == "flair, axial slice 1 of 20, mask: none"


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory, driver: webdriver.Chrome) -> Iterator[tuple[Page, Path]]:
    """The page of a model of three sequences and three nested regions with a case of the LGG set's layout."""
    root = tmp_path_factory.mktemp("case")
    described = graphs.describe(regions=graphs.BRATS)
    model = graphs.export(root / "model", described)
    scans.write_lgg(root / "in", patients=1)
    (folder,) = (path for path in (root / "in" / "kaggle_3m").iterdir() if path.is_dir())
    with served.running(model) as address:
        page = Page(driver, address).open()
        page.bring(folder)
        page.choose(folder.name)
        yield page, folder


def test_sequences_of_a_case_by_key_and_button(case: Any) -> None:
    page, _ = case
    buttons = page.all("#sequences button")
    assert [button.text for button in buttons] == ["pre", "flair", "post"]
    assert buttons[1].get_attribute("aria-pressed") == "true"
    page.press("m")
    pictures = []
    for key in "123":
        page.press(key)
        page.until(lambda key=key: page.canvas("axial").get_attribute("data-sequence") == str(int(key) - 1))
        pictures.append(page.picture("axial"))
    assert not any((first == second).all() for first, second in itertools.pairwise(pictures))
    buttons[0].click()
    page.until(lambda: page.canvas("axial").get_attribute("data-sequence") == "0")
    page.press("9")
    assert page.canvas("axial").get_attribute("data-sequence") == "0"
    page.press("m")


def test_a_region_that_is_off_hides_what_no_other_shows(case: Any) -> None:
    page, folder = case
    labels = page.labels(folder.name)[page.slice("axial")]
    assert set(np.unique(labels)) > {0}

    def drawn() -> set[str]:
        return set(page.canvas("axial").get_attribute("aria-label").partition("mask: ")[2].split(", "))

    names = {1: "necrosis", 2: "oedema", 3: "enhancing"}
    present = {names[label] for label in np.unique(labels) if label}
    assert drawn() == present
    region = "[data-region={}]".format
    page.driver.find_element(By.CSS_SELECTOR, region("enhancing_tumour")).click()
    page.drawn()
    assert drawn() == present  # the whole tumour has them all
    page.driver.find_element(By.CSS_SELECTOR, region("whole_tumour")).click()
    page.drawn()
    assert drawn() == (present - {"oedema"} or {"none"})
    page.driver.find_element(By.CSS_SELECTOR, region("tumour_core")).click()
    page.drawn()
    assert drawn() == {"none"}


def test_what_does_not_say_how_it_lies_has_no_letters(case: tuple[served.Page, Path]) -> None:
    page, _ = case
    assert page.id("spacing").is_displayed()
    assert not page.all(".letter")


def test_what_was_left_out_of_an_upload_is_said(case: tuple[served.Page, Path]) -> None:
    page, _ = case
    assert "5 files are masks or earlier results and were left out" in page.id("remarks").text
