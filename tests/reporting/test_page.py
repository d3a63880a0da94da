"""The HTML report: complete, self-contained, and safe against what the data call themselves."""

from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from stages.reporting import card, page
from stages.slices.catalogue import CHECKS
from tests.fixtures import reports

EVIL = '<script>alert("x")</script>'


class Page(HTMLParser):
    """Tags, what they refer to, and the text."""

    VOID = ("meta", "img", "br", "link", "hr", "input")

    def __init__(self, html):
        super().__init__()
        self.tags, self.references, self.text, self.open = [], [], "", []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.references += [value for name, value in attrs if name in ("src", "href", "srcset", "action")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def render(root, regions=False, leaky=False, int8=True, card_text="", **of_folder):
    folder = reports.folder(root, reports.evaluated(regions, leaky), reports.exported(int8), **of_folder)
    text = card_text or card.render(
        reports.model(regions),
        reports.decision(regions),
        reports.meta(),
        reports.evaluated(regions, leaky),
        reports.exported(int8),
    )
    return page.render(folder, text)


@pytest.mark.parametrize(
    ("regions", "leaky", "int8"), [(False, False, True), (True, False, False), (False, True, None)]
)
def test_variants(tmp_path, regions, leaky, int8):
    html = render(tmp_path, regions, leaky, int8)
    parsed = Page(html)
    assert parsed.open == []
    text = " ".join(parsed.text.split())
    assert text.count("LEAKY test Dice 0.812") == leaky
    assert ("on patients that were not trained on" in text) is not leaky
    assert ("every number below measures leakage" in text) is leaky
    assert ("core0.6540.7010.904" in parsed.text.replace("\n", "")) is regions
    assert ("ONNX int8, not shipped" in text) is (int8 is False)
    assert ("ONNX int8" in text) is (int8 is not None)
    assert "95 % Hausdorff distance (mm)6.5" in text
    assert "positive slice Dice–" in text
    assert html.count('<img src="data:image/png;base64,') == 2
    assert html.count('<img class="plot" src="data:image/png;base64,') == 5


def test_nothing_is_fetched(tmp_path):
    html = render(tmp_path)
    parsed = Page(html)
    assert all(
        reference.startswith(("data:image/png;base64,", "#")) or reference == "validate/data_docs/index.html"
        for reference in parsed.references
    )
    assert not {"script", "link", "iframe", "object"} & set(parsed.tags)
    assert "url(" not in html
    assert "@import" not in html
    assert "http" not in html


def test_names_from_the_data_stay_text(tmp_path):
    finding = {"severity": EVIL, "check": EVIL, "sample_id": EVIL, "explanation": EVIL}
    text = card.render(
        reports.model(channels=[EVIL, "![x](http://evil.example/x.png)", "<img src=http://evil.example>"]),
        reports.decision(),
        reports.meta(),
        reports.evaluated(),
        reports.exported(),
    )
    html = render(tmp_path, card_text=text, case_id=EVIL, findings=[finding])
    parsed = Page(html)
    assert "script" not in parsed.tags
    assert parsed.text.count(EVIL) >= 5
    assert not [reference for reference in parsed.references if "evil" in reference]


def found(check, severity, count):
    return [
        {"severity": severity, "check": check, "sample_id": f"{check}{n}", "explanation": "dark"}
        for n in range(count)
    ]


def test_findings_are_told_by_check_in_words_the_worst_first_and_cut(tmp_path):
    findings = [*found("blank", "info", page.EACH + 3), *found("mask_size", "critical", 1)]
    html = render(tmp_path, findings=findings)
    text = " ".join(Page(html).text.split())
    assert "3 more in reports/validate/findings.csv" in html
    assert f"blank{page.EACH - 1}<" in html
    assert f"blank{page.EACH}<" not in html
    first = f"{CHECKS['mask_size'].title} critical, 1 {CHECKS['mask_size'].reason} "
    assert first in text
    assert f"{CHECKS['blank'].title} info, 8 Threshold 0.01. {CHECKS['blank'].reason}" in text
    assert text.index(CHECKS["mask_size"].title) < text.index(CHECKS["blank"].title)


def test_pictures_of_findings_are_shown_with_their_slices(tmp_path):
    (tmp_path / "validate" / "examples").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "validate/examples/blank-1.png"), np.zeros((4, 4, 3), np.uint8))
    html = render(tmp_path, findings=found("blank", "info", 3))
    assert html.count('alt="blank1, and with its label outlined"') == 1
    assert html.count("and with its label outlined") == 1


def test_no_finding(tmp_path):
    assert "No finding." in render(tmp_path)


def test_the_same_reports_give_the_same_page(tmp_path):
    assert render(tmp_path / "a") == render(tmp_path / "b")
