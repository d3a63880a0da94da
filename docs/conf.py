"""The site, by Sphinx: `make docs` builds it into docs/_build/html, where it needs no network."""

import re
import shutil
import sys
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

from docs.made import pages, rooms  # noqa: E402  # which the line above lets be found

project = "brainseg"
copyright = "the authors of brainseg, Apache-2.0"
extensions = ["myst_parser"]
myst_heading_anchors = 3
nitpicky = True
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "brainseg"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False

ELSEWHERE = ("CHANGELOG.md", "reports/ablation.md", "reports/trials.md")
"""Pages of the repository that lie outside of docs/. The site has them under the same names."""


def setup(app: Sphinx) -> None:
    """Make the pages that are no files of docs/ before Sphinx looks for pages."""
    app.connect("builder-inited", make_pages)
    app.connect("source-read", lead_inside)


def make_pages(app: Sphinx) -> None:
    """Pages made from the code, and copies of those that lie elsewhere."""
    pages.write(HERE / "reference")
    rooms.draw((HERE / "architecture.md").read_text(encoding="utf-8"), HERE / "rooms.svg")
    for name in ELSEWHERE:
        target = HERE / name
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, target)


def lead_inside(app: Sphinx, page: str, source: list[str]) -> None:
    """Links to these pages lead to the site's copies, while in the repository they lead to the originals;
    and the picture of the rooms is one without a script.
    """
    source[0] = rooms.MERMAID.sub("![The rooms, and which uses which](rooms.svg)\n", source[0])
    names = "|".join(map(re.escape, ELSEWHERE))
    source[0] = re.sub(rf"\]\(((?:\.\./)*)\.\./({names})", r"](\1\2", source[0])
