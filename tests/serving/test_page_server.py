"""The page when the server wants a token, goes away and comes back."""

import socket
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from selenium.webdriver.common.by import By

from tests.fixtures import graphs, scans, served
from tests.fixtures.served import Page

TOKEN = "token/with=signs+&%41"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return graphs.export(tmp_path_factory.mktemp("model"), graphs.describe(channels=("flair",)))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.fromarray(scans.volume(5, seed=1)[0][2, ..., scans.FLAIR]).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def send(page: Page, picture: Path) -> None:
    page.id("files").send_keys(str(picture))
    page.until(lambda: page.all("[data-scan][data-status=done]"))
    page.until(lambda: page.canvas("axial").get_attribute("data-slice") == "0")


def test_the_token_comes_with_the_address_or_is_asked_for(driver: Any, model: Path, picture: Path) -> None:
    with served.running(model, "--token", TOKEN) as address:
        base = address.partition("#")[0]
        page = Page(driver, address).open()
        assert driver.current_url == base
        send(page, picture)
        driver.refresh()
        page.until(lambda: page.all("[data-scan][data-status=done]"))
        driver.execute_script("sessionStorage.clear()")
        driver.get(base)
        page.until(lambda: page.id("locked").is_displayed())
        for words in ("another", TOKEN):
            page.until(lambda: page.id("locked").is_displayed())
            page.id("token").send_keys(words)
            page.driver.find_element(By.CSS_SELECTOR, "#locked button").click()
        page.until(lambda: page.all("[data-scan][data-status=done]"))
        assert not page.id("locked").is_displayed()


def test_a_server_that_went_away_is_missed_until_it_is_back(driver: Any, model: Path, picture: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with served.running(model, "--port", port) as address:
        page = Page(driver, address).open()
        send(page, picture)
        assert not page.id("banner").is_displayed()
    page.id("accept").click()
    page.until(lambda: page.id("banner").is_displayed())
    assert "Not saved" in page.id("toast").text
    with served.running(model, "--port", port):
        page.until(lambda: not page.id("banner").is_displayed())
        page.until(lambda: not page.all("[data-scan]"))  # it was started anew and knows of none
        assert not page.id("viewer").is_displayed()
