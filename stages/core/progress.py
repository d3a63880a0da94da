"""A progress bar for whatever takes more than two seconds, where somebody watches."""

import sys
from collections.abc import Iterable
from typing import TypeVar

from rich.progress import track as rich_track

T = TypeVar("T")


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterable[T]:
    """The items, with a bar on a terminal. total: how many, where `len(items)` does not say."""
    return rich_track(items, description, total, disable=not sys.stdout.isatty())
