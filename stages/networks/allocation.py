"""How the C library hands out memory while torch runs on the processor."""

import ctypes

# Of glibc's malloc.h.
_TRIM_THRESHOLD = -1
_MMAP_MAX = -4


def keep_freed_memory() -> None:
    """Keep what was freed for the next step, in this process from now on.

    glibc gives large blocks back to the system at once and asks for them anew: at 128 px and batches of 16
    every step had some 7,000 pages mapped and cleared. Other C libraries are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):
        return
    mallopt(_MMAP_MAX, 0)
    mallopt(_TRIM_THRESHOLD, -1)
