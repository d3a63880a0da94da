"""A mask drawn on the page joins the next training, and the page shows the mask that came of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.sources import sample
from tests.fixtures import browser, served
from tests.fixtures.served import Page
from tests.pipeline.project import TINY, Project

pytestmark = pytest.mark.slow

PATIENT = 900
"""Number of one that the sample does not hold, by name neither."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("project"), {**TINY, "train.epochs": "6"})


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a scan without masks."""
    root = tmp_path_factory.mktemp("scan")
    sample.write_case(root, 0, PATIENT)
    (folder,) = root.iterdir()
    for mask in folder.glob("*_mask.tif"):
        mask.unlink()
    return folder


@pytest.fixture(scope="module")
def chrome() -> Iterator[browser.webdriver.Chrome]:
    with browser.chrome(size="1400,900") as driver:
        yield driver


def agreement(one: np.ndarray, other: np.ndarray) -> float:
    """Dice of two masks."""
    return float(2 * (one & other).sum() / max(1, one.sum() + other.sum()))


def test_a_correction_teaches(project: Project, case: Path, chrome: Any, tmp_path: Path) -> None:
    project.dvc("repro")
    corrections = tmp_path / "corrections"
    with served.running(project.root / "models/export", "--corrections", str(corrections)) as address:
        page = Page(chrome, address).open()
        page.bring(case)
        page.choose(case.name)
        before = page.labels(case.name) > 0
        slices, height, width = before.shape
        middle = slices // 2
        page.driver.execute_script(
            "const size = document.getElementById('size'); size.value = size.max;"
            "size.dispatchEvent(new Event('input', {bubbles: true}))"
        )
        for index in range(middle - 2, middle + 3):  # a broad stripe from ear to ear
            page.go("axial", index)
            page.press("b")
            ends = ((0.3 * width, height / 2), (0.7 * width, height / 2))
            page.pointer("axial", *(page.at("axial", end, (width, height, 1, 1)) for end in ends))
        page.id("save").click()
        page.until(lambda: page.id("verdict").text == "Corrected")
        drawn = page.labels(case.name) > 0
        assert drawn.sum() > before.sum() + 5 * 0.3 * width
    (said,) = corrections.glob("*/correction.json")
    assert json.loads(said.read_text(encoding="utf-8"))["verdict"] == "corrected"
    project.set("ingest.also", str(corrections))
    assert "Running stage 'train'" in project.dvc("repro")
    split = json.loads((project.root / "reports/split/metrics.json").read_text(encoding="utf-8"))
    assert split["corrections"]["train"] == {"cases": 1, "slices": slices}
    with served.running(project.root / "models/export") as address:
        page = Page(chrome, address).open()
        page.bring(case)
        after = page.labels(case.name) > 0
    assert agreement(after, drawn) > agreement(before, drawn)
