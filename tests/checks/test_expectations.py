"""The Great Expectations suite and its Data Docs: what they catch, and a site without network or clock."""

import dataclasses
import datetime
import re
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.checks import expectations, findings, statistics
from stages.core import manifest
from stages.sources import lgg
from stages.sources.cards import CARDS
from tests.fixtures import scans


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Manifest and measurements of two patients with three good slices each."""
    root = tmp_path_factory.mktemp("scans")
    scans.write_lgg(root, patients=2, slices=3)
    table = manifest.from_records(lgg.find(root).records).assign(source="sample")
    measured = statistics.measure(root, table.to_dict("records"))
    return findings.measured(table, measured).drop(columns="placement")


FILES = pd.DataFrame({"file": ["a.tif", "b.tif"], "used": [True, True]})


@pytest.fixture(scope="module")
def site(rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    docs = tmp_path_factory.mktemp("docs")
    assert expectations.check(rows, FILES, docs) == (22, [])
    return docs


def page(docs: Path, name: str) -> str:
    """A validation result, or the first page, as one line of text."""
    (path,) = docs.glob(name) if name == "index.html" else docs.glob(f"validations/{name}/**/*.html")
    text = re.sub(r"<style.*?</style>|<script.*?</script>", "", path.read_text(encoding="utf-8"), flags=re.S)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", text)))


def test_two_builds_are_the_same_bytes(rows: pd.DataFrame, site: Path, tmp_path: Path) -> None:
    expectations.check(rows, FILES, tmp_path)
    built = [
        {p.relative_to(d).as_posix(): p.read_bytes() for p in d.rglob("*") if p.is_file()}
        for d in (site, tmp_path)
    ]
    assert len(built[0]) == 5
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
        ({"image_problem": "x"}, "in_set of image_problem does not hold: Every image can be read."),
        ({"mask_problem": "x"}, "in_set of mask_problem does not hold: Every image has a readable mask."),
        ({"finite": False}, "in_set of finite does not hold: No NaN, no infinity."),
        ({"mask_matches": False}, "in_set of mask_matches does not hold: Mask and image agree in size."),
        (
            {"label_problem": "no"},
            "in_set of label_problem does not hold: A mask holds only labels that are known.",
        ),
        ({"label_kind": "line"}, "in_set of label_kind does not hold: No other labels can be read."),
        ({"width": 9}, "between of width does not hold: Pixels."),
        ({"mask_pixels": 4087}, "between of tumour_share does not hold: No tumour fills half a picture."),
    ],
)
def test_one_bad_slice_fails_one_expectation_and_is_named(
    rows: pd.DataFrame, tmp_path: Path, change: dict[str, object], sentence: str
) -> None:
    spoilt = rows.copy()
    for name, value in change.items():
        spoilt.loc[2, name] = value
    assert expectations.check(spoilt, FILES, tmp_path) == (22, [f"expect_column_values_to_be_{sentence}"])
    assert f"Failed: 19 of 22 expectations hold. expect_column_values_to_be_{sentence} " in page(
        tmp_path, "index.html"
    )
    bad = rows.loc[2]
    assert f" 1 {bad['sample_id']} {bad['image']} {bad['mask']} " in page(tmp_path, "slices")


def test_of_many_bad_slices_the_first_ten_are_named(rows: pd.DataFrame, tmp_path: Path) -> None:
    many = pd.concat([rows] * 40, ignore_index=True).assign(image_problem="it is empty")
    many = many.assign(sample_id=[f"s{k:03d}" for k in many.index])
    expectations.check(many, FILES, tmp_path)
    found = re.findall(r"it is empty 240 (.*?) \. \. \. ", page(tmp_path, "slices").replace("...", ". . . "))
    assert found
    assert re.findall(r"s\d{3}", found[0]) == [f"s{k:03d}" for k in range(10)]


def test_sets_without_tumour_or_head_fail(rows: pd.DataFrame, tmp_path: Path) -> None:
    _, failed = expectations.check(rows.assign(mask_pixels=0, head=np.float64(0)), FILES, tmp_path)
    assert failed == [
        "expect_column_mean_to_be_between of has_tumour does not hold (found 0.0): "
        "Without tumour there is nothing to learn.",
        "expect_column_values_to_be_between of head does not hold: Most slices show a head.",
    ]


def test_a_scan_that_no_row_names_fails_and_is_named(rows: pd.DataFrame, tmp_path: Path) -> None:
    files = pd.DataFrame({"file": ["a.tif", "lost.tif", "b.tif"], "used": [True, False, True]})
    count, failed = expectations.check(rows, files, tmp_path)
    sentence = "expect_column_values_to_be_in_set of used does not hold: "
    assert (count, failed) == (22, [sentence + "Every scan belongs to a slice of the manifest."])
    assert "False 1 lost.tif" in page(tmp_path, "files")
    assert failed[0] in page(tmp_path, "index.html")


SO = "The published set (Buda et al., Computers in Biology and Medicine 109 (2019)) is so."


def test_what_is_unlike_the_published_set_is_told_in_the_docs_alone(
    rows: pd.DataFrame, tmp_path: Path
) -> None:
    spoilt = rows.assign(source="lgg", channels=1, lowest=-1.0, highest=256.0)
    assert expectations.check(spoilt, FILES, tmp_path) == (24, [])
    first = page(tmp_path, "index.html")
    assert "Succeeded: 17 of 24 expectations hold. Unlike the published set:" in first
    for told in (
        "expect_table_row_count_to_equal of the table does not hold (found 6)",
        "expect_column_unique_value_count_to_be_between of patient_id does not hold (found 2)",
        "expect_column_values_to_be_in_set of width does not hold",
        "expect_column_values_to_be_in_set of height does not hold",
        "expect_column_values_to_be_in_set of channels does not hold",
        "expect_column_values_to_be_between of lowest does not hold",
        "expect_column_values_to_be_between of highest does not hold",
    ):
        assert f"{told}: {SO}" in first
    assert "Must have exactly 3929 rows." in page(tmp_path, "slices")


@pytest.mark.parametrize(("source", "count"), [("sample", 22), ("coco", 23), ("pairs", 23), ("brats", 22)])
def test_every_source_has_its_card(rows: pd.DataFrame, tmp_path: Path, source: str, count: int) -> None:
    """Of volumes, which have any numbers, no range is expected."""
    assert expectations.check(rows.assign(source=source), FILES, tmp_path) == (count, [])
    first = page(tmp_path, "index.html")
    assert "Unlike the published set: expect_" in first
    assert f"The published set ({CARDS[source].about}) is so." in first


def test_a_set_like_the_published_one(
    rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = dataclasses.replace(CARDS["lgg"], slices=6, patients=2, sides=(64, 128))
    monkeypatch.setitem(CARDS, "lgg", card)
    assert expectations.check(rows.assign(source="lgg"), FILES, tmp_path) == (24, [])
    first = page(tmp_path, "index.html")
    assert "Succeeded: 24 of 24 expectations hold." in first
    assert "Unlike" not in first
