"""Objects of a store brought into a cache on this machine, each once for as long as it does not change.

What broke off goes on where it was. Content is held to the checksum that the store tells; where it tells
none, to the object being the same before and after. The cache may be deleted at any time.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from stages.core import holding, progress
from stages.core.errors import UserError
from stages.sources import folder
from stages.sources.archive import MAX_BYTES
from stages.sources.remote import CONNECTIONS, Object, Remote

PORTION_BYTES = 16 << 20
"""Read at a time; what is larger is fetched by itself, and goes on after a break."""


def fetch(address: str, belongs: Callable[[PurePosixPath], bool], key: str = folder.LOCATION) -> Path:
    """The file at an address, or a folder with those below it that belong, in the cache of this machine.
    key: of params.yaml that names the address, or how else its user named it.

    Raises `UserError` where it cannot be read, changes meanwhile, is damaged, or does not fit the disk.
    """
    remote = Remote(address, key)
    place = _place(address)
    with holding.locked(place, mode=0o700):
        objects = remote.objects(belongs)
        if not objects:
            raise UserError(f"{key} {address} holds no file that belongs to the data; check the address")
        missing = _Missing(remote, place, objects)
        missing.refuse_too_large()
        for _ in progress.track(missing.fetched(), "fetch", missing.portions()):
            pass
        single = len(objects) == 1 and objects[0].path == remote.root
        return place / "files" / objects[0].name if single else place / "files"


def _place(address: str) -> Path:
    import platformdirs

    name = hashlib.sha256(address.encode()).hexdigest()[:16]
    return platformdirs.user_cache_path("brainseg") / "scans" / name


class _Missing:
    """Those of a listing that the cache does not have."""

    def __init__(self, remote: Remote, place: Path, objects: list[Object]) -> None:
        self.remote = remote
        self.place = place
        self.log = place / "fetched.jsonl"
        """A line for each object that was fetched whole: what it was when it was."""
        self.parts, self.files = place / "parts", place / "files"
        held = self._held(objects)
        self.objects = [each for each in objects if each not in held]
        self.small = [each for each in self.objects if each.size <= PORTION_BYTES]
        self.large = [each for each in self.objects if each.size > PORTION_BYTES]

    def portions(self) -> int:
        return sum(max(1, -(-each.size // PORTION_BYTES)) for each in self.objects)

    def refuse_too_large(self) -> None:
        whole, free = sum(each.size for each in self.objects), shutil.disk_usage(self.place).free
        if whole > min(MAX_BYTES, free):
            raise UserError(
                f"{self.remote.key} {self.remote.address} is {whole / 2**30:.3g} GiB, and {free / 2**30:.3g} "
                f"GiB are free in {self.place}; free some space, or set XDG_CACHE_HOME to a larger disk"
            )

    def fetched(self) -> Iterator[None]:
        """Fetch them, with an item for each portion."""
        for own in (self.parts, self.files):
            own.mkdir(exist_ok=True)
        with ThreadPoolExecutor(CONNECTIONS) as threads:
            jobs = [threads.submit(self._whole, each) for each in self.small]
            try:
                for job, each in zip(jobs, self.small, strict=True):
                    job.result()
                    self._note(each)
                    yield
            finally:
                threads.shutdown(cancel_futures=True)
        for each in self.large:
            yield from self._portions(each)
            self._note(each)

    def _whole(self, known: Object) -> None:
        for _ in self._portions(known):
            pass

    def _portions(self, known: Object) -> Iterator[None]:
        """Fetch an object, from where an earlier try broke off."""
        identity = f"{known.path}\0{known.size}\0{known.version}"
        part = self.parts / hashlib.sha256(identity.encode()).hexdigest()
        part.touch()
        with self._opened(known, part.stat().st_size) as (stream, begin), part.open("r+b") as target:
            target.truncate(begin)
            target.seek(begin)
            full = begin + PORTION_BYTES
            while begin < known.size:
                with self.remote.answering():
                    portion = stream.read(min(PORTION_BYTES, known.size - begin))
                if not portion:
                    break
                target.write(portion)
                begin += len(portion)
                if begin >= full or begin == known.size:  # a web server's come in smaller pieces
                    full = begin + PORTION_BYTES
                    yield
        self._check(known, part)
        (self.files / known.name).parent.mkdir(parents=True, exist_ok=True)
        part.replace(self.files / known.name)

    @contextmanager
    def _opened(self, known: Object, begin: int) -> Iterator[tuple[BinaryIO, int]]:
        """An object as a stream, and at which byte it begins: at the one asked for, or at 0 where its server
        cannot go on.
        """
        system, web = self.remote.system, self.remote.scheme.startswith("http")
        begin = begin if begin < known.size else 0
        with self.remote.answering():
            if web:
                # One request for all that is left, where fsspec's ranges ask for each block.
                headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={begin}-"} if begin else {})
                stream = system.open(known.path, block_size=0, headers=headers)
                begin = begin if stream.r.status == HTTPStatus.PARTIAL_CONTENT else 0
            else:
                # SFTP has its own packets.
                blocks = {"block_size": PORTION_BYTES, "cache_type": "none"}
                stream = system.open(known.path, "rb", **({} if self.remote.scheme == "sftp" else blocks))
                stream.seek(begin)
        try:
            yield stream, begin
        finally:
            stream.close()

    def _check(self, known: Object, part: Path) -> None:
        """Raise `UserError` where what was fetched is not the object that was listed."""
        name = f"{self.remote.key} {self.remote.address}: {known.name}"
        if (size := part.stat().st_size) < known.size:
            raise UserError(
                f"{name} broke off after {size} of {known.size} bytes; run again to go on with it"
            )
        if known.checksum is None or known.size == 0:
            sound = True
        else:
            algorithm, digest = known.checksum
            with part.open("rb") as stream:
                sound = hashlib.file_digest(stream, algorithm).hexdigest() == digest
        if sound and known.checksum:
            return
        current = self.remote.is_current(known)
        if current and (sound or not self.remote.tells_content(known)):
            return
        part.unlink()
        if not current:
            raise UserError(f"{name} changed while it was read; run again")
        raise UserError(f"{name} is damaged: it has not the checksum that its store tells; run again")

    def _note(self, fetched: Object) -> None:
        with self.log.open("a", encoding="utf-8") as log:
            log.write(json.dumps(_identity(fetched)) + "\n")

    def _held(self, objects: list[Object]) -> set[Object]:
        """Those that were fetched before and are still there; what is not of the listing is removed."""
        named = {each.name for each in objects}
        for path in sorted(self.files.rglob("*"), reverse=True):
            if path.is_file() and PurePosixPath(path.relative_to(self.files).as_posix()) not in named:
                path.unlink()
            elif path.is_dir() and not any(path.iterdir()):
                path.rmdir()
        fetched: dict[str, list[Any]] = {}
        for line in self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else ():
            with suppress(ValueError, IndexError):  # the last line of a process that was killed
                entry = json.loads(line)
                fetched[entry[0]] = entry
        return {
            each
            for each in objects
            if fetched.get(str(each.name)) == _identity(each)
            and (path := self.files / each.name).is_file()
            and path.stat().st_size == each.size
        }


def _identity(known: Object) -> list[Any]:
    return [str(known.name), known.path, known.size, known.version]
