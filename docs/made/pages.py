"""The list of pages that are made from the code."""

from collections.abc import Callable
from pathlib import Path

from docs.made import artefacts, checks, commands, formats, metrics, params
from stages.core import atomic

PAGES: dict[str, Callable[[], str]] = {
    "params": params.page,
    "commands": commands.page,
    "artefacts": artefacts.page,
    "metrics": metrics.page,
    "checks": checks.page,
    "formats": formats.page,
}
"""By the name of its file in docs/reference/, without the suffix."""


def write(folder: Path) -> None:
    """Write every page into a folder, where it differs from what is there: Sphinx reads again what is new."""
    for name, page in PAGES.items():
        path, text = folder / f"{name}.md", page()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            atomic.text(text, path)
