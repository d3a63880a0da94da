"""The HTML report: complete, self-contained, and safe against what the data call themselves."""

import base64
import hashlib
import re
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from stages.checks.catalogue import CHECKS
from stages.project.paths import Paths
from stages.reporting import page, results
from stages.scoring.groups import Group
from stages.scoring.sites import Sites
from tests.fixtures import reports

EVIL = '"><script>alert("x")</script>'
CARD = "# A model\n\n## Intended use\n\n| metric | value |\n| --- | --- |\n| Dice | 0.8 |\n"


class Page(HTMLParser):
    """Tags with their attributes, and the text."""

    VOID = ("meta", "img", "br", "link", "hr", "input")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.text += f" {data}"

    @property
    def words(self) -> Any:
        return " ".join(self.text.split())

    def all(self, tag: str) -> Any:
        return [attributes for name, attributes in self.tags if name == tag]


def render(
    root: Path,
    regions: bool = False,
    leaky: bool = False,
    int8: bool | None = True,
    card_text: str = CARD,
    ttas: tuple[str, ...] = ("none", "flip"),
    sites: Sites | None = None,
    **of_folder: Any,
) -> str:
    evaluated = reports.evaluated(regions, leaky, ttas=ttas)
    paths = reports.folder(root, evaluated, reports.exported(int8), **of_folder)
    return page.render(paths, card_text, reports.lineage(), "tumour", sites)


@pytest.mark.parametrize(
    ("regions", "leaky", "int8"), [(False, False, True), (True, False, False), (False, True, None)]
)
def test_variants(tmp_path: Path, regions: bool, leaky: bool, int8: bool | None) -> None:
    parsed = Page(render(tmp_path, regions, leaky, int8))
    assert parsed.open == []
    words = parsed.words
    assert words.count("LEAKY test Dice 0.812") == leaky
    assert ("on patients that were not trained on" in words) is not leaky
    assert ("every number below measures leakage" in words) is leaky
    assert ("train and test 2 2" in words) is leaky
    assert ("train and test 0 0" in words) is not leaky
    row = "volume Dice 0.812 0.701 to 0.904"
    assert (f"{row} 0.812 0.701 to 0.904 0.654 0.701 to 0.904" in words) is regions
    assert row in words
    assert ("ONNX int8, not shipped" in words) is (int8 is False)
    assert ("ONNX int8" in words) is (int8 is not None)
    assert "95 % Hausdorff distance (mm, lower is better) 6.54 5.89 to 7.19" in words
    assert "Here 1 without tumour, 2 without prediction, 1 of these without both." in words
    assert f"split {'5b' * 32} weights {'a1' * 32}" in words
    assert "encoder_weights null" in words


def test_a_test_set_without_anything_to_find_is_told_of_as_loudly_as_a_leak(tmp_path: Path) -> None:
    evaluated = reports.evaluated()
    for name, empty in (("all", 22), ("some", 2)):
        evaluated["test"]["empty_patients"] = empty
        paths = reports.folder(tmp_path / name, evaluated, reports.exported())
        html = page.render(paths, "", reports.lineage(), "tumour")
        assert ('<p class="headline leaky">NOTHING TO FIND test Dice' in html) is (name == "all")
        assert ("; 2 of 22 test patients have no labelled pixel" in html) is (name == "some")


def test_conventions_with_and_without_flips(tmp_path: Path) -> None:
    words = Page(render(tmp_path / "both")).words
    assert "convention Dice IoU Dice without flips Dice with flips each patient's volume" in words
    assert "all voxels of all patients pooled 0.880 0.790 0.880 0.880" in words
    assert "mean over slices with tumour – – – –" in words
    alone = Page(render(tmp_path / "one", ttas=("flip",))).words
    assert "convention Dice IoU Dice with flips each patient's volume" in alone
    assert (
        "Buda, Saha and Mazurowski 2019, arXiv 1906.03720 LGG, 110 patients Dice 0.82 each patient's" in alone
    )


