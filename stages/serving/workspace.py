"""The folder in which a server holds scans while it runs: its user's alone, and gone at the end."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

_PREFIX = "brainseg-serve-"
_LOCK = "lock"
"""Held by the server whose folder it is, and let go by the system when it dies, however it dies."""


@contextmanager
def opened() -> Iterator[Path]:
    """A new folder below the system's for temporary files, mode 0700, removed when the block ends.

    Folders that servers left who were killed are removed first.
    """
    home = Path(tempfile.gettempdir())
    for left in home.glob(f"{_PREFIX}*"):
        _remove_left(left)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=home))
    try:
        with FileLock(folder / _LOCK, mode=0o600):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_left(folder: Path) -> None:
    """Remove a folder of this user's whose server is no more."""
    try:
        own = not folder.is_symlink() and folder.is_dir() and folder.stat().st_uid == os.getuid()
    except OSError:  # removed by its own server in between
        return
    if not own or not (folder / _LOCK).exists():  # one without a lock is being made
        return
    try:
        with FileLock(folder / _LOCK, timeout=0):
            shutil.rmtree(folder, ignore_errors=True)
    except (Timeout, OSError):
        return
