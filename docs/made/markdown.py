"""Texts of the code as Markdown that MyST reads as they are meant."""

from collections.abc import Iterable

from stages.core import tables


def table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Rows of cells under their columns' names."""
    return tables.markdown(columns, [[_cell(text) for text in row] for row in rows])


def prose(text: str) -> str:
    """A text in which nothing begins a tag of HTML; what stands between backticks is left as it is."""
    return "`".join(part if n % 2 else part.replace("<", "\\<") for n, part in enumerate(text.split("`")))


def joined(parts: Iterable[str]) -> str:
    """Paragraphs, with an empty line between them."""
    return "\n\n".join(part for part in parts if part) + "\n"


def _cell(text: str) -> str:
    """A text on one line, in which no sign ends the cell."""
    return prose(" ".join(text.replace("|", "\\|").split()))
