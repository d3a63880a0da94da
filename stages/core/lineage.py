"""Hashes that say what a model was made from."""

import hashlib
import json
from pathlib import Path
from typing import Any


def key(params: dict[str, Any], inputs: list[Path], code: list[Path]) -> str:
    """Hash of everything a training depends on; a folder counts with all its files, by name."""
    import torch  # takes seconds, and who wants but the hash of a file need not wait

    digest = hashlib.sha256(json.dumps(params, sort_keys=True).encode())
    digest.update(torch.__version__.encode())
    for path in inputs + sorted(code):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                name = file.relative_to(path.parent).as_posix()
                digest.update(f"{name}:{content_hash(file)};".encode())
    return digest.hexdigest()[:32]


def content_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
