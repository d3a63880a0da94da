"""Downloads with the real kagglehub from a server on this machine, each in a process of its own."""

import contextlib
import errno
import os
import subprocess
import sys
import tarfile
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stages.core.errors import UserError
from stages.sources import kaggle
from tests.fixtures.kaggle_server import (
    HANDLE,
    NOWHERE,
    OWN_PORT,
    ROOT,
    UNCHANGED,
    Kaggle,
    Machine,
    serve,
    tarred_link,
    zipped,
)

PAGE = f"https://www.kaggle.com/datasets/{HANDLE}"
BY_HAND = f", or download {PAGE} by hand and set ingest.location to the .zip"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    server = Kaggle()
    with serve(server):
        yield Machine(tmp_path, server)


def test_a_location_on_kaggle_is_told_from_a_path() -> None:
    assert kaggle.parse(f"kaggle:{HANDLE}") == HANDLE
    for path in ("scans.zip", "../scans", "/data/kaggle:x", "kaggle", HANDLE):
        assert kaggle.parse(path) is None


def test_a_location_without_a_version_is_refused() -> None:
    with pytest.raises(UserError) as error:
        kaggle.parse("kaggle:hospital/scans")
    assert str(error.value) == (
        "ingest.location kaggle:hospital/scans names no version; write kaggle:hospital/scans/versions/<n> "
        "with a number that https://www.kaggle.com/datasets/hospital/scans shows"
    )


@pytest.mark.parametrize(
    "handle",
    [
        *("", "scans", "a/b/c", "a/b/versions", "a/b/versions/", "a/b/versions/x", "a/b/version/1"),
        *("a/b/versions/0", "a/b/versions/-1", "a/b/versions/01", "a/b/versions/1/", "a/b/versions/1\n"),
        *("a/b/versions/1/c.tif", "../b/versions/1", "a/../versions/1", "a/./versions/1", "/b/versions/1"),
        *("/a/b/versions/1", "a//versions/1", "a b/c/versions/1", "ä/b/versions/1", "a/b/versions/１"),
        *("a\\b/c/versions/1", "a/b?x/versions/1", "a/b/versions/9999999999"),
    ],
)
def test_a_malformed_location_is_refused_before_anything_is_asked(handle: str) -> None:
    wanted = f"ingest.location {'kaggle:' + handle!r} is no Kaggle data set; "
    with pytest.raises(UserError) as parsed:
        kaggle.parse(f"kaggle:{handle}")
    with pytest.raises(UserError) as downloaded:
        kaggle.download(handle)
    wanted += "write kaggle:<owner>/<name>/versions/<n>"
    assert str(parsed.value) == str(downloaded.value) == wanted


def test_a_download_is_silent_needs_no_credentials_and_stays_in_the_cache(machine: Machine) -> None:
    before = machine.outside()
    machine.succeeds()
    assert machine.kaggle.data_sets == [HANDLE]
    assert machine.kaggle.credentials == [None]
    assert machine.outside() == before


def test_the_second_time_kaggle_is_not_asked(machine: Machine) -> None:
    machine.succeeds()
    machine.kaggle.url = NOWHERE
    machine.succeeds()
    assert len(machine.kaggle.data_sets) == len(machine.kaggle.parts) == 1


def test_a_token_is_sent_and_the_notice_of_a_newer_client_dropped(machine: Machine) -> None:
    (machine.root / "home/.kaggle/access_token").write_text("secret")
    machine.succeeds()
    assert machine.kaggle.credentials == ["Bearer secret"]


