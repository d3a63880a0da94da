"""Names of what is written for each scan, no two alike, and no longer than it takes to tell scans apart."""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

from stages.predicting.scan import Scan, writable

Key = TypeVar("Key")


def apart(scans: list[Scan]) -> list[Scan]:
    """The scans in their order, with names and folders that differ, also for file systems that know no
    capitals.

    A name that no other scan has stays. Scans of one folder are told apart by whole file names (`1.png` and
    `1.jpg`), or by kind where a folder makes two; others by the folders they lie in, from the last one up
    (`p1/DICOM` and `p2/DICOM`); what is still alike gets a number.
    """
    named = list(scans)
    for group in _alike(named, lambda scan: (_above(scan.path), _key(scan.name))):
        paths = [named[place].path for place in group]
        for place in group:
            scan = named[place]
            if paths.count(scan.path) > 1:
                named[place] = replace(scan, name=f"{scan.name}_{scan.kind}")
            elif scan.files[0].name == scan.path.name:
                named[place] = replace(scan, name=writable(scan.path.name))
    for group in _alike(named, lambda scan: _key(scan.name)):
        depth = _depth([_above(named[place].path) for place in group])
        for place in group if depth else ():
            above = map(writable, _above(named[place].path)[-depth:])
            named[place] = replace(named[place], folder="/".join(above))
    return _numbered(named)


def _alike(scans: list[Scan], key: Callable[[Scan], Key]) -> Iterable[list[int]]:
    """Positions of scans that have the same key as another."""
    groups: defaultdict[Key, list[int]] = defaultdict(list)
    for place, scan in enumerate(scans):
        groups[key(scan)].append(place)
    return [group for group in groups.values() if len(group) > 1]


def _above(path: Path) -> tuple[str, ...]:
    """The folders that a path lies in; links keep their names."""
    return Path(os.path.abspath(path)).parent.parts[1:]  # noqa: PTH100


def _depth(above: list[tuple[str, ...]]) -> int:
    """How many of the last folders tell apart what all of them can."""
    keys = [tuple(map(_key, parts)) for parts in above]
    depth = 0
    while len({parts[max(len(parts) - depth, 0) :] for parts in keys}) < len(set(keys)):
        depth += 1
    return depth


def _numbered(scans: list[Scan]) -> list[Scan]:
    folders = {_key(str(part)) for scan in scans for part in PurePosixPath(scan.folder, "_").parents}
    taken: set[str] = set()
    numbered: list[Scan] = []
    for scan in scans:
        named, number = scan, 1
        # Folders of masks, which an LGG case gets, must be none in which others lie: they are replaced.
        while (place := _place(named)) in taken or {f"{place}_mask", f"{place}_outer"} & folders:
            number += 1
            named = replace(scan, name=f"{scan.name}-{number}")
        taken.add(place)
        numbered.append(named)
    return numbered


def _place(scan: Scan) -> str:
    return _key(str(PurePosixPath(scan.folder, scan.name)))


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