def test_nothing_is_fetched_and_one_script_may_run(tmp_path: Path) -> None:
    html = render(tmp_path)
    parsed = Page(html)
    for _, attributes in parsed.tags:
        for name in {"src", "href", "srcset", "action", "poster", "data"} & set(attributes):
            assert re.match(r"data:|#|validate/data_docs/index\.html$", attributes[name])
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(one["content"] for one in parsed.all("meta") if "http-equiv" in one)
    assert policy.startswith("default-src 'none'; img-src data:; ")
    assert f"script-src 'sha256-{digest}'" in policy
    assert {tag for tag, _ in parsed.tags}.isdisjoint({"iframe", "object", "embed", "base", "form"})
    assert [one["href"] for one in parsed.all("link")] == ["data:,"]
    assert "url(" not in html
    assert "@import" not in html
    assert "://" not in html


def test_every_picture_has_a_text_and_every_part_a_name(tmp_path: Path) -> None:
    parsed = Page(render(tmp_path))
    assert all(one["alt"].strip() for one in parsed.all("img"))
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {one["aria-labelledby"] for one in parsed.all("section")} <= set(ids)
    assert {one["href"][1:] for one in parsed.all("a") if one["href"].startswith("#")} <= set(ids)
    assert all(one["aria-label"] for one in parsed.all("input"))
    assert all(one["aria-label"] for _, one in parsed.tags if one.get("role") == "region")
    assert all(one["scope"] in ("col", "row") for one in parsed.all("th") if one)
    levels = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_names_from_the_data_stay_text(tmp_path: Path) -> None:
    finding = {"severity": EVIL, "check": EVIL, "sample_id": EVIL, "file": EVIL, "explanation": EVIL}
    suspect = {"sample_id": EVIL, "case_id": EVIL, "split": EVIL, "region": EVIL, "label_says": EVIL}
    text = f"{CARD}\n{EVIL} ![x](http://evil.example/x.png) <img src=http://evil.example>"
    html = render(
        tmp_path,
        card_text=text,
        case_id=EVIL,
        findings=[finding],
        suspects=[{**suspect, "probability": 0.99, "ml": 1.5, "pixels": 9}],
    )
    parsed = Page(html)
    assert len(parsed.all("script")) == 1
    assert parsed.text.count(EVIL) >= 10
    assert not [one for one in parsed.all("img") if "evil" in one["src"]]
    assert any(one.get("aria-label") == f"Slice of {EVIL}" for one in parsed.all("input"))


def found(check: str, severity: str, count: int) -> list[dict[str, str]]:
    return [
        {
            "severity": severity,
            "check": check,
            "sample_id": f"{check}{n}",
            "file": "a.tif",
            "explanation": "dark",
        }
        for n in range(count)
    ]


def test_findings_are_told_by_check_in_words_the_worst_first_and_cut(tmp_path: Path) -> None:
    findings = [*found("blank", "info", page.EACH + 3), *found("mask_size", "critical", 1)]
    html = render(tmp_path, findings=findings)
    words = Page(html).words
    assert "3 more in reports/validate/findings.csv" in html
    assert f"blank{page.EACH - 1}<" in html
    assert f"blank{page.EACH}<" not in html
    assert f"{CHECKS['mask_size'].title} critical, 1 {CHECKS['mask_size'].reason} " in words
    assert f"{CHECKS['blank'].title} info, 8 Threshold 0.01. {CHECKS['blank'].reason}" in words
    assert words.index(CHECKS["mask_size"].title) < words.index(CHECKS["blank"].title)


def test_pictures_of_findings_are_shown_with_their_slices(tmp_path: Path) -> None:
    examples = Paths(tmp_path).examples
    examples.mkdir(parents=True)
    cv2.imwrite(str(examples / "blank-1.png"), np.zeros((4, 4, 3), np.uint8))
    html = render(tmp_path, findings=found("blank", "info", 3))
    assert html.count('alt="blank1, and with its label outlined"') == 1
    assert html.count("and with its label outlined") == 1


def test_no_finding_and_no_suspicion(tmp_path: Path) -> None:
    words = Page(render(tmp_path)).words
    assert "No finding." in words
    assert "None: nowhere does a sure model contradict the label." in words


