"""The Great Expectations suite and its Data Docs: what they catch, and a site without network or clock."""

import datetime
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.slices import expectations, manifest, statistics
from stages.sources import lgg
from tests.fixtures import scans


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, pd.DataFrame]:
    root = tmp_path_factory.mktemp("scans")
    scans.write_lgg(root, patients=2, slices=3)
    table = manifest.from_records(lgg.find(root).records)
    return table, statistics.measure(root, table.to_dict("records"))


@pytest.fixture(scope="module")
def site(tables: tuple[pd.DataFrame, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    docs = tmp_path_factory.mktemp("docs")
    assert expectations.check(*tables, docs) == (15, [])
    return docs


def test_two_builds_are_the_same_bytes(
    tables: tuple[pd.DataFrame, pd.DataFrame], site: Path, tmp_path: Path
) -> None:
    expectations.check(*tables, tmp_path)
    built = [
        {p.relative_to(d).as_posix(): p.read_bytes() for p in d.rglob("*") if p.is_file()}
        for d in (site, tmp_path)
    ]
    assert len(built[0]) >= 3
    assert built[0] == built[1]


def test_the_site_needs_no_network_and_knows_no_clock_and_no_folder(site: Path) -> None:
    today = datetime.datetime.now(datetime.UTC)
    for page in site.rglob("*"):
        if page.is_file():
            assert page.suffix == ".html"
            html = page.read_text(encoding="utf-8")
            assert not re.findall(
                r"<(?:script|link|img|iframe|source|video|object|embed)\b[^>]*?https?://[^>]*>", html
            )
            assert not re.findall(r"(?:@import|url\()[^;)]*https?://", html)
            assert not re.findall(r"\bsrc\s*=\s*[\"']?(?:https?:)?//", html)
            for form in ("%Y-%m-%d", "%Y%m%dT", "%d %b %Y", "%B %d, %Y", "%m/%d/%Y"):
                assert today.strftime(form) not in html + page.as_posix()
            assert not re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}", html)
            assert str(site) not in html
    assert (site / "index.html").is_file()


def test_every_link_inside_the_site_leads_somewhere(site: Path) -> None:
    found = 0
    for page in site.rglob("*.html"):
        for target in re.findall(
            r"href\s*=\s*\"([^\"#:]+?)(?:[?#][^\"]*)?\"", page.read_text(encoding="utf-8")
        ):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
            found += 1
    assert found >= 2
    first = (site / "index.html").read_text(encoding="utf-8")
    for folder in ("validations", "expectations"):
        for page in (site / folder).rglob("*.html"):
            assert f'href="{page.relative_to(site).as_posix()}"' in first


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"image_problem": "x"}, "of image_problem does not hold: Every image can be read."),
        ({"mask_problem": "x"}, "of mask_problem does not hold: Every image has a readable mask."),
        ({"finite": False}, "of finite does not hold: No NaN, no infinity."),
        ({"mask_matches": False}, "of mask_matches does not hold: Mask and image agree in size."),
        ({"label_problem": "no"}, "of label_problem does not hold: A mask holds only labels that are known."),
        ({"width": 9}, "of width does not hold: Pixels."),
        ({"channels": 1}, "of channels does not hold: All images alike."),
        ({"mask_pixels": 64 * 64 - 9}, "of tumour_share does not hold: No tumour fills half a picture."),
    ],
)
def test_one_bad_slice_fails_one_expectation(
    tables: tuple[pd.DataFrame, pd.DataFrame], tmp_path: Path, change: dict[str, object], sentence: str
) -> None:
    table, measured = tables
    spoilt = measured.copy()
    for name, value in change.items():
        spoilt.loc[2, name] = value
    count, failed = expectations.check(table, spoilt, tmp_path)
    assert count == 15
    assert [line.partition(" ")[2] for line in failed] == [sentence]
    assert "Failed" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_sets_without_tumour_or_head_fail(tables: tuple[pd.DataFrame, pd.DataFrame], tmp_path: Path) -> None:
    table, measured = tables
    _, failed = expectations.check(table, measured.assign(mask_pixels=0, head=np.float64(0)), tmp_path)
    assert [line.split(" does not hold: ")[1] for line in failed] == [
        "Without tumour there is nothing to learn.",
        "Most slices show a head.",
    ]
