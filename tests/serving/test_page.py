"""The page of `brainseg serve` in a real browser: scans come in, are listed, looked at and go."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.fixtures import dicom, graphs, scans, served, volumes
from tests.fixtures.served import Page


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, driver: webdriver.Chrome) -> Iterator[Page]:
    """The page of a model that takes one sequence; nothing is sent yet."""
    described = graphs.describe(channels=("flair",)).model_copy(update={"guarantees": graphs.guarantees()})
    model = graphs.export(tmp_path_factory.mktemp("model"), described)
    with served.running(model, "--max-bytes", "3000000") as address:
        yield Page(driver, address).open()


@pytest.fixture
def flair() -> np.ndarray:
    """Slices (S, H, W) uint8 with a tumour."""
    return scans.volume(5, seed=1)[0][..., scans.FLAIR]


def test_before_the_first_scan_the_page_says_what_to_do(page: served.Page) -> None:
    assert "Drop brain scans on this page" in page.id("empty").text
    assert "nothing leaves this machine" in page.id("empty").text
    assert not page.id("viewer").is_displayed()
    assert "Not a medical device" in page.driver.find_element(By.TAG_NAME, "footer").text


def test_a_picture(page: Any, flair: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(flair[2]).save(tmp_path / "a.png")
    page.bring(tmp_path / "a.png")
    assert page.scans()["a.png"]["status"] == "done"
    page.choose("a.png")
    assert [canvas.get_attribute("data-plane") for canvas in page.all("canvas[data-plane]")] == ["axial"]
    assert "mask: tumour" in page.canvas("axial").get_attribute("aria-label")
    assert page.id("spacing").is_displayed()
    assert not page.all("#numbers [data-number=volume_interval]")  # a picture has an area alone
    area = page.driver.find_element(By.CSS_SELECTOR, "#numbers [data-number=area_mm2]").text
    assert float(area.removesuffix(" mm²")) == pytest.approx(
        page.scans()["a.png"]["row"]["area_mm2"], abs=0.5
    )


def test_a_volume(page: served.Page, flair: np.ndarray, tmp_path: Path) -> None:
    volumes.save(tmp_path / "b.nii.gz", flair, spacing_mm=(3.0, 1.0, 1.0))
    page.bring(tmp_path / "b.nii.gz")
    page.choose("b.nii.gz")
    assert [canvas.get_attribute("data-plane") for canvas in page.all("canvas[data-plane]")] == [
        "axial",
        "coronal",
        "sagittal",
    ]
    row = page.scans()["b.nii.gz"]["row"]
    for key, selector in (("tumour_ml", "#regions [data-number]"), ("volume_ml", "#numbers [data-number]")):
        text = page.driver.find_element(By.CSS_SELECTOR, selector).text
        assert float(text.removesuffix(" ml")) == pytest.approx(row[key], rel=0.01)
    assert not page.id("spacing").is_displayed()
    promised = {
        key: page.driver.find_element(By.CSS_SELECTOR, f"#numbers [data-number={key}]").text
        for key in ("volume_interval", "expected_dice", "trusted")
    }
    low, high = promised["volume_interval"].removesuffix(" ml").split(" to ")
    assert float(low) == pytest.approx(row["volume_low_ml"], abs=0.05)
    assert float(high) == pytest.approx(row["volume_high_ml"], rel=0.01)
    assert promised["expected_dice"] == (
        f"{row['expected_dice']:.2f}, at least {row['expected_dice_low']:.2f}"
    )
    assert promised["trusted"] == ("yes" if row["trusted"] else "no")


def test_a_series_in_a_folder_is_one_scan(page: served.Page, flair: np.ndarray, tmp_path: Path) -> None:
    dicom.write_series(tmp_path / "series", flair.astype(np.uint16) * 4, spacing_mm=(3.0, 1.0, 1.0))
    (tmp_path / "series" / ".DS_Store").write_bytes(b"of a file manager")
    page.bring(tmp_path / "series")
    assert page.scans()["series"]["view"]["slices"] == len(flair)
    page.choose("series")
    formats = [button.get_attribute("data-keep") for button in page.all("[data-keep]")]
    assert formats == ["mask", "overlay", "dicom-seg", "files"]


def test_loose_slices_are_one_scan(page: served.Page, flair: np.ndarray, tmp_path: Path) -> None:
    paths = dicom.write_series(tmp_path, flair.astype(np.uint16) * 4, series=2)
    before = page.scans()
    page.bring(*paths)
    (name,) = page.scans().keys() - before.keys()
    assert page.scans()[name]["view"]["slices"] == len(flair)


def test_a_file_and_a_folder_within_folders_dropped_at_once(
    page: served.Page, flair: np.ndarray, tmp_path: Path
) -> None:
    Image.fromarray(flair[3]).save(tmp_path / "dropped.png")
    series = flair[:4].astype(np.uint16) * 4
    dicom.write_series(tmp_path / "patient" / "study" / "series", series, series=3)
    files = [str(tmp_path / name) for name in ("dropped.png", "patient")]
    for kind in ("dragEnter", "dragOver", "drop"):
        data = {"items": [], "files": files, "dragOperationsMask": 1}
        page.driver.execute_cdp_cmd(
            "Input.dispatchDragEvent", {"type": kind, "x": 700, "y": 400, "data": data}
        )
        is_shown = page.driver.execute_script("return document.documentElement.matches('[data-dropping]')")
        assert is_shown is (kind != "drop")
    done = "#list [data-status=done] .name"
    page.until(lambda: {"dropped.png", "patient"} <= {name.text.split("/")[0] for name in page.all(done)})
    (name,) = [name for name in page.scans() if name.startswith("patient")]
    assert page.scans()[name]["view"]["slices"] == len(series)


def test_a_refusal_stands_at_what_was_refused(page: served.Page, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no scan", encoding="utf-8")
    (tmp_path / "large.nii").write_bytes(b"\0" * 4_000_000)
    for name in ("notes.txt", "large.nii"):
        page.bring(tmp_path / name)
        entry = page.entry(name)
        sentence = entry.find_element(By.CLASS_NAME, "note").text
        assert len(sentence.split()) > 4, sentence
        entry.find_element(By.CLASS_NAME, "remove").click()
    assert not page.all("[data-upload]")


def test_a_scan_that_cannot_be_read_says_why(page: served.Page, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "whole.png")
    content = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "half.png").write_bytes(content[: len(content) // 2])
    page.bring(tmp_path / "half.png")
    assert page.scans()["half.png"]["error"] in page.entry("half.png").text
    assert not page.entry("half.png").find_element(By.CSS_SELECTOR, "[data-open]").is_enabled()


def test_one_that_is_doubtful_can_stand_first(page: served.Page, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "blank.png")
    page.bring(tmp_path / "blank.png")
    row = page.scans()["blank.png"]["row"]
    assert row["low_confidence"]
    assert "look first" in page.entry("blank.png").text
    assert row["why"] in page.entry("blank.png").text
    assert page.all("#list [data-scan]")[0].text != page.entry("blank.png").text
    page.id("doubt-first").click()
    assert page.all("#list [data-scan]")[0].text == page.entry("blank.png").text
    page.id("doubt-first").click()


def test_a_scan_is_removed(page: served.Page) -> None:
    page.choose("blank.png")
    assert page.id("doubt").is_displayed()
    page.entry("blank.png").find_element(By.CSS_SELECTOR, "[data-remove]").click()
    page.until(lambda: "blank.png" not in page.scans())
    page.until(lambda: "blank.png" not in page.id("list").text)
    page.until(lambda: page.id("scan-name").text not in ("", "blank.png"))  # another opened by itself


def test_the_next_scan_by_key(page: served.Page) -> None:
    page.choose("a.png")
    page.press("j")
    page.until(lambda: page.id("scan-name").text == "b.nii.gz")
    page.press("k")
    page.until(lambda: page.id("scan-name").text == "a.png")


def test_the_model_is_one_click_away(page: served.Page) -> None:
    page.id("model-open").click()
    assert page.api("model")["hash"] in page.id("model").text
    page.until(lambda: page.id("card").text)
    page.press(Keys.ESCAPE)
    assert not page.id("model").is_displayed()


def test_a_card_can_run_nothing(page: served.Page) -> None:
    hostile = (
        "<p onclick='window.ran=1' style='color:red'>text<script>window.ran=1</script>"
        "<img src=x onerror='window.ran=1'><a href='javascript:window.ran=1'>a</a>"
        "<a href='https://example.invalid/'>b</a><svg onload='window.ran=1'/></p>"
    )
    cleaned = page.driver.execute_async_script(
        "const [html, done] = arguments; import('/page/model.js').then(({clean}) => {"
        "const box = document.createElement('div'); box.append(clean(html)); done(box.innerHTML)})",
        hostile,
    )
    assert cleaned == (
        '<p>text<a>a</a><a href="https://example.invalid/"'
        ' rel="noopener noreferrer" target="_blank">b</a></p>'
    )
    page.driver.get_log("browser")  # the policy says what it stopped while the fragment was parsed


def test_a_full_queue_is_tried_again_by_itself(page: served.Page) -> None:
    full = """
    const done = arguments[0];
    const {Uploads} = await import('/page/upload.js');
    const answers = [[429, '{"error": "the queue is full"}'], [429, '{"error": "the queue is full"}'],
      [202, '{"id": "1", "name": "a", "status": "queued"}']];
    window.XMLHttpRequest = class {
      upload = {};
      open() {}
      setRequestHeader() {}
      getResponseHeader() { return '0.05'; }
      send() { [this.status, this.responseText] = answers.shift(); setTimeout(() => this.onload()); }
    };
    const uploads = new Uploads();
    const heard = [];
    const hear = ({state, sentence}) => heard.push(state + sentence);
    uploads.addEventListener('change', () => uploads.items.forEach(hear));
    uploads.addEventListener('sent', ({detail}) => done([[...new Set(heard)], detail.map(({id}) => id)]));
    uploads.add([{name: 'a', files: [{file: new File(['a'], 'a'), path: 'a'}]}]);
    """
    page.open()
    script = f"(async (...arguments) => {{{full}}})(...arguments)"
    states, sent = page.driver.execute_async_script(script)
    assert states == ["waiting", "sending", "delayedthe queue is full Trying again by itself."]
    assert sent == ["1"]


def test_nothing_but_the_server_is_asked_and_the_policy_has_nothing_to_say(page: served.Page) -> None:
    page.open()
    page.choose("b.nii.gz")
    page.press("n")
    asked = {
        message["params"]["request"]["url"]
        for entry in page.driver.get_log("performance")
        if (message := json.loads(entry["message"])["message"])["method"] == "Network.requestWillBeSent"
    }
    assert len(asked) > 20
    assert {url for url in asked if not url.startswith((page.address, "data:"))} == set()
    assert page.driver.get_log("browser") == []
