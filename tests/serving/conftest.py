"""One browser for every page: to start it takes seconds, and none of them leaves anything in it."""

from collections.abc import Iterator

import pytest
from selenium import webdriver

from tests.fixtures import browser


@pytest.fixture(scope="session")
def driver() -> Iterator[webdriver.Chrome]:
    """Without WebGL, which the page must not need. Each server has a port, and so a storage, of its own."""
    with browser.chrome("--disable-3d-apis", size="1400,900") as chrome:
        yield chrome
