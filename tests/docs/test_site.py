"""The site builds without a warning, and works from disk: nothing is fetched, and the search finds pages."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.fixtures.browser import chrome
from tests.pipeline.import_graph import ROOT
from tests.pipeline.rooms import ROOMS


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` builds it: links to pages and headings that are not there are errors."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q", "-E"]
    done = subprocess.run(
        [*command, "-d", str(folder / "read"), "docs", str(folder / "html")],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout
    return folder / "html"


def test_make_docs_runs_the_same() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "python -m sphinx -b html -W --keep-going -q docs docs/_build/html" in makefile


def test_every_page_of_docs_is_in_the_site(site: Path) -> None:
    pages = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    assert len(pages) > 40
    for page in pages:
        if page.parts[0] != "_build":
            assert (site / page).with_suffix(".html").is_file(), page


def test_it_fetches_nothing_and_its_search_works_from_disk(site: Path) -> None:
    with chrome() as driver:
        for page in ("index.html", "how-to/predict.html", "search.html?q=leak"):
            driver.get(f"{site.as_uri()}/{page}")
        results = WebDriverWait(driver, 20).until(
            lambda driver: [
                link.text for link in driver.find_elements(By.CSS_SELECTOR, "#search-results li a")
            ]
        )
        assert "Splits that cannot leak" in results
        messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
        asked = [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]
        assert len(asked) > 3
        assert [url for url in asked if not url.startswith(("file://", "data:"))] == []


def test_the_picture_of_the_rooms_has_all_of_them(site: Path) -> None:
    drawn = (site / "_images" / "rooms.svg").read_text(encoding="utf-8")
    for room in ROOMS:
        assert room == "core" or f">{room}</text>" in drawn  # which every room may use
    assert "mermaid" not in (site / "architecture.html").read_text(encoding="utf-8")
