"""Masks corrected on the page: what the server is sent is what was drawn, where it was drawn."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.fixtures import graphs, served, volumes
from tests.fixtures.served import Page

SHAPE = 20, 64, 48
MM = 3.0, 1.0, 1.25
AXES = {"axial": (0, 1, 2), "coronal": (1, 0, 2), "sagittal": (2, 0, 1)}
"""Axes of (slice, row, column) through, down and across each plane."""
FREE = 5, 46, 30
"""A voxel without mask: below, behind and to the left of the head's middle."""
LESIONS = (14, 20, 13), (6, 24, 32)


def phantom() -> np.ndarray:
    """A head (S, H, W) uint8 with two lesions that do not touch."""
    place = np.indices(SHAPE).astype(float)

    def ball(centre: tuple[Any, ...], radii: tuple[float, int, int]) -> np.ndarray:
        return sum(((place[axis] - centre[axis]) / radii[axis]) ** 2 for axis in range(3)) < 1

    head = np.random.default_rng(0).normal(110, 8, SHAPE) * ball((9.5, 31.5, 23.5), (9.4, 30, 22))
    for lesion in LESIONS:
        head[ball(lesion, (2.2, 6, 5))] = 250
    return head.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def corrections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corrections")


@pytest.fixture(scope="module")
def page(
    tmp_path_factory: pytest.TempPathFactory, corrections: Path, driver: webdriver.Chrome
) -> Iterator[Page]:
    root = tmp_path_factory.mktemp("page")
    model = graphs.export(root / "model", graphs.describe(channels=("flair",)))
    with served.running(model, "--corrections", str(corrections)) as address:
        yield Page(driver, address)


@pytest.fixture
def head(page: Page, tmp_path: Path) -> Iterator[Page]:
    """The phantom, sent anew for each test and open."""
    page.open()
    volumes.save(tmp_path / "head.nii.gz", phantom(), spacing_mm=MM)
    page.bring(tmp_path / "head.nii.gz")
    page.choose("head.nii.gz")
    yield page
    page.driver.execute_async_script(
        "const done = arguments[0]; fetch('api/scans').then((answer) => answer.json()).then((scans) =>"
        " Promise.all(scans.map(({id}) => fetch(`api/scans/${id}`, {method: 'DELETE'})))).then(done)"
    )


def place(page: Page, plane: str, voxel: tuple[int, ...]) -> tuple[float, float]:
    """Where on the canvas of a plane a voxel is."""
    _, down, across = AXES[plane]
    y = voxel[down] if plane == "axial" else SHAPE[0] - 1 - voxel[down]
    return page.at(plane, (voxel[across], y), (SHAPE[across], SHAPE[down], MM[across], MM[down]))


def size(page: Page, pixels: int) -> None:
    page.driver.execute_script(
        "const size = document.getElementById('size'); size.value = arguments[0];"
        "size.dispatchEvent(new Event('input', {bubbles: true}))",
        pixels,
    )


def draw(page: Page, tool: str, plane: str, *voxels: tuple[int, ...]) -> None:
    """Use a tool from voxel to voxel of a slice of a plane."""
    page.go(plane, voxels[0][AXES[plane][0]])
    page.press(tool)
    page.pointer(plane, *(place(page, plane, voxel) for voxel in voxels))
    page.press(Keys.ESCAPE)


def save(page: Page) -> np.ndarray:
    """Save the correction; the server's labels (S, H, W)."""
    page.id("save").click()
    page.until(lambda: page.id("verdict").text == "Corrected")
    return page.labels("head.nii.gz")


@pytest.mark.parametrize("plane", AXES)
def test_a_dot_of_the_brush_is_one_voxel_where_it_was_drawn(head: served.Page, plane: str) -> None:
    before = head.labels("head.nii.gz")
    assert before[FREE] == 0
    size(head, 1)
    draw(head, "b", plane, FREE)
    after = save(head)
    assert np.argwhere(after != before).tolist() == [list(FREE)]
    assert after[FREE] == 1
    assert head.scans()["head.nii.gz"]["verdict"] == "corrected"


def test_a_brush_is_round_in_mm_and_stays_in_its_slice(head: served.Page) -> None:
    before = head.labels("head.nii.gz")
    size(head, 9)
    draw(head, "b", "coronal", FREE)  # 3 mm from slice to slice, 1.25 mm from column to column
    changed = save(head) != before
    slices, rows, columns = np.indices(SHAPE) - np.array(FREE).reshape(3, 1, 1, 1)
    disc = (rows == 0) & (np.hypot(slices * MM[0], columns * MM[2]) <= 9 * 1.25 / 2)
    assert (changed == disc).all()


