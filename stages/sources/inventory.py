"""What lies at a location, as a hash: by it ingest runs again where scans were added, removed or changed.

Of a folder the content counts and not the times, so that a copy of it elsewhere is the same. Content is
hashed once, and again only where a file's size, times or number changed. Of a zip the checksums in its own
table count, of a store what it tells of each object.
"""

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from stages.core import atomic
from stages.core.errors import UserError

# What knows sources and formats takes half a second to import, and nearly always nothing has changed.


@dataclass(frozen=True)
class Inventory:
    """hash: of names and contents. files, bytes: how many, and their sum. untold: objects of which their
    server tells nothing that changes with the content.
    """

    files: int
    bytes: int
    hash: str
    untold: int = 0


class Absent(UserError):
    """What is to be looked at is not here, or cannot be reached now."""


def name(source: str, place: str) -> str:
    """Of a place as it stands in params.yaml, under which its inventories are told from those of others."""
    return _hash([source, place])[:16]


def of_address(address: str, source: str, key: str) -> Inventory:
    """Of what belongs to a source at an address. key: of params.yaml that names it. Raises `Absent` where
    that cannot be read.
    """
    from stages.sources import remote

    remote.is_remote(address)
    try:
        objects = remote.Remote(address, key).objects(_belonging(source))
    except UserError as error:
        raise Absent(str(error)) from None
    lines = [[str(each.name), each.size, each.version] for each in objects]
    untold = sum(not each.version for each in objects)
    return Inventory(len(objects), sum(each.size for each in objects), _hash(lines), untold)


def of_path(path: Path, source: str, memory: Path, key: str) -> Inventory:
    """Of what belongs to a source in a folder or a .zip. memory: file in which the hashes of contents are
    kept for the next time, for each with what its file system says of it. key: of params.yaml that names the
    folder.

    Raises `Absent` where it is not there, `UserError` where the folder cannot be read, or has a name alone of
    a file that belongs.
    """
    if not path.exists():
        from stages.sources import location

        raise Absent(f"{key} {path} {location.unusable(path)}")
    listing, before = _listing(path), _remembered(memory)
    if before and before["listing"] == listing:
        return Inventory(**before["inventory"])
    state: dict[str, list[int]] = {}
    contents: dict[str, str] = {}
    if path.is_file():
        inventory = _of_archive(path, _belonging(source))
    else:
        from stages.sources import folder

        names = folder.files(path, _belonging(source), key)
        state = {str(name): _state(path / name) for name in names}
        contents = _contents(path, state, before)
        sizes = sum(size for size, *_ in state.values())
        inventory = Inventory(len(names), sizes, _hash(sorted(contents.items())))
    memory.parent.mkdir(parents=True, exist_ok=True)
    memories = {"listing": listing, "state": state, "contents": contents, "inventory": asdict(inventory)}
    atomic.text(json.dumps(memories), memory)
    return inventory


def _belonging(source: str) -> Callable[[PurePosixPath], bool]:
    from functools import partial

    from stages.sources import location
    from stages.sources.sources import SOURCES

    return partial(location.belongs, SOURCES[source])


def _remembered(memory: Path) -> dict[str, Any] | None:
    try:
        before = json.loads(memory.read_bytes())
    except (OSError, ValueError):
        return None
    names = {"listing", "state", "contents", "inventory"}
    return before if isinstance(before, dict) and set(before) == names else None


def _listing(path: Path) -> str:
    """Hash of the names at a place, hidden ones aside, with what the file system says of each."""
    if path.is_file():
        return _hash(_state(path))
    return _hash(sorted(_visible(str(path), "", [os.path.realpath(path)])))


def _visible(folder: str, name: str, trail: list[str]) -> Iterator[list[Any]]:
    """trail: the real places of the folders that led here; a link to one of them leads in a circle."""
    try:
        entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
    except OSError:  # who lists what belongs says so
        yield [name, "unreadable"]
        return
    for entry in entries:
        below = f"{name}/{entry.name}"
        try:
            status = entry.stat()
            is_folder = entry.is_dir()
        except OSError:
            yield [below, "absent"]
            continue
        if not is_folder:
            yield [below, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        elif (place := os.path.realpath(entry.path) if entry.is_symlink() else entry.path) not in trail:
            yield from _visible(entry.path, below, [*trail, place])


def _state(path: Path) -> list[int]:
    """What a file system says of a file: size, times and number. Nobody can set the second time."""
    try:
        status = os.stat(path)  # noqa: PTH116  # pathlib's takes twice as long
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); make it readable or remove it") from None
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _contents(path: Path, state: dict[str, list[int]], before: dict[str, Any] | None) -> dict[str, str]:
    """SHA-256 of each file, of those that did not change as it was."""
    from stages.core import progress, workers

    same = {name for name, each in state.items() if before and before["state"].get(name) == each}
    changed = [name for name in state if name not in same]
    with ThreadPoolExecutor(workers.cores()) as threads:
        jobs = threads.map(lambda name: _content(path / name), changed)
        hashed = dict(zip(changed, progress.track(jobs, "locate", len(changed)), strict=True))
    return hashed | {name: before["contents"][name] for name in same if before}


def _content(path: Path) -> str:
    from stages.core import lineage

    try:
        return lineage.content_hash(path)
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}); change its permissions or remove it"
        ) from None


def _of_archive(path: Path, belongs: Callable[[PurePosixPath], bool]) -> Inventory:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [
                (entry.filename, entry.file_size, entry.CRC)
                for entry in archive.infolist()
                if not entry.is_dir() and belongs(PurePosixPath(entry.filename.replace("\\", "/")))
            ]
    except (zipfile.BadZipFile, NotImplementedError, ValueError):  # ingest says what is wrong with it
        return Inventory(1, path.stat().st_size, _content(path))
    return Inventory(len(entries), sum(size for _, size, _ in entries), _hash(sorted(entries)))


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
