"""Which module of the project imports which, as paths relative to its root."""

from pathlib import Path

from stages.core import code

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "stages"


def imported_by(file: Path) -> set[Path]:
    """Files of this project that `file` imports anywhere in it, also inside functions."""
    return {path.relative_to(ROOT) for path in code.imported_by(ROOT / file)}


def reached_from(file: Path) -> set[Path]:
    """Files that running `file` imports, directly or not, itself included."""
    return {path.relative_to(ROOT) for path in code.closure(ROOT / file)}
