"""Which code a stage is made of: the rooms, folders of stages/, that its script reaches by imports.

Read from the source without running it, so that `brainseg train`, `python -m stages.train` and a call from a
notebook agree. dvc.yaml lists the same folders; a test holds it to that.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
UNTRACKED = {"project", "registry"}
"""Rooms whose code decides no result: what reaches a stage through them is the values of its params, the
paths of its deps and outs, which DVC tracks by themselves, and a model whose hash is kept. A new key
elsewhere must not retrain a model.
"""


def rooms(stage: str) -> list[Path]:
    """Script and folders of a stage below `PACKAGE`, sorted."""
    reached = closure(PACKAGE / f"{stage}.py")
    parts = {path.relative_to(PACKAGE).parts[0] for path in reached if path.name != "__init__.py"}
    return sorted(PACKAGE / part for part in parts - UNTRACKED)


@cache
def digest() -> str:
    """Hash of all code of this package."""
    hashed = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        hashed.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return hashed.hexdigest()


def closure(file: Path) -> set[Path]:
    """Files of this package that running `file` imports, directly or not, itself included."""
    reached: set[Path] = set()
    waiting = {file}
    while waiting:
        reached |= waiting
        waiting = set().union(*map(imported_by, waiting)) - reached
    return reached


@cache
def imported_by(file: Path) -> frozenset[Path]:
    """Files of this package that `file` imports anywhere in it, also inside functions."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return frozenset(path for module in modules for path in _files(module))


def _files(module: str) -> list[Path]:
    """The file of a module of this package, and those of the packages above it, which importing it runs."""
    name, *parts = module.split(".")
    if name != PACKAGE.name:
        return []
    folders = [PACKAGE.joinpath(*parts[:depth]) / "__init__.py" for depth in range(len(parts) + 1)]
    file = PACKAGE.joinpath(*parts).with_suffix(".py")
    return [path for path in (*folders, file) if path.is_file()]
