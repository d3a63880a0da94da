"""How a server starts, what it leaves behind, and what happens when parts of it die."""

import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stages.commands import serve
from stages.serving import workspace
from stages.serving.line import DRAWN
from tests.fixtures import graphs, programs, requested, scans
from tests.fixtures.requested import Server

ROOT = Path(__file__).resolve().parents[2]
FLAIR = scans.volume(5, seed=1)[0][2, ..., scans.FLAIR]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return graphs.export(tmp_path_factory.mktemp("model"), graphs.describe(channels=("flair",)))


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's folder for temporary files, of servers that a test starts."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


Started = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def started(temporary: Path) -> Iterator[Started]:
    """Starts servers; those that a test leaves are killed."""
    processes: list[subprocess.Popen[str]] = []

    def start(model: Path, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "stages.cli", "serve", "--model", str(model), "--port", "0", *words]
        pipe = subprocess.PIPE
        processes.append(subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    printed = re.search(r"http://\S+", process.stdout.readline())
    assert printed
    return printed.group()


def png() -> bytes:
    return requested.png(FLAIR)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_a_signal_and_leaves_nothing(
    started: Callable[..., Any], model: Path, temporary: Path, number: Any
) -> None:
    process = started(model)
    server = Server(address(process))
    (folder,) = temporary.glob("brainseg-serve-*")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for place in range(20):  # some are still in line at the end
        server.send(png(), f"{place}.png")
    assert any(folder.rglob("0.png"))
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")
    assert list(temporary.iterdir()) == []


def test_what_a_killed_server_left_ends_or_is_removed_at_the_next_start(
    started: Callable[..., Any], model: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace.tempfile, "gettempdir", lambda: str(temporary))
    first = started(model)
    server = Server(address(first))
    server.done(server.send(png(), "patient.png")["id"])
    children = worker_of(first.pid)
    first.kill()
    first.communicate()
    end = time.monotonic() + 20
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < end, "the process with the model lives on"
        time.sleep(0.1)
    assert list(temporary.rglob("patient.png"))
    second = started(model)
    address(second)
    assert not list(temporary.rglob("patient.png"))
    assert len(list(temporary.glob("brainseg-serve-*"))) == 1
    with workspace.opened():  # a third, which must not take the second's for one of the dead
        assert len(list(temporary.glob("brainseg-serve-*"))) == 2
    second.terminate()
    second.communicate()
    assert list(temporary.glob("brainseg-serve-*")) == []


def worker_of(server: int) -> list[int]:
    """Numbers of a process's children that hold a model."""
    listed = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    children = [
        int(child) for child in listed if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    assert children
    return children


def test_a_process_that_dies_takes_one_scan_along(
    started: Callable[..., Any], model: Path, temporary: Path
) -> None:
    process = started(model)
    server = Server(address(process))
    (worker,) = worker_of(process.pid)
    os.kill(worker, signal.SIGSTOP)
    first, second = (server.send(png(), name) for name in ("first.png", "second.png"))
    end = time.monotonic() + 20
    while server.ask("get", f"scans/{first['id']}").json()["status"] != "running":
        assert time.monotonic() < end
    os.kill(worker, signal.SIGKILL)
    lost = server.done(first["id"])
    assert (lost["status"], "ended" in lost["error"]) == ("failed", True)
    assert server.done(second["id"])["status"] == "done"


def test_results_are_kept_where_that_is_asked(
    started: Callable[..., Any], model: Path, temporary: Path, tmp_path: Path
) -> None:
    keep = tmp_path / "keep"
    process = started(model, "--keep", str(keep))
    server = Server(address(process))
    scan = server.done(server.send(png(), "x.png")["id"])
    server.done(server.send(png(), "x.png")["id"])
    server.ask("delete", f"scans/{scan['id']}")
    process.terminate()
    process.communicate()
    names = {path.relative_to(keep).as_posix() for path in keep.rglob("*") if path.is_file()}
    masks = {"x_mask.png", "x_overlay.png"}
    assert names == {*masks, *(f"2/{name}" for name in masks), "summary.csv", "summary.json"}
    again = started(model, "--keep", str(keep))
    _, err = again.communicate(timeout=30)
    assert (again.returncode, "is not empty" in err) == (2, True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--host", "0.0.0.0"), "lets other machines in; add --token"),
        (("--host", "nowhere.invalid", "--token", "x"), "--host nowhere.invalid is no address"),
        (("--host", "192.0.2.1", "--token", "x"), "192.0.2.1:0 cannot be had"),
        (("--token", " x"), "--token must be printable ASCII"),
        (("--token", ""), "--token must be printable ASCII"),
    ],
)
def test_what_cannot_be_served(
    model: Path,
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    words: tuple[Any, ...],
    sentence: str,
) -> None:
    monkeypatch.setattr(workspace.tempfile, "gettempdir", lambda: str(temporary))
    status, out, err = programs.run(serve.app, "serve", ("--model", model, "--port", "0", *words), capfd)
    assert (status, out) == (2, "")
    assert sentence in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert list(temporary.iterdir()) == []


def test_a_model_that_cannot_be_opened(
    started: Callable[..., Any], model: Path, temporary: Path, tmp_path: Path
) -> None:
    process = started(tmp_path / "nothing")
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (2, "")
    way_out = "name an .onnx file or the folder of an export with --model"
    assert err == f"error: {tmp_path / 'nothing'} does not exist; {way_out}\n"
    assert list(temporary.iterdir()) == []


def test_a_second_start_on_a_port_is_told_so(
    started: Callable[..., Any], model: Path, temporary: Path
) -> None:
    first = started(model)
    port = address(first).rstrip("/").rpartition(":")[2]
    second = started(model, "--port", port)
    _, err = second.communicate(timeout=30)
    assert (second.returncode, err) == (
        2,
        f"error: port {port} is taken, perhaps by another `brainseg serve`; choose one with --port\n",
    )
    first.terminate()
    first.communicate()


def test_a_folder_of_another_s_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace.tempfile, "gettempdir", lambda: str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "lock").touch()
    (tmp_path / "brainseg-serve-link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "brainseg-serve-young").mkdir()  # whose lock is not there yet
    with workspace.opened() as folder:
        assert folder.parent == tmp_path
    assert (tmp_path / "elsewhere" / "lock").exists()
    assert (tmp_path / "brainseg-serve-young").exists()
    assert not folder.exists()


def test_only_scans_that_are_looked_at_are_drawn_on_disk(
    started: Callable[..., Any], model: Path, temporary: Path
) -> None:
    server = Server(address(started(model)))
    keys = [server.done(server.send(png(), f"{place}.png")["id"])["id"] for place in range(DRAWN + 2)]
    assert not list(temporary.rglob("voxels.npy"))
    planes = [server.ask("get", f"scans/{key}/planes/axial/0") for key in (*keys, keys[0])]
    assert {answer.status_code for answer in planes} == {200}
    assert len({answer.content for answer in planes}) == 1
    assert len(list(temporary.rglob("voxels.npy"))) == DRAWN
