"""Main memory of this machine."""

import os
from pathlib import Path

from stages.core.workers import CGROUP

GIB = 1 << 30


def total() -> int:
    """Bytes that the machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def granted(cgroup: Path = CGROUP) -> int:
    """The same, or less where a container is granted less (cgroup v2)."""
    try:
        limit = (cgroup / "memory.max").read_text(encoding="ascii").strip()
    except OSError:
        limit = ""
    return min(total(), int(limit)) if limit.isdecimal() else total()
