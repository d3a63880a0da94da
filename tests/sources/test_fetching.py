"""Scans from stores and servers: whole or not at all, each once, and a sentence for all that goes wrong."""

import errno
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from stages.core.errors import UserError
from stages.sources import fetching, remote
from tests.fixtures import addresses

FILES = {
    "a/b c.tif": b"1" * 1000,
    "a/d/e.tif": b"4",
    "a/f.tif": b"2" * 10,
    "a/notes.txt": b"no scan",
    "g.tif": b"3",
}
LARGE = random.Random(0).randbytes(3 << 20)


def scans(name: PurePosixPath) -> bool:
    return name.suffix in (".tif", ".zip")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(fetching, "PORTION_BYTES", 1 << 20)
    return tmp_path / "cache"


@pytest.fixture(params=["s3", "web", "sftp"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A store of each kind with `FILES` in it."""
    root = tmp_path / "served"
    root.mkdir()
    opened: dict[str, Callable[[], Any]] = {
        "s3": lambda: addresses.s3(monkeypatch),
        "web": lambda: addresses.web(root),
        "sftp": lambda: addresses.sftp(root, tmp_path / "home", monkeypatch),
    }
    with opened[request.param]() as place:
        for name, content in FILES.items():
            place.put(name, content)
        yield place


@pytest.fixture
def web(tmp_path: Path) -> Iterator[addresses.Web]:
    (tmp_path / "served").mkdir()
    with addresses.web(tmp_path / "served") as place:
        yield place


def tree(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of the objects whose content is asked for inside the block."""
    names: list[str] = []
    opened = fetching._Missing._opened

    def counting(self: Any, known: remote.Object, begin: int) -> Any:
        names.append(str(known.name))
        return opened(self, known, begin)

    with monkeypatch.context() as patch:
        patch.setattr(fetching._Missing, "_opened", counting)
        yield names


def test_a_folder_comes_whole_and_then_only_what_changed(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = {name.removeprefix("a/"): content for name, content in FILES.items() if name[:2] == "a/"}
    del mine["notes.txt"]
    address = store.address("a/")
    assert tree(fetching.fetch(address, scans)) == mine
    with counted(monkeypatch) as asked:
        assert tree(fetching.fetch(address, scans)) == mine
        assert asked == []
    store.put("a/f.tif", b"another")
    store.put("a/h.tif", LARGE)
    store.remove("a/b c.tif")
    with counted(monkeypatch) as asked:
        folder = fetching.fetch(address, scans)
    assert tree(folder) == {"d/e.tif": b"4", "f.tif": b"another", "h.tif": LARGE}
    assert sorted(asked) == ["f.tif", "h.tif"]
    (folder / "h.tif").unlink()  # by whoever needed the space
    with counted(monkeypatch) as asked:
        assert tree(fetching.fetch(address, scans))["h.tif"] == LARGE
    assert asked == ["h.tif"]


def test_a_file_comes_by_its_own_name(store: Any) -> None:
    store.put("sets/my set.zip", LARGE)
    path = fetching.fetch(store.address("sets/my set.zip"), scans)
    assert (path.name, path.read_bytes()) == ("my set.zip", LARGE)


def test_google_cloud_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "CONNECTIONS", 1)  # the emulator answers one at a time
    with addresses.gs(monkeypatch) as bucket:
        for name, content in FILES.items():
            bucket.put(name, content)
        bucket.put("a/h.tif", LARGE)
        mine = {"b c.tif": b"1" * 1000, "d/e.tif": b"4", "f.tif": b"2" * 10, "h.tif": LARGE}
        assert tree(fetching.fetch(bucket.address("a"), scans)) == mine
        bucket.put("a/f.tif", b"another")
        bucket.remove("a/b c.tif")
        del mine["b c.tif"]
        with counted(monkeypatch) as asked:
            assert tree(fetching.fetch(bucket.address("a"), scans)) == {**mine, "f.tif": b"another"}
        assert asked == ["f.tif"]
        assert fetching.fetch(bucket.address("a/h.tif"), scans).read_bytes() == LARGE
        with pytest.raises(UserError, match="gs://scans/none does not exist"):
            fetching.fetch(bucket.address("none"), scans)


def test_what_is_not_there(store: Any) -> None:
    for name in ("none/", "none.zip"):
        with pytest.raises(
            UserError, match=r"ingest.location \w+://.*none\S* (does not exist|holds no file)"
        ):
            fetching.fetch(store.address(name), scans)
    store.put("texts/a.txt", b"1")
    with pytest.raises(UserError, match="texts/ holds no file that belongs to the data; check the address"):
        fetching.fetch(store.address("texts/"), scans)


def test_a_store_that_vanishes_half_way(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = remote.Remote.objects

    def vanishing(self: remote.Remote, belongs: Any) -> list[remote.Object]:
        objects = listed(self, belongs)
        for name in FILES:
            store.remove(name)
        return objects

    monkeypatch.setattr(remote.Remote, "objects", vanishing)
    with pytest.raises(
        UserError, match=r"ingest.location \w+://\S+ (does not exist, or not any more|cannot be)"
    ):
        fetching.fetch(store.address("a/"), scans)


def test_an_empty_object(web: addresses.Web, monkeypatch: pytest.MonkeyPatch) -> None:
    web.put("a.tif", b"")
    assert tree(fetching.fetch(web.address(), scans)) == {"a.tif": b""}
    with addresses.s3(monkeypatch) as bucket:
        bucket.put("a.tif", b"")
        assert tree(fetching.fetch(bucket.address(), scans)) == {"a.tif": b""}


@pytest.mark.parametrize("size", [10, len(LARGE)])
def test_an_object_that_changes_while_it_is_read(
    store: Any, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("a/f.tif", LARGE[:size])
    listed = remote.Remote.objects

    def changing(self: remote.Remote, belongs: Any) -> list[remote.Object]:
        objects = listed(self, belongs)
        store.put("a/f.tif", LARGE[:size][::-1])
        if hasattr(store, "root"):
            import os

            os.utime(store.root / "a/f.tif", (1, 1))  # in another second than before
        return objects

    with monkeypatch.context() as patch:
        patch.setattr(remote.Remote, "objects", changing)
        with pytest.raises(UserError, match="changed while it was read; run again"):
            fetching.fetch(store.address("a/"), scans)
    assert tree(fetching.fetch(store.address("a/"), scans))["f.tif"] == LARGE[:size][::-1]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_broke_off_goes_on(web: addresses.Web, ranges: bool) -> None:
    web.put("big.zip", LARGE)
    web.ranges, web.breaks = ranges, [2 << 20]
    with pytest.raises(
        UserError, match=r"big.zip cannot be read \(.*\); check the address and the network, and run"
    ):
        fetching.fetch(web.address("big.zip"), scans)
    asked = len(web.requests)
    assert fetching.fetch(web.address("big.zip"), scans).read_bytes() == LARGE
    (_, _, span), *others = [each for each in web.requests[asked:] if each[0] == "GET"]
    assert others == []
    assert 0 < int(span.removeprefix("bytes=").removesuffix("-")) <= 2 << 20


def test_what_was_fetched_of_a_folder_is_not_fetched_again(
    web: addresses.Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "CONNECTIONS", 1)
    for number in range(4):
        web.put(f"{number}.tif", LARGE[: 1000 * (number + 1)])
    web.breaks = [3500]  # which the last is longer than
    with pytest.raises(UserError, match="cannot be read"):
        fetching.fetch(web.address(), scans)
    with counted(monkeypatch) as asked:
        fetching.fetch(web.address(), scans)
    assert asked == ["3.tif"]


def test_content_is_held_to_the_checksum_of_the_store(
    web: addresses.Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.put("a.tif", b"sound")
    web.checksums = True
    assert tree(fetching.fetch(web.address(), scans)) == {"a.tif": b"sound"}
    web.put("a.tif", b"other")
    web.checksums_of = b"what the server believes"
    with pytest.raises(
        UserError, match=r"a.tif is damaged: it has not the checksum that its store tells; run again"
    ):
        fetching.fetch(web.address(), scans)


def test_an_object_that_s3_encrypts_has_no_checksum_of_its_content(monkeypatch: pytest.MonkeyPatch) -> None:
    with addresses.s3(monkeypatch) as bucket:
        bucket.put("a.tif", b"sound", ServerSideEncryption="aws:kms")
        checksum = remote._checksum
        monkeypatch.setattr(
            remote, "_checksum", lambda scheme, entry: checksum(scheme, entry) and ("md5", "0" * 32)
        )  # as AWS answers; moto tells the MD5 nevertheless
        assert tree(fetching.fetch(bucket.address(), scans)) == {"a.tif": b"sound"}
        bucket.put("a.tif", b"other")
        with pytest.raises(UserError, match=r"a.tif is damaged"):
            fetching.fetch(bucket.address(), scans)


def test_a_name_that_would_leave_the_folder(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    names = ["../a.tif", "a/../../b.tif", "/a.tif", "a//b.tif", "a\\..\\b.tif", "./a.tif"]
    with addresses.s3(monkeypatch) as bucket:
        for number, name in enumerate(names):
            bucket.put(f"set{number}/{name}", b"1")
            with pytest.raises(
                UserError, match="would not stay in its folder, or is a name that no disk has; rename"
            ):
                fetching.fetch(bucket.address(f"set{number}/"), scans)
    assert not list(cache.rglob("*.tif"))


def test_a_name_of_a_file_and_of_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    with addresses.s3(monkeypatch) as bucket:
        bucket.put("set/a.tif", b"1")
        bucket.put("set/a.tif/b.tif", b"1")
        with pytest.raises(UserError, match="uses one name for a file and a folder"):
            fetching.fetch(bucket.address("set/"), scans)


def test_missing_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with addresses.s3(monkeypatch) as bucket:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        sentence = r"with the credentials in use \(.*\); set AWS_PROFILE, or AWS_ACCESS_KEY_ID and"
        with pytest.raises(UserError, match=sentence):
            fetching.fetch(bucket.address(), scans)


def test_a_host_that_nobody_vouched_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "served").mkdir()
    with addresses.sftp(tmp_path / "served", tmp_path / "home", monkeypatch) as place:
        (tmp_path / "home/.ssh/known_hosts").write_text("")
        with pytest.raises(UserError, match=r"a line for the host in ~/.ssh/known_hosts"):
            fetching.fetch(place.address(), scans)


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        (
            "ftp://host/a.zip",
            "ftp://host/a.zip: ftp:// is not read; use s3://, gs://, https://, http://, sftp://, a",
        ),
        (
            "sftp://me:secret@host/a",
            "sftp://host: a password does not belong into an address, .*; set up a key",
        ),
        (
            "https://me:secret@host/a.zip",
            "https://host: a password does not belong .*; put a line .* ~/.netrc",
        ),
    ],
)
def test_an_address_that_is_refused(location: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as raised:
        remote.is_remote(location)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("location", ["scans", "/data/set.zip", "kaggle:a/b/versions/1", "C:\\scans", "a:/b"])
def test_a_path_is_no_address(location: str) -> None:
    assert not remote.is_remote(location)


def test_a_package_that_is_missing() -> None:
    program = """
import sys
from stages.core.errors import UserError
from stages.sources import fetching
for scheme, module in (("s3", "s3fs"), ("gs", "gcsfs"), ("sftp", "sshfs")):
    sys.modules[module] = None
    try:
        fetching.fetch(f"{scheme}://bucket/a.zip", bool)
    except UserError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    for line, extra in zip(done.stdout.splitlines(), ("s3", "gs", "sftp"), strict=True):
        assert f"needs a package more; pip install 'brainseg[{extra}]'" in line


def test_more_than_the_disk_has_room_for(
    web: addresses.Web, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    web.put("a.tif", LARGE)
    usage = shutil.disk_usage(cache.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1 << 20))
    with pytest.raises(
        UserError, match=r"is 0.00293 GiB, and 0.000977 GiB are free in .*; free some space, or set"
    ):
        fetching.fetch(web.address(), scans)


def test_a_disk_that_is_full_stays_an_error_of_the_disk(
    web: addresses.Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.put("a.tif", b"1")

    def full(self: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        fetching.fetch(web.address(), scans)


def test_two_processes_that_fetch_the_same(web: addresses.Web) -> None:
    for number in range(20):
        web.put(f"{number}.tif", LARGE[: 1000 * number])
    with ProcessPoolExecutor(2) as pool:
        folders = [job.result() for job in [pool.submit(_fetched, web.address()) for _ in range(2)]]
    assert folders[0] == folders[1]
    assert len(folders[0]) == 20
    assert sum(each[0] == "GET" and each[1] == "/3.tif" for each in web.requests) == 1


def _fetched(address: str) -> dict[str, bytes]:
    return tree(fetching.fetch(address, scans))
