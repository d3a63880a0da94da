"""The commands of each page are run, in their order and in a clone of its own, or the page says why not."""

import re
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.docs import blocks, stand_ins
from tests.docs.blocks import RUN, Block
from tests.pipeline.import_graph import ROOT
from tests.pipeline.project import Project

PAGES = {path.relative_to(ROOT).as_posix(): blocks.read(path) for path in blocks.pages()}
TO_RUN = [page for page, listed in PAGES.items() if any(b.language in RUN and not b.not_run for b in listed)]
QUICK = ("docs/how-to/doctor.md",)
"""Pages whose commands need no trained model and take seconds; the others are run with `-m slow`."""
SHOWN = ("text", "yaml", "mermaid")
"""Languages of blocks that a reader reads."""
EVERY = [block for listed in PAGES.values() for block in listed]


@pytest.mark.parametrize("block", EVERY, ids=lambda block: block.where)
def test_a_block_is_run_or_says_why_not(block: Block) -> None:
    assert block.language in (*RUN, *SHOWN, "{toctree}"), "a block needs its language"
    if block.language not in RUN:
        assert not block.not_run, "what is not run needs no reason"
    if block.not_run:
        assert len(block.not_run.split()) >= 4, "a reason is a sentence"


@pytest.mark.parametrize("named", sorted(set(re.findall(r"tests/\S+\w", " ".join(b.not_run for b in EVERY)))))
def test_a_test_that_a_reason_names_is_there(named: str) -> None:
    assert (ROOT / named).exists()


@pytest.mark.parametrize("page", PAGES)
def test_yaml_can_be_read(page: str) -> None:
    for block in PAGES[page]:
        if block.language == "yaml":
            assert YAML(typ="safe", pure=True).load(block.source)


def test_a_page_is_read_as_it_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(
        "# A\n\n```bash\nls\n```\n\n<!--- prepare: bash\ncd ..\n-->\n\n"
        "<!--- not-run: it needs a GPU of yours -->\n\n```bash\nrun it\n```\n\n```text\nout\n```\n"
    )
    assert blocks.read(page) == [
        Block("page.md", 3, "bash", "ls\n"),
        Block("page.md", 7, "bash", "cd ..\n"),
        Block("page.md", 13, "bash", "run it\n", "it needs a GPU of yours"),
        Block("page.md", 17, "text", "out\n"),
    ]
    page.write_text("<!--- not-run: nothing follows -->\n")
    with pytest.raises(ValueError, match="no block follows"):
        blocks.read(page)


def test_output_is_compared_line_by_line() -> None:
    printed = "noise\ntest Dice 0.512 (95 % interval 0.4 to 0.61, 2 patients)\nreport: file:///tmp/a\n"
    shown = "test Dice 0.892 (95 % interval 0.870 to 0.909, 10 patients)\nreport: file:///…\n"
    assert missing(shown, printed) == []
    assert missing("report: file:///…/b\n", printed) == ["report: file:///…/b"]
    assert missing("test Dice: 0.892\n", printed) == ["test Dice: 0.892"]


def missing(shown: str, printed: str) -> list[str]:
    """Lines of a page's output that a run did not print. Any number stands for any other, since tiny scans
    have others, and … for any text.
    """
    lines = printed.splitlines()
    patterns = {
        line: re.sub(r"\d+(\\\.\d+)?", r"\\d+(\\.\\d+)?", re.escape(line).replace("…", ".*"))
        for line in shown.splitlines()
        if line.strip()
    }
    return [
        line for line, pattern in patterns.items() if not any(re.fullmatch(pattern, other) for other in lines)
    ]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained project and all that the pages find beside it."""
    folder = tmp_path_factory.mktemp("prepared")
    project = stand_ins.untrained(folder / "project")
    project.dvc("repro")
    project.commit("A trained model")
    stand_ins.beside(folder, project)
    published = Project.__new__(Project)
    published.root = folder / "published"
    shutil.copytree(project.root, published.root, symlinks=True)
    published.dvc("remote", "add", "-d", "beside", str(folder / "store"))
    published.commit("A remote that others reach")
    published.run("brainseg", "register", "v1.0.0")
    published.dvc("push")
    return folder


def run(page: str, project: Project) -> None:
    """Run a page's blocks, and hold what it shows to what was printed."""
    listed = PAGES[page]
    running = [block for block in listed if block.language in RUN and not block.not_run]
    printed = dict(zip(running, stand_ins.run(project, running), strict=True))
    for block, following in pairwise(listed):
        if following.language == "text" and block in printed:
            assert missing(following.source, printed[block]) == [], (
                f"{following.where} shows what was not printed"
            )


@pytest.mark.parametrize("page", [page for page in TO_RUN if page in QUICK])
def test_quick_pages(page: str, tmp_path: Path) -> None:
    run(page, stand_ins.untrained(tmp_path / "project"))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("page", [page for page in TO_RUN if page not in QUICK])
def test_pages(page: str, prepared: Path, tmp_path: Path) -> None:
    shutil.copytree(prepared, tmp_path / "beside", symlinks=True)
    project = Project.__new__(Project)
    project.root = tmp_path / "beside" / "project"
    run(page, project)