def test_suspicious_labels_are_listed_and_cut(tmp_path: Path) -> None:
    about = {"case_id": "c", "split": "val", "region": "tumour", "label_says": "none", "pixels": 9}
    suspects = [
        {**about, "sample_id": f"s{n}", "ml": 50.0 - n, "probability": 0.97}
        for n in range(results.LISTED + 2)
    ]
    words = Page(render(tmp_path, suspects=suspects)).words
    assert "s0 val tumour none 0.970 50.00 s1 val" in words
    assert f"s{results.LISTED - 1} val" in words
    assert f"s{results.LISTED} val" not in words
    assert "; 2 more in reports/evaluate/suspects.csv" in words


@pytest.mark.parametrize("more", [0, 2])
def test_of_very_many_cases_the_worst_are_listed(tmp_path: Path, more: int) -> None:
    html = render(tmp_path, cases=results.CASES + more)
    assert html.count('<th scope="row">case') == results.CASES
    last = f'<th scope="row">case{results.CASES - 1}</th>'
    assert last in html
    assert ("Every test case" in html) == (not more)
    assert ("2 more in reports/evaluate/per_case.csv" in html) == bool(more)
    assert f"A {results.CASES // 2 + more // 2} " in Page(html).words  # of all cases


def test_sites_worst_first(tmp_path: Path) -> None:
    # Cases 0, 0.3, 0.6, 0.9 are of the sites A, B, A, B.
    words = Page(render(tmp_path, cases=4)).words
    assert "by group patients mean Dice interval worst" in words
    assert "site A 2 0.300 too few 0.000 site B 2 0.600 too few 0.300" in words


@pytest.mark.parametrize("same", [True, False])
def test_sites_by_networks_that_have_not_seen_them(tmp_path: Path, same: bool) -> None:
    unseen = [Group("site", "B<", 9, 0.4321, 0.1, 0.3, 0.5), Group("site", "C", 2, 0.7, 0.6, None, None)]
    words = Page(render(tmp_path, cases=4, sites=Sites(unseen, "size 64, channels all", same))).words
    assert "Sites that were not trained on" in words
    assert "B< 9 0.432 0.300 to 0.500 0.100 C 2 0.700 too few 0.600" in words
    assert ("by the recipe of this model" in words, "by other params of training than" in words) == (
        same,
        not same,
    )
    assert "prepared with size 64, channels all." in words
    assert "brainseg ensemble" not in words


def test_without_them_the_way_to_measure_sites_is_named(tmp_path: Path) -> None:
    words = Page(render(tmp_path, cases=4)).words
    assert "Sites that were not trained on" not in words
    assert "folds that are sites ( split.strategy: site ) and then brainseg ensemble score each site" in words


def test_a_film_tells_each_slice_and_begins_where_most_tumour_is(tmp_path: Path) -> None:
    html = render(tmp_path, regions=True)
    films = [one for one in Page(html).all("figure") if one.get("class") == "film"]
    assert len(films) == 3
    assert films[0]["style"] == "--frames:5;--at:3"
    assert unescape(films[0]["data-frames"]).count("slice 1") == 5
    assert "<output>slice 13: 36 pixels found, 0 missed, 0 false alarm</output>" in html
    assert "1. case00, Dice 0.000" in html
    assert "2. case01, Dice 0.300" in html


def test_headings_of_the_card_are_below_its_section(tmp_path: Path) -> None:
    html = render(tmp_path)
    assert "<h3>A model</h3>" in html
    assert "<h4>Intended use</h4>" in html


def test_under_five_megabytes_even_of_noise(tmp_path: Path) -> None:
    folder = Paths(tmp_path).examples
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    checks = list(CHECKS)
    for check in checks:
        for number in range(3):
            noise = random.normal(100, 25, (240, 480, 3)).clip(0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / f"{check}-{number}.png"), cv2.GaussianBlur(noise, (3, 3), 0))
    findings = [one for check in checks for one in found(check, "warning", 30)]
    html = render(tmp_path, findings=findings, cases=125, side=160, seed=0)
    assert html.count("data:image/webp") == 3 * len(checks) + 2 * 12 + 1
    assert 1_000_000 < len(html.encode()) < 5_000_000


def test_the_same_reports_give_the_same_page(tmp_path: Path) -> None:
    assert render(tmp_path / "a") == render(tmp_path / "b")
