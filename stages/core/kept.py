"""Results of single cases, kept between runs by a hash of all that they follow from.

They lie in a folder that git ignores and that may be deleted at any time: what is not there is computed. What
was used longest ago goes once they take more than `BRAINSEG_KEPT_GIB`.
"""

import hashlib
import json
import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stages.core import atomic, code
from stages.core.errors import UserError
from stages.core.processor import Processor

LIMIT = "BRAINSEG_KEPT_GIB"
"""Environment variable: how many GiB of results are kept, 0 for none. No param: it changes no result."""
_DEFAULT_GIB = 10.0
LIBRARIES = (
    *("imagecodecs", "nibabel", "numpy", "opencv-python-headless", "pandas", "pillow", "pycocotools"),
    *("pydantic", "scipy", "tifffile"),
)
"""Packages that decode and compute; another version may give another result."""
_DIGEST_BYTES = 32


@dataclass(frozen=True)
class Kept:
    """Results of one kind in a folder. basis: hash of what all of them share."""

    folder: Path
    basis: str

    @classmethod
    def of(cls, folder: Path, recipe: Any) -> "Kept":
        """Results of this package's code under a recipe of JSON values."""
        libraries = {name: version(name) for name in LIBRARIES}
        return cls(folder, _hash([code.digest(), libraries, platform.python_version(), recipe]))

    def key(self, case: Any) -> str:
        """Of a result on this kind of processor. case: JSON values with what it follows from beside the
        basis, the hash of its files among them.
        """
        return _hash([self.basis, _processor(), case])

    def get(self, key: str) -> bytes | None:
        """A result, None where it is not there or damaged."""
        path = self._path(key)
        try:
            content = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        digest, result = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        return result if digest == hashlib.sha256(result).digest() else None

    def put(self, key: str, *parts: bytes | memoryview) -> None:
        """Keep a result, the parts one after the other, as far as the disk allows."""
        digest = hashlib.sha256()
        for part in parts:
            digest.update(part)
        try:
            with atomic.file(self._path(key)) as path, path.open("wb") as stream:
                for part in (digest.digest(), *parts):
                    stream.write(part)
        except OSError:  # a full disk, or a folder that cannot be written: then it is computed again
            return

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / key[2:]


def limit_bytes() -> int:
    """What may be kept of each kind. Raises `UserError` where the environment says no number."""
    text = os.environ.get(LIMIT, "").strip() or str(_DEFAULT_GIB)
    try:
        gib = float(text)
    except ValueError:
        gib = -1.0
    if not 0 <= gib < 2**20:
        raise UserError(f"{LIMIT} is {text!r}, not a number of GiB; set it to one, 0 to keep nothing")
    return int(gib * 2**30)


def trim(folder: Path) -> None:
    """Remove what was used longest ago where the results in a folder take more than they may."""
    limit, files = limit_bytes(), []
    for path in _files(folder):
        try:
            status = path.stat()
        except FileNotFoundError:  # another process trims, too
            continue
        files.append((status.st_mtime_ns, status.st_size, path))
    whole = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if whole <= limit:
            return
        path.unlink(missing_ok=True)
        whole -= size


def _files(folder: Path) -> Iterable[Path]:
    return (path for path in folder.glob("*/*") if path.is_file())


@cache
def _processor() -> list[Any]:
    here = Processor.here()
    return [here.vendor, sorted(here.flags)]


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