def test_a_line_has_no_gap_and_one_undo_takes_it_all(head: served.Page) -> None:
    before = head.labels("head.nii.gz")
    size(head, 1)
    draw(head, "b", "axial", FREE, (5, 50, 14))
    assert head.id("save").is_enabled()
    assert not head.id("accept").is_enabled()
    volume = float(head.driver.find_element(By.CSS_SELECTOR, "[data-number=volume_ml]").text.split()[0])
    head.press(Keys.CONTROL, "z")
    assert not head.id("save").is_enabled()
    assert head.id("accept").is_enabled()
    head.press(Keys.CONTROL, Keys.SHIFT, "z")
    after = save(head)
    line = (after != before)[5]
    assert ndimage.label(line, np.ones((3, 3)))[1] == 1
    assert line[46, 30]
    assert line[50, 14]
    assert 17 <= line.sum() <= 21
    row = head.scans()["head.nii.gz"]["row"]
    assert row["volume_ml"] == pytest.approx((after > 0).sum() * np.prod(MM) / 1000, abs=1e-3)
    assert row["volume_ml"] == pytest.approx(volume, rel=0.01)


def test_the_eraser(head: served.Page) -> None:
    before = head.labels("head.nii.gz")
    size(head, 1)
    draw(head, "e", "sagittal", LESIONS[0])
    after = save(head)
    assert np.argwhere(after != before).tolist() == [list(LESIONS[0])]
    assert after[LESIONS[0]] == 0


def test_what_is_hidden_is_not_erased(head: served.Page) -> None:
    before = head.labels("head.nii.gz")
    head.driver.find_element(By.CSS_SELECTOR, "[data-region=tumour]").click()
    size(head, 20)
    draw(head, "e", "axial", LESIONS[0])
    assert not head.id("save").is_enabled()
    assert (head.labels("head.nii.gz") == before).all()


def test_fill_takes_what_is_closed_in_and_nothing_else(head: served.Page) -> None:
    before = head.labels("head.nii.gz")
    size(head, 2)
    corners = [(5, 40, 24), (5, 40, 36), (5, 52, 36), (5, 52, 24), (5, 40, 24)]
    draw(head, "b", "axial", *corners)
    draw(head, "f", "axial", FREE)
    after = save(head)
    assert (after[5, 41:52, 25:36] == 1).all()
    assert (after[np.arange(SHAPE[0]) != 5] == before[np.arange(SHAPE[0]) != 5]).all()
    draw(head, "f", "axial", (5, 60, 24))
    assert "not closed" in head.id("toast").text
    assert not head.id("save").is_enabled()


def test_delete_takes_one_lesion_of_two(head: served.Page) -> None:
    before = head.labels("head.nii.gz")
    parts, count = ndimage.label(before, np.ones((3, 3, 3)))
    assert count == 2
    draw(head, "d", "coronal", LESIONS[0])
    head.until(lambda: head.id("save").is_enabled())
    after = save(head)
    assert (after == before * (parts != parts[LESIONS[0]])).all()


def test_accept_keeps_the_mask_and_who_looked(head: served.Page, corrections: Path) -> None:
    before = head.labels("head.nii.gz")
    head.id("who").clear()
    head.id("who").send_keys("Dr. Müller & Co")
    head.id("accept").click()
    head.until(lambda: head.id("verdict").text == "Accepted")
    assert "accepted" in head.entry("head.nii.gz").text
    kept = [json.loads(path.read_text(encoding="utf-8")) for path in corrections.glob("*/correction.json")]
    assert ("accepted", "Dr. Müller & Co") in [(entry["verdict"], entry["who"]) for entry in kept]
    assert (head.labels("head.nii.gz") == before).all()
    head.open()
    assert head.id("who").get_attribute("value") == "Dr. Müller & Co"


def test_a_correction_is_kept_with_who_drew_it(head: served.Page, corrections: Path) -> None:
    head.id("who").clear()
    head.id("who").send_keys("Ada", Keys.ENTER)
    size(head, 3)
    draw(head, "b", "axial", FREE)
    labels = save(head)
    (folder,) = {path.parent for path in corrections.glob("*/correction.json")}
    kept = json.loads((folder / "correction.json").read_text(encoding="utf-8"))
    assert (kept["verdict"], kept["who"]) == ("corrected", "Ada")
    stored = np.asarray(nib.load(folder / "mask.nii.gz").dataobj)
    assert (stored > 0).sum() == (labels > 0).sum()


@pytest.mark.parametrize(("choice", "is_left", "is_saved"), [("stay", 0, 0), ("drop", 1, 0), ("save", 1, 1)])
def test_leaving_asks_what_becomes_of_corrections(
    head: served.Page, tmp_path: Path, choice: str, is_left: int, is_saved: int
) -> None:
    volumes.save(tmp_path / "second.nii.gz", phantom()[::-1], spacing_mm=MM)
    head.bring(tmp_path / "second.nii.gz")
    leaving = "return !dispatchEvent(new Event('beforeunload', {cancelable: true}))"
    assert not head.driver.execute_script(leaving)
    draw(head, "b", "axial", FREE)
    assert head.driver.execute_script(leaving)
    head.entry("second.nii.gz").find_element(By.CSS_SELECTOR, "[data-open]").click()
    head.until(lambda: head.id("question").is_displayed())
    head.driver.find_element(By.CSS_SELECTOR, f"#question [data-choice={choice}]").click()
    if is_left:
        head.until(lambda: head.id("scan-name").text == "second.nii.gz")
    assert (head.id("scan-name").text == "second.nii.gz") == is_left
    assert (head.scans()["head.nii.gz"]["verdict"] == "corrected") == is_saved
    assert head.driver.execute_script(leaving) == (not is_left)


