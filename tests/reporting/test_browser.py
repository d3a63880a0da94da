"""The report in a real browser: headless Chromium, driven by Debian's chromedriver."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionBuilder, ActionChains
from selenium.webdriver.common.actions import interaction
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from stages.reporting import page
from tests.fixtures import browser, reports

CASES = 14  # two more than have a film


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of a page with two regions, a finding and a suspicious label."""
    root = tmp_path_factory.mktemp("reports")
    finding = {
        "severity": "warning",
        "check": "blank",
        "sample_id": "s" * 60,
        "file": "a",
        "explanation": "dark " * 40,
    }
    suspect = {"sample_id": "s1", "case_id": "c", "split": "val", "region": "core", "label_says": "none"}
    paths = reports.folder(
        root,
        reports.evaluated(regions=True),
        reports.exported(),
        findings=[finding],
        suspects=[{**suspect, "probability": 0.97, "ml": 2.0, "pixels": 40}],
        cases=CASES,
    )
    card = f"# A model\n\n| metric | value |\n| --- | --- |\n| {'long ' * 30} | {'9' * 80} |\n"
    (root / "index.html").write_text(page.render(paths, card, reports.lineage(), "tumour"), encoding="utf-8")
    return (root / "index.html").as_uri()


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    with browser.chrome() as chrome:
        yield chrome


@pytest.fixture
def opened(driver: webdriver.Chrome, report: str) -> Iterator[webdriver.Chrome]:
    """The page as a person opens it."""
    for kind in ("browser", "performance"):
        driver.get_log(kind)
    driver.get(report)
    yield driver
    browser.plain(driver)


def test_no_error_and_nothing_but_the_file_itself_is_asked_for(opened: Any, report: Path) -> None:
    assert opened.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    asked = {
        one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"
    }
    assert {url for url in asked if not url.startswith("data:")} == {report}
    broken = "return [...document.images].filter((one) => !one.naturalWidth).length"
    assert opened.execute_script(broken) == 0


def test_the_policy_stops_any_other_script(opened: Any) -> None:
    opened.execute_script(
        "const other = document.createElement('script'); other.textContent = 'window.ran = true';"
        "document.body.append(other);"
    )
    assert opened.execute_script("return window.ran === undefined")
    assert "Content Security Policy" in opened.get_log("browser")[0]["message"]


def column(driver: webdriver.Chrome, name: str) -> tuple[WebElement, int]:
    heads = driver.find_elements(By.CSS_SELECTOR, "#cases thead th")
    place = next(n for n, head in enumerate(heads) if head.text.startswith(name))
    return heads[place], place


def cells(driver: webdriver.Chrome, place: int) -> list[str]:
    rows = "[...document.querySelectorAll('#cases tbody tr')]"
    return driver.execute_script(f"return {rows}.map((row) => row.cells[arguments[0]].innerText)", place)


def test_the_table_sorts_by_numbers_and_says_so(opened: Any) -> None:
    head, place = column(opened, "true (ml)")
    for order, sign in (("ascending", 1), ("descending", -1)):
        head.find_element(By.TAG_NAME, "button").click()
        assert head.get_attribute("aria-sort") == order
        values = [sign * float(text) for text in cells(opened, place)]
        assert values == sorted(values)
        assert len(set(values)) == CASES  # 100, 91 ... -17: as text they would be in another order
    sorted_by = opened.find_elements(By.CSS_SELECTOR, "#cases th[aria-sort]")
    assert [one.text for one in sorted_by] == ["true (ml)"]


def test_what_has_no_number_stands_last_both_ways(opened: Any) -> None:
    head, place = column(opened, "contrast")
    for _ in range(2):
        head.find_element(By.TAG_NAME, "button").click()
        values = cells(opened, place)
        assert values[-2:] == ["–", "–"]
        assert "–" not in values[:-2]


def test_the_keyboard_sorts_by_name(opened: Any) -> None:
    head, place = column(opened, "case")
    head.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    names = cells(opened, place)
    assert names == sorted(names)
    head.find_element(By.TAG_NAME, "button").send_keys(Keys.SPACE)
    assert cells(opened, place) == sorted(names, reverse=True)


