"""Data Docs: a site without network or clock, whose pages are otherwise as they were built."""

import datetime
import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.checks import expectations, site
from tests.fixtures.flaws import FILES


@pytest.fixture(scope="module")
def docs(measurements: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    assert expectations.check(measurements, FILES, folder) == (22, [])
    return folder


def test_two_builds_are_the_same_bytes(measurements: pd.DataFrame, docs: Path, tmp_path: Path) -> None:
    expectations.check(measurements, FILES, tmp_path)
    built = [
        {p.relative_to(d).as_posix(): p.read_bytes() for p in d.rglob("*") if p.is_file()}
        for d in (docs, tmp_path)
    ]
    assert len(built[0]) == 5
    assert built[0] == built[1]


def test_the_site_needs_no_network_and_knows_no_clock_and_no_folder(docs: Path) -> None:
    today = datetime.datetime.now(datetime.UTC)
    for page in docs.rglob("*"):
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
            assert str(docs) not in html
    assert (docs / "index.html").is_file()


def test_every_link_inside_the_site_leads_somewhere(docs: Path) -> None:
    links = 0
    for page in docs.rglob("*.html"):
        for target in re.findall(
            r"href\s*=\s*\"([^\"#:]+?)(?:[?#][^\"]*)?\"", page.read_text(encoding="utf-8")
        ):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
            links += 1
    assert links >= 2
    first = (docs / "index.html").read_text(encoding="utf-8")
    for folder in ("validations", "expectations"):
        for page in (docs / folder).rglob("*.html"):
            assert f'href="{page.relative_to(docs).as_posix()}"' in first


KEPT = (
    "<p>a &amp; b &nbsp;<br/></p>\n",
    "<script>if (1 < 2) {'<link href=\"https://x.example/a.css\">'}</script>",
    '<img alt="here" src="data:image/png;base64,AA==">',
    '<a href="https://x.example/">away</a>',
    "<P CLASS = x >loud\u2028</P >",
    "<!-- <footer> -->\n",
)
LOADED = (
    '<script src="https://x.example/a.js" crossorigin="anonymous">x < y</script>',
    "<SCRIPT SRC='//x.example/a.js'>\n</SCRIPT >",
    '<link rel="stylesheet"\n href="http://x.example/a.css">',
    '<link href="../../static/favicon.ico"/>',
    '<img\n  src="https://x.example/logo.png" alt=">"\n/>',
    "<footer><p>news <a href='https://x.example/'>now</a></p>\n</footer>",
    '<footer><img src="https://x.example/a.png"><script src="//x.example/a.js"></script></footer>',
)


@settings(max_examples=100)
@given(parts=st.lists(st.sampled_from(KEPT + LOADED), max_size=12))
def test_what_a_page_loads_is_cut_out_and_the_rest_stays_to_the_byte(parts: list[str]) -> None:
    assert site._offline("".join(parts)) == "".join(part for part in parts if part in KEPT)
