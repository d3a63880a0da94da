"""What a source tells of a patient beside the scan: by which groups a result may be looked at."""

from collections.abc import Mapping
from itertools import pairwise

_AGES = (0, 18, 40, 60, 200)
"""Ends of groups in years: children, and adults in thirds that most sets of gliomas fill."""


def text(traits: Mapping[str, str]) -> str:
    """Traits by name as one field of a table, "sex=2;grade=1"; those without a value are left out."""
    clean = {name: value.strip().translate(_SIGNS) for name, value in traits.items()}
    return ";".join(f"{name}={value}" for name, value in clean.items() if value)


_SIGNS = str.maketrans({";": ",", "=": "-"})


def parse(field: str) -> dict[str, str]:
    """The traits of `text`."""
    pairs = (part.partition("=") for part in field.split(";") if part)
    return {name: value for name, _, value in pairs}


def age_group(years: str) -> str:
    """Of an age in years as it is written, "40 to 59"; "" where it is none."""
    try:
        age = float(years)
    except ValueError:
        return ""
    for low, end in pairwise(_AGES):
        if low <= age < end:
            return f"{low} to {end - 1}" if end < _AGES[-1] else f"{low} or more"
    return ""
