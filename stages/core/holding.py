"""A folder of a cache on this machine as one process' own while it works in it."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.core.errors import UserError


@contextmanager
def locked(folder: Path, mode: int = 0o777) -> Iterator[None]:
    """Make a folder of the cache one's own, and the folder, with so many rights, where it is not there:
    several processes may want the same at once. Raises `UserError` where it cannot be written; a full
    disk stays an `OSError`.
    """
    from filelock import FileLock

    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=mode)
        lock.acquire()
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise UserError(
            f"{folder} cannot be written ({error.strerror}); set XDG_CACHE_HOME to a folder that can be"
        ) from None
    try:
        yield
    finally:
        lock.release()