def test_progress_is_shown_on_a_terminal(machine: Machine) -> None:
    screen, terminal = os.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    done = machine.download(stderr=terminal)
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError):  # how Linux tells the end
        while part := os.read(screen, 1 << 16):
            shown += part
    os.close(screen)
    assert (done.returncode, done.stdout) == (0, f"{machine.folder}\n")
    assert b"100%" in shown


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (401, "Kaggle refused your credentials (401 Unauthorized); renew KAGGLE_API_TOKEN or ~/.kaggle"),
        (
            403,
            f"Kaggle refused the download of {HANDLE} (403 Forbidden); check its name, accept its terms at "
            f"{PAGE} and put an API token into KAGGLE_API_TOKEN or ~/.kaggle/access_token",
        ),
        (404, f"Kaggle has no data set {HANDLE} (404 Not Found); check its name and version"),
        (503, f"Kaggle cannot serve {HANDLE} (503 Service Unavailable); try later"),
    ],
)
def test_a_refusal(machine: Machine, status: int, told: str) -> None:
    machine.kaggle.status = status
    assert machine.fails() == told + BY_HAND
    assert machine.kaggle.parts == []


def test_no_network(machine: Machine) -> None:
    machine.kaggle.url = NOWHERE
    refused = f"[Errno {errno.ECONNREFUSED}] {os.strerror(errno.ECONNREFUSED)}"
    told = f"Kaggle cannot be reached ({refused}); check the network and the proxy"
    assert machine.fails() == told + BY_HAND


@pytest.mark.parametrize(
    ("file", "content"),
    [("kaggle.json", "{"), ("kaggle.json", '{"username": "me"}'), (None, "secret\n"), (None, "sécret€")],
)
def test_malformed_credentials_are_not_shown(machine: Machine, file: str | None, content: str) -> None:
    if file is None:
        machine.env["KAGGLE_API_TOKEN"] = content
    else:
        (machine.root / "home/.kaggle" / file).write_text(content)
    told = "your Kaggle credentials are malformed; correct KAGGLE_API_TOKEN or the files in ~/.kaggle"
    assert machine.fails() == told + BY_HAND


@pytest.mark.parametrize("resumable", [True, False])
def test_a_download_that_broke_off_goes_on(machine: Machine, resumable: bool) -> None:
    if not resumable:
        machine.kaggle.headers = {}
    machine.kaggle.stop_after = 2_500_000
    told = machine.fails()
    assert told.startswith(f"the download of {HANDLE} broke off (IncompleteRead(")
    assert told.endswith("); run again to go on with it" + BY_HAND)
    machine.kaggle.stop_after = None
    machine.succeeds()
    assert machine.kaggle.parts[:2] == ["", ""]
    continued = [int(part.removeprefix("bytes=").removesuffix("-")) for part in machine.kaggle.parts[2:]]
    assert len(continued) == resumable
    assert all(1_000_000 < start <= 2_500_000 for start in continued)


def flipped_bit(server: Kaggle) -> None:
    damaged = bytearray(server.archive)
    damaged[1_000_000] ^= 1
    server.archive = bytes(damaged)


def no_announced_length(server: Kaggle) -> None:
    server.announce_length = False
    server.stop_after = 2_500_000


def page_of_a_proxy(server: Kaggle) -> None:
    server.archive = b"<html>Log in to the hospital's network</html>"


def wrong_checksum(server: Kaggle) -> None:
    server.headers = server.headers | {"x-goog-hash": "crc32c=n03x6A==,md5=Ojk9c3dhfxgoKVVHYwFbHQ=="}


def another_archive(server: Kaggle) -> None:
    server.archive = zipped({"other.tif": b"scan", "torn.tif": b"mask"}).replace(b"mask", b"MASK")


DAMAGES: list[tuple[Callable[[Kaggle], None], str]] = [
    (flipped_bit, "Bad CRC-32 for file 'scans/case_1.tif'"),
    (no_announced_length, "Unsupported archive type."),
    (wrong_checksum, "The X-Goog-Hash header indicated a MD5 checksum of: Ojk9c3dhfxgoKVVHYwFbHQ== but "),
    (page_of_a_proxy, "Unsupported archive type."),
    (another_archive, "Bad CRC-32 for file 'torn.tif'"),
]


