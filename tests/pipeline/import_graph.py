"""Which module of the project imports which, read from the source without running it."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def file_of(module: str) -> Path | None:
    """File of a module of this project, relative to its root; None for anything else."""
    path = ROOT / Path(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.exists():
            return candidate.relative_to(ROOT)
    return None


def imported_by(file: Path) -> set[Path]:
    """Files of this project that `file` imports anywhere in it, also inside functions."""
    found: set[Path] = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} uses a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names] + [str(node.module)]
        for name in names:
            parts = name.split(".")
            if parts[0] != "stages":
                continue
            # Importing a module runs every package above it.
            for length in range(1, len(parts) + 1):
                path = file_of(".".join(parts[:length]))
                if path is not None:
                    found.add(path)
    return found


def reached_from(file: Path) -> set[Path]:
    """Files that running `file` imports, directly or not, itself included."""
    seen, waiting = set(), [file]
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen.add(current)
            waiting += imported_by(current)
    return seen
