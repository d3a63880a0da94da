"""The Data Docs of Great Expectations as a static, offline site."""

import datetime
import itertools
import re
import shutil
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

EPOCH = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
"""Run time written into the docs: an artefact holds no clock reading, or equal data would give unequal files.
"""

_STYLE = """<style>
body{font:15px/1.5 system-ui,sans-serif;margin:1.5rem auto;max-width:70rem;padding:0 1rem}
table{border-collapse:collapse;margin:.5rem 0}
td,th{border:1px solid #ccc;padding:.25rem .6rem;text-align:left}
.badge{border:1px solid #999;border-radius:.5rem;padding:0 .4rem;margin-right:.2rem}ul{padding-left:1.2rem}
.card:has(input[type=radio]){display:none}
@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}a{color:#8bf}}
</style>"""

_SOURCES = {"script": "src", "link": "href", "img": "src"}
"""Attributes by which a page loads other files."""


def settle(docs: Path) -> None:
    """Make the site offline and a pure function of the data.

    As built, its pages load scripts, styles and a time-stamped logo from seven hosts and carry random element
    ids.
    """
    for page in sorted(docs.rglob("*.html")):
        html = _offline(page.read_text(encoding="utf-8"))
        html = re.sub(r"url\(['\"]?https?://[^)]*\)", "none", html)
        html = re.sub(r"\b\d{8}T\d{6}\.\d{6}Z\b", EPOCH.strftime("%Y%m%dT%H%M%S.%fZ"), html)
        for number, name in enumerate(
            dict.fromkeys(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", html))
        ):
            html = html.replace(name, f"{number:08d}")
        page.write_text(html.replace("</head>", _STYLE + "</head>", 1), encoding="utf-8", newline="\n")
    shutil.rmtree(docs / "static", ignore_errors=True)  # fonts and animations of pages that are not built


def _offline(html: str) -> str:
    """A page without what it loads from elsewhere, and without its footer: newsletter and tutorials.

    `_STYLE` hides the filters that need the scripts.
    """
    cuts = _Cuts(html)
    edges = [0, *itertools.chain.from_iterable(cuts.spans), len(html)]
    return "".join(html[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))


class _Cuts(HTMLParser):
    """spans: start and end in the source of each element to be cut out, in order. The rest of the source
    stays as it is, which no library's writer of HTML would leave it.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.spans: list[tuple[int, int]] = []
        self._html = html
        self._lines = [0, *itertools.accumulate(len(line) + 1 for line in html.split("\n"))]
        self._open: tuple[str, int] | None = None  # tag and start of the script or footer that is being cut
        self.feed(html)
        self.close()

    def _place(self) -> int:
        line, column = self.getpos()
        return self._lines[line - 1] + column

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._open:
            return
        target = urlsplit(dict(attrs).get(_SOURCES.get(tag, "")) or "")
        if tag == "footer" or target.netloc or "static" in target.path.split("/"):
            start = self._place()
            if tag in ("link", "img"):
                self.spans.append((start, start + len(self.get_starttag_text() or "")))
            else:
                self._open = tag, start

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[0] == tag:
            self.spans.append((self._open[1], self._html.index(">", self._place()) + 1))
            self._open = None


def write_index(docs: Path, expected: int, failed: list[str], unlike: list[str]) -> None:
    """Write the site's first page. The one that Great Expectations builds lists its pages by a script from
    the network. failed, unlike: sentences.
    """
    pages = "".join(
        f'<li><a href="{escape(path.relative_to(docs).as_posix())}">{title} ({name})</a></li>'
        for title, folder in (("Validation result", "validations"), ("Expectations", "expectations"))
        for name in ("slices", "files")
        for path in sorted((docs / folder).rglob(f"*{name}.html"))
    )
    other = f"<p>Unlike the published set:</p>{_bullets(unlike)}" if unlike else ""
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Data Docs</title>{_STYLE}</head>'
        f"<body><h1>Data Docs</h1><p>{'Failed' if failed else 'Succeeded'}: "
        f"{expected - len(failed) - len(unlike)} of {expected} expectations hold.</p>"
        f"{_bullets(failed)}{other}<h2>Pages</h2><ul>{pages}</ul></body></html>\n"
    )
    (docs / "index.html").write_text(html, encoding="utf-8", newline="\n")


def _bullets(sentences: list[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(sentence)}</li>' for sentence in sentences)}</ul>"
