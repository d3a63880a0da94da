"""Blocks of the pages in docs/: what is to be run, in which order, and why the others are not."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sybil import Document, Region
from sybil.parsers.markdown.lexers import DirectiveInHTMLCommentLexer, FencedCodeBlockLexer

from tests.pipeline.import_graph import ROOT

RUN = ("bash", "python", "diff")
"""Languages of blocks that a reader runs, or applies to the code."""


@dataclass(frozen=True)
class Block:
    """A fenced block, or, hidden from readers, a comment `<!--- prepare: bash` for what they have already.

    not_run: the reason that a comment `<!--- not-run: reason -->` before it gives; "" where it is run.
    """

    page: str
    line: int
    language: str
    source: str
    not_run: str = ""

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """README.md and every page of docs/ that a person wrote."""
    made = {path.stem for path in (ROOT / "docs" / "made").glob("*.py")}
    written = [
        path
        for path in sorted((ROOT / "docs").rglob("*.md"))
        if "_build" not in path.parts
        and path.parent.name != "reports"
        and path.name != "CHANGELOG.md"
        and not (path.parent.name == "reference" and path.stem in made)
    ]
    return [ROOT / "README.md", *written]


def read(path: Path) -> list[Block]:
    """The blocks of a page in their order. Raises ValueError for a reason that no block follows."""
    page = path.relative_to(ROOT).as_posix()
    text = path.read_text(encoding="utf-8")
    blocks: list[Block] = []
    reason = ""
    for region in sorted(_regions(Document(text, str(path))), key=lambda region: region.start):
        line = text.count("\n", 0, region.start) + 1
        source = str(region.lexemes["source"])
        if region.lexemes.get("directive") == "not-run":
            if reason:
                raise ValueError(f"{page}:{line}: no block follows the reason before this one")
            reason = region.lexemes["arguments"].strip()
            continue
        hidden = region.lexemes.get("directive") == "prepare"
        language = region.lexemes["arguments" if hidden else "language"].strip()
        blocks.append(Block(page, line, language, source, "" if hidden else reason))
        reason = "" if not hidden else reason
    if reason:
        raise ValueError(f"{page}: no block follows the reason {reason!r}")
    return blocks


def _regions(document: Document) -> Iterator[Region]:
    yield from FencedCodeBlockLexer(r"[^\n]*")(document)
    for directive in ("not-run", "prepare"):
        yield from DirectiveInHTMLCommentLexer(directive, ".+?")(document)
