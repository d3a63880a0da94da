"""How the page looks and sounds: light and dark, narrow and wide, by keyboard and by screen reader."""

from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.fixtures import browser, graphs, scans, served, volumes
from tests.fixtures.served import Page

WIDTHS = (360, 390, 430, 820, 1400)
TEXTS = """
const seen = new Map();
const ground = (element) => {
  for (let parent = element; parent; parent = parent.parentElement) {
    const colour = getComputedStyle(parent).backgroundColor;
    if (!colour.endsWith(', 0)')) return colour;
  }
};
for (const element of document.querySelectorAll('body *')) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  if (!own || !element.checkVisibility() || element.closest('.picture, .unseen, :disabled')) continue;
  const {color} = getComputedStyle(element);
  seen.set(color + ground(element), [color, ground(element), element.textContent.trim().slice(0, 40)]);
}
return [...seen.values()];
"""
"""Each colour of text that can be seen, on what it stands, and an example."""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, driver: webdriver.Chrome) -> Iterator[Page]:
    """A page with a volume that is open, one to look at first, and one that failed."""
    root = tmp_path_factory.mktemp("looks")
    model = graphs.export(root / "model", graphs.describe(channels=("flair",)))
    volumes.save(
        root / "head.nii.gz", scans.volume(5, seed=1)[0][..., scans.FLAIR], spacing_mm=(3.0, 1.0, 1.0)
    )
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(root / f"{'blank_' * 12}.png")
    (root / "half.png").write_bytes((root / f"{'blank_' * 12}.png").read_bytes()[:50])
    (root / "notes.txt").write_text("no scan", encoding="utf-8")
    with served.running(model) as address:
        page = Page(driver, address).open()
        for name in ("head.nii.gz", f"{'blank_' * 12}.png", "half.png"):
            page.bring(root / name)
        page.choose("head.nii.gz")
        yield page


@pytest.fixture
def seen(page: Page) -> Iterator[Page]:
    yield page
    browser.plain(page.driver)


def narrow(page: Page, width: int) -> None:
    screen = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 1000}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    page.drawn()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(seen: served.Page, scheme: str) -> None:
    browser.in_colours(seen.driver, scheme)
    texts = seen.driver.execute_script(TEXTS)
    assert len(texts) >= 8
    for colour, ground, text in texts:
        assert browser.contrast(colour, ground) >= 4.5, (text, colour, ground)
    paper = seen.driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (browser.luminance(paper) < 0.2) is (scheme == "dark")
    viewer = seen.driver.execute_script(
        "return getComputedStyle(document.getElementById('viewer')).backgroundColor"
    )
    assert browser.luminance(viewer) < 0.02


def test_the_button_turns_the_colours_round_and_stays(seen: served.Page) -> None:
    browser.in_colours(seen.driver, "light")
    ground = "return getComputedStyle(document.body).backgroundColor"
    assert seen.id("theme").text == "Dark"
    seen.id("theme").click()
    assert browser.luminance(seen.driver.execute_script(ground)) < 0.2
    seen.open()
    assert browser.luminance(seen.driver.execute_script(ground)) < 0.2
    seen.id("theme").click()
    assert browser.luminance(seen.driver.execute_script(ground)) > 0.8
    seen.driver.execute_script("localStorage.clear()")
    seen.open()
    seen.choose("head.nii.gz")


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_scrolls_sideways(seen: served.Page, width: int) -> None:
    narrow(seen, width)
    assert (
        seen.driver.execute_script("return [innerWidth, document.documentElement.scrollWidth]") == [width] * 2
    )
    beyond = seen.driver.execute_script(
        "return [...document.querySelectorAll('button, input, select, canvas, label')]"
        ".filter((element) => element.checkVisibility())"
        ".filter((element) => element.getBoundingClientRect().right > innerWidth + 1)"
        ".map((element) => element.outerHTML)"
    )
    assert beyond == []
    assert seen.canvas("axial").size["width"] >= min(width, 390) * 0.9


def test_on_a_phone_choosing_a_scan_goes_to_it(seen: served.Page) -> None:
    narrow(seen, 390)
    seen.driver.execute_script("scrollTo(0, 0)")
    seen.choose("head.nii.gz")
    assert (
        seen.driver.execute_script("return document.getElementById('work').getBoundingClientRect().top") < 60
    )


def test_everything_that_can_be_used_has_a_name(seen: served.Page) -> None:
    tree = seen.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]

    def named(role: str) -> list[str]:
        return [
            node.get("name", {}).get("value", "")
            for node in tree
            if node.get("role", {}).get("value") == role and not node["ignored"]
        ]

    for role in ("button", "slider", "checkbox", "textbox", "image", "toolbar", "complementary"):
        assert named(role), role
        assert all(named(role)), role
    assert {"Slice, axial", "Slice, coronal", "Slice, sagittal", "Level", "Width", "Opacity"} <= set(
        named("slider")
    )
    assert "Remove head.nii.gz" in named("button")
    assert len(named("main")) == 1
    (status,) = [node for node in tree if node.get("role", {}).get("value") == "status"]
    live = {entry["name"]: entry["value"].get("value") for entry in status["properties"]}
    assert live["live"] == "polite"


def test_what_happens_is_said(seen: served.Page) -> None:
    heard = "return document.getElementById('status').textContent"
    seen.entry(f"{'blank_' * 12}.png").find_element(By.CSS_SELECTOR, "[data-open]").click()
    seen.until(lambda: "blank_" in seen.driver.execute_script(heard))
    seen.choose("head.nii.gz")
    assert seen.driver.execute_script(heard) == "head.nii.gz is open."


def test_the_keyboard_shows_where_it_is(seen: served.Page) -> None:
    seen.open()  # opens the first scan by itself
    seen.until(lambda: seen.id("scan-name").text == "head.nii.gz")
    names = set()
    for _ in range(60):
        seen.driver.switch_to.active_element.send_keys(Keys.TAB)
        active = seen.driver.switch_to.active_element
        if active.tag_name == "body":
            break
        names.add(active.get_attribute("id") or active.get_attribute("data-plane") or active.text)
        assert "solid 3px" in seen.driver.execute_script(
            "return getComputedStyle(document.activeElement).outline"
        )
    assert {"axial", "coronal", "sagittal", "level", "auto", "choose-files", "accept", "who"} <= names


def test_keys_in_a_field_are_text(seen: served.Page) -> None:
    before = seen.canvas("axial").get_attribute("data-tool")
    seen.id("who").clear()
    seen.id("who").send_keys("bme")
    assert seen.id("who").get_attribute("value") == "bme"
    assert seen.canvas("axial").get_attribute("data-tool") == before
    seen.id("who").clear()


def test_the_list_of_keys(seen: served.Page) -> None:
    seen.driver.execute_script("document.activeElement.blur()")
    seen.press("?")
    assert seen.id("help").is_displayed()
    keys = [row.text for row in seen.all("#help tbody.keys tr")]
    assert len(keys) > 15
    assert any("brush" in text for text in keys)
    seen.press("b")  # is not for what lies below
    seen.press(Keys.ESCAPE)
    assert not seen.id("help").is_displayed()
    assert seen.canvas("axial").get_attribute("data-tool") == ""


def test_nothing_moves_for_who_wants_no_motion(seen: served.Page) -> None:
    features = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    seen.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    moving = seen.driver.execute_script(
        "const name = (element, part) => getComputedStyle(element, part).animationName;"
        "return [...document.querySelectorAll('*')].filter((element) =>"
        " [null, '::before', '::after'].some((part) => name(element, part) !== 'none')).length"
    )
    assert moving == 0
