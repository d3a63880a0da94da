"""The HTML report: complete, self-contained, and safe against what the data call themselves."""

from html.parser import HTMLParser

import pytest

from stages.reporting import card, page
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


def test_many_findings_are_cut_and_counted(tmp_path):
    findings = [
        {"severity": "note", "check": "blank", "sample_id": f"s{number}", "explanation": "dark"}
        for number in range(page.MAX_FINDINGS + 3)
    ]
    html = render(tmp_path, findings=findings)
    assert "3 more in reports/validate/findings.csv" in html
    assert f"s{page.MAX_FINDINGS - 1}<" in html
    assert f"s{page.MAX_FINDINGS}<" not in html


def test_no_finding(tmp_path):
    assert "No finding." in render(tmp_path)


def test_the_same_reports_give_the_same_page(tmp_path):
    assert render(tmp_path / "a") == render(tmp_path / "b")
