"""Write to a temporary sibling, then rename: a killed process leaves nothing that looks finished."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SIGNIFICANT = 6
"""Digits after the point in metrics files; differences below it are noise to a reader of `dvc metrics diff`.
"""


def _sibling(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    for left_over in path.parent.glob(f".{path.name}.part-*"):  # of an earlier process that was killed
        shutil.rmtree(left_over) if left_over.is_dir() else left_over.unlink()
    return path.with_name(f".{path.name}.part-{os.getpid()}")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def directory(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder that becomes `path` when the block ends well; else it is removed."""
    part = _sibling(path)
    part.mkdir()
    try:
        yield part
        _remove(path)
        part.rename(path)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


@contextmanager
def file(path: Path) -> Iterator[Path]:
    """Yield a temporary file name that becomes `path` when the block ends well; else it is removed."""
    part = _sibling(path)
    try:
        yield part
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def text(content: str, path: Path) -> None:
    """Write `content` as UTF-8 with Unix line ends."""
    with file(path) as part:
        part.write_text(content, encoding="utf-8", newline="\n")


def json_file(value: Any, path: Path) -> None:
    """Write `value` as indented JSON; NaN and infinity are refused (ValueError), they are not JSON."""
    text(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n", path)


def metrics(value: dict[str, Any], path: Path) -> None:
    """Write a metrics file for DVC: numbers rounded to `SIGNIFICANT` digits, undefined ones as null."""
    json_file(_rounded(value), path)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, float):
        return round(value, SIGNIFICANT) if value == value and abs(value) != float("inf") else None
    return value