def shown(film: WebElement) -> tuple[str, str | None, list[int]]:
    """What is told below a film, what a screen reader hears, and which of five frames its pictures show."""
    slider = film.find_element(By.TAG_NAME, "input")
    frames = film.parent.execute_script(
        "return [...arguments[0].querySelectorAll('.pane')].map((pane) => {"
        "const picture = pane.firstElementChild.getBoundingClientRect();"
        "return Math.round(5 * (pane.getBoundingClientRect().left - picture.left) / picture.width)})",
        film,
    )
    return film.find_element(By.TAG_NAME, "output").text, slider.get_attribute("aria-valuetext"), frames


def told(frame: int) -> str:
    found, missed = 36 * (frame == 3), int(frame == 1)
    return f"slice {10 + frame}: {found} pixels found, {missed} missed, 0 false alarm"


def test_arrow_keys_move_through_the_slices(opened: Any) -> None:
    films = opened.find_elements(By.CSS_SELECTOR, ".film")
    assert len(films) == 12
    slider = films[0].find_element(By.TAG_NAME, "input")
    assert shown(films[0]) == (told(3), told(3), [3, 3])
    for key, frame in ((Keys.RIGHT, 4), (Keys.RIGHT, 4), (Keys.HOME, 0), (Keys.UP, 1)):
        slider.send_keys(key)
        assert shown(films[0]) == (told(frame), told(frame), [frame, frame])
    assert shown(films[1]) == (told(3), told(3), [3, 3])  # the others stay


@pytest.mark.parametrize("by", ["finger", "mouse"])
def test_a_finger_or_the_mouse_on_the_picture_moves_through_the_slices(opened: Any, by: str) -> None:
    film = opened.find_elements(By.CSS_SELECTOR, ".film")[2]
    panes = film.find_element(By.CSS_SELECTOR, ".panes")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", panes)
    left = -int(panes.size["width"] * 0.42)  # of five slices two
    if by == "mouse":
        drag = ActionChains(opened).click_and_hold(panes).move_to_element_with_offset(panes, left, 0)
        drag.release().perform()
    else:
        touch = ActionBuilder(opened, mouse=PointerInput(interaction.POINTER_TOUCH, "finger"))
        touch.pointer_action.move_to(panes).pointer_down().move_to(panes, x=left).pointer_up()
        touch.perform()
    assert shown(film) == (told(1), told(1), [1, 1])


def test_a_screen_reader_is_told_what_things_are(opened: Any) -> None:
    tree = opened.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]

    def named(role: str) -> Any:
        return [
            one.get("name", {}).get("value", "")
            for one in tree
            if one.get("role", {}).get("value") == role and not one["ignored"]
        ]

    assert named("slider")[:2] == ["Slice of case00", "Slice of case01"]
    assert all(named("image"))
    assert set(named("navigation")) == {"Sections"}
    assert len(named("main")) == len(named("banner")) == 1
    assert "Where it fails" in named("region")
    assert "true (ml)" in named("button")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(opened: Any, scheme: str) -> None:
    browser.in_colours(opened, scheme)
    paper = opened.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (browser.luminance(paper) < 0.2) is (scheme == "dark")
    colours = opened.execute_script(
        "return [...new Set([...document.querySelectorAll('body, p, a, th, td, caption, figcaption, output,"
        " summary, summary span, button, .leaky')].map((one) => getComputedStyle(one).color))]"
    )
    assert len(colours) >= 3
    for colour in colours:
        assert browser.contrast(colour, paper) >= 4.5, colour


def test_a_phone_scrolls_downwards_only(opened: Any) -> None:
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", browser.PHONE)
    assert opened.execute_script("return [innerWidth, document.documentElement.scrollWidth]") == [390, 390]
    film = opened.find_elements(By.CSS_SELECTOR, ".film")[0]
    assert film.size["width"] > 300


def test_the_keyboard_shows_where_it_is_and_can_skip_to_the_content(opened: Any) -> None:
    opened.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    skip = opened.switch_to.active_element
    assert skip.text == "To the content"
    for _ in range(4):
        opened.switch_to.active_element.send_keys(Keys.TAB)
        style = "return getComputedStyle(document.activeElement).outline"
        assert "solid 3px" in opened.execute_script(style)


def test_without_a_script_everything_is_there(opened: Any, report: str) -> None:
    opened.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        opened.get(report)
        film = opened.find_elements(By.CSS_SELECTOR, ".film")[0]
        assert film.find_element(By.TAG_NAME, "output").text == told(3)
        assert len(opened.find_elements(By.CSS_SELECTOR, "#cases tbody tr")) == 2 * CASES
    finally:
        opened.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