def test_a_damaged_download_is_not_kept(machine: Machine) -> None:
    """Each time something else is the matter: nothing of the time before is left."""
    for damage, reason in DAMAGES:
        machine.kaggle.recover()
        damage(machine.kaggle)
        told = machine.fails()
        assert told.startswith(f"the download of {HANDLE} cannot be unpacked ({reason}")
        assert told.endswith("); run again to repeat it" + BY_HAND)
    machine.kaggle.recover()
    machine.succeeds()


def test_an_archive_out_to_do_harm_stays_in_the_cache(machine: Machine) -> None:
    machine.kaggle.archive = zipped({"../../../../../x.tif": b"1", f"{machine.root}/y.tif": b"2"})
    before = machine.outside()
    assert machine.download().returncode == 0
    assert sorted(machine.unpacked().values()) == [b"1", b"2"]
    assert machine.outside() == before


filtered = pytest.mark.skipif(not hasattr(tarfile, "data_filter"), reason="tarfile of Python below 3.11.4")


@pytest.mark.skipif(hasattr(tarfile, "data_filter"), reason="tarfile of Python 3.11.4 and newer")
def test_a_tar_archive_is_not_unpacked_without_a_filter(machine: Machine) -> None:
    machine.kaggle.archive = tarred_link("b.tif", "a.tif")
    told = machine.fails()
    reason = f"this Python cannot unpack the tar archive of {HANDLE} safely; use Python 3.11.4 or newer"
    assert told == reason + BY_HAND
    assert not machine.folder.exists()


@filtered
def test_a_link_out_of_the_archive_is_refused(machine: Machine) -> None:
    for target in ("/etc/passwd", "../../../../../home"):
        machine.kaggle.archive = tarred_link("b.tif", target)
        told = machine.fails()
        assert told.startswith(f"the download of {HANDLE} cannot be unpacked ('b.tif'")
        assert not machine.folder.exists()


@filtered
def test_a_link_within_the_archive_is_refused_every_time(machine: Machine) -> None:
    machine.kaggle.archive = tarred_link("b.tif", "a.tif")
    for _ in range(2):
        done = machine.download()
        assert (done.returncode, done.stdout) == (2, "")
        link = machine.folder / "b.tif"
        assert done.stderr == f"error: {link} is a link; the data set {HANDLE} is refused\n"


def test_a_cache_that_cannot_be_written(machine: Machine) -> None:
    machine.cache.write_text("a file where the folder should be")
    told = machine.fails()
    assert told.startswith(f"kagglehub cannot keep {HANDLE} ([Errno {errno.ENOTDIR}]")
    assert told.endswith("; set KAGGLEHUB_CACHE to another folder" + BY_HAND)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk(machine: Machine) -> None:
    archive = machine.cache / "datasets/hospital/brain.scans-2/3.archive"
    archive.parent.mkdir(parents=True)
    archive.symlink_to("/dev/full")
    assert machine.fails().startswith("the disk is full; free some space")


@pytest.fixture
def unchanged(tmp_path: Path) -> Iterator[Machine]:
    """The client as it is, in its own environment for tests."""
    server = Kaggle()
    with serve(server, OWN_PORT):
        yield Machine(tmp_path, server, {"KAGGLE_API_ENVIRONMENT": "TEST"}, UNCHANGED)


def test_the_unchanged_client_is_served(unchanged: Machine) -> None:
    unchanged.succeeds()
    assert unchanged.kaggle.data_sets == [HANDLE]


def test_the_unchanged_client_is_refused(unchanged: Machine) -> None:
    unchanged.kaggle.status = 403
    assert unchanged.fails().startswith(f"Kaggle refused the download of {HANDLE} (403 Forbidden); ")


def test_the_unchanged_client_meets_a_truncated_archive(unchanged: Machine) -> None:
    unchanged.kaggle.stop_after = 2_500_000
    assert unchanged.fails().startswith(f"the download of {HANDLE} broke off (IncompleteRead(")
    unchanged.kaggle.stop_after = None
    unchanged.succeeds()


def test_the_client_is_not_imported_before_it_is_needed() -> None:
    program = "import sys, stages.sources.kaggle; print({'kagglehub', 'requests'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "set()\n"