def test_files_are_downloaded_under_their_names(head: Any, tmp_path: Path) -> None:
    head.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path / "got")}
    )
    for kind, name in (("mask", "*.nii.gz"), ("overlay", "*.png"), ("files", "*.zip")):
        head.driver.find_element(By.CSS_SELECTOR, f"[data-keep={kind}]").click()
        (path,) = head.until(lambda name=name: list((tmp_path / "got").glob(name)))
        assert path.name.startswith("head")
    mask = np.asarray(nib.load(next((tmp_path / "got").glob("*.nii.gz"))).dataobj)
    assert (mask > 0).sum() == (head.labels("head.nii.gz") > 0).sum()
    head.id("keep-all").click()
    head.until(lambda: len(list((tmp_path / "got").glob("*.zip"))) == 2)


def in_page(page: Page, script: str, *arguments: object) -> Any:
    """What a script answers that may `await`; its arguments are in `inputs`."""
    return page.driver.execute_async_script(
        "const inputs = [...arguments], done = inputs.pop();"
        f"(async () => {{ {script} }})().then(done, (error) => done(String(error)))",
        *arguments,
    )


def test_parts_are_those_of_scipy(page: served.Page) -> None:
    page.open()
    rng = np.random.default_rng(0)
    for share in (0.1, 0.2, 0.3):
        volume = (rng.random((5, 9, 7)) < share) * rng.integers(1, 4, (5, 9, 7))
        visible = volume * (volume != 2)
        start = int(rng.choice(np.flatnonzero(visible)))
        voxels = in_page(
            page,
            "const {component} = await import('/page/area.js');"
            "const {Labels} = await import('/page/labels.js');"
            "return component(new Labels(Uint8Array.from(inputs[0]), [5, 9, 7]), inputs[1], [0, 1, 0, 1])",
            volume.ravel().tolist(),
            start,
        )
        parts, _ = ndimage.label(visible, np.ones((3, 3, 3)))
        assert sorted(voxels) == np.flatnonzero(parts == parts.ravel()[start]).tolist()


def test_memory_of_corrections_is_bounded_and_what_is_left_can_be_undone(page: served.Page) -> None:
    page.open()
    answer = in_page(
        page,
        "const {History} = await import('/page/history.js');"
        "const {Labels} = await import('/page/labels.js');"
        "const labels = new Labels(new Uint8Array(3e6), [3, 1000, 1000]); const history = new History();"
        "const at = Uint32Array.from({length: 3e6}, (_, n) => n);"
        "for (let n = 0; n < 5; n++) {"
        " const before = labels.data.slice(), after = before.slice().fill(n + 1);"
        " at.forEach((place) => labels.set(place, n + 1)); history.add({at, before, after}); }"
        "let undone = 0; while (history.canUndo) { history.undo(labels); undone++; }"
        "return [undone, labels.data[0], labels.total, history.isSaved]",
    )
    assert answer == [2, 3, 3_000_000, False]  # of 18 MB each, two are kept


def test_another_correction_in_the_place_of_a_saved_one_is_not_saved(page: served.Page) -> None:
    page.open()
    answer = in_page(
        page,
        "const {History} = await import('/page/history.js');"
        "const {Labels} = await import('/page/labels.js');"
        "const labels = new Labels(new Uint8Array(4), [1, 2, 2]); const history = new History();"
        "const add = (at) => { labels.set(at, 1); history.add({at: Uint32Array.of(at),"
        " before: Uint8Array.of(0), after: Uint8Array.of(1)}); return history.isSaved; };"
        "add(0); add(1); history.save(history.position); const heard = [history.isSaved];"
        "history.undo(labels); heard.push(history.isSaved); history.redo(labels);"
        "heard.push(history.isSaved);"
        "history.undo(labels); heard.push(add(2)); history.undo(labels); heard.push(history.isSaved);"
        "return heard",
    )
    assert answer == [True, False, True, False, False]


def test_counts_follow_corrections(page: served.Page) -> None:
    page.open()
    rng = np.random.default_rng(1)
    start, end = (rng.integers(0, 3, (4, 5, 6)) for _ in range(2))
    counts, marks = in_page(
        page,
        "const {Labels} = await import('/page/labels.js');"
        "const labels = new Labels(Uint8Array.from(inputs[0]), [4, 5, 6]);"
        "inputs[1].forEach((label, at) => labels.set(at, label));"
        "return [[...labels.counts].slice(0, 3), labels.marks.map((counts) => [...counts])]",
        start.ravel().tolist(),
        end.ravel().tolist(),
    )
    assert counts[1:] == np.bincount(end.ravel())[1:].tolist()
    for axis, others in enumerate(((1, 2), (0, 2), (0, 1))):
        assert marks[axis] == (end > 0).sum(axis=others).tolist()
