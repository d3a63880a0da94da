"""Order names as people do: slice 2 before slice 10."""

import re

_DIGITS = re.compile(r"(\d+)")


def key(name: str) -> list[tuple[int, int, str]]:
    """Sort key that compares runs of digits as numbers and everything else as text."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in _DIGITS.split(name) if part]
