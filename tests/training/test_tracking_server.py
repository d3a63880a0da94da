"""A training goes on without the MLflow server it began with: servers that die, hang, refuse, return."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import lightning.pytorch as L
import pytest
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient

from stages.training import fitting, tracking
from stages.training.checkpoint import Keeper
from tests.fixtures import trainings
from tests.fixtures.trainings import Setup

SERVE = """
import os, sys
from mlflow import server
from mlflow.server.handlers import initialize_backend_stores
from werkzeug.serving import run_simple
store, artifacts, port = sys.argv[1:]
os.environ[server.BACKEND_STORE_URI_ENV_VAR], os.environ[server.ARTIFACT_ROOT_ENV_VAR] = store, artifacts
initialize_backend_stores(store, store, artifacts)
run_simple("127.0.0.1", int(port), server.app, threaded=True)
"""
"""What `mlflow server` serves, in one process: that has three, and each takes seconds to start."""


class Server:
    """MLflow's server on a free port, with its runs in an SQLite file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        words = [f"sqlite:///{self.root}/runs.db", str(self.root / "artifacts"), str(self.port)]
        env = {name: text for name, text in os.environ.items() if not name.startswith("MLFLOW")}
        with (self.root / "log").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SERVE, *words],
                env=env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{self.address}/health", timeout=1)
                return
            except OSError:
                time.sleep(0.2)
        raise AssertionError((self.root / "log").read_text())

    def die(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for _ in range(100):  # its workers end a moment later
            try:
                socket.create_server(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.1)

    def runs(self) -> list:
        client = MlflowClient(f"sqlite:///{self.root}/runs.db")
        experiment = client.get_experiment_by_name(tracking.EXPERIMENT)
        return client.search_runs([experiment.experiment_id])

    def history(self, name: str) -> list[tuple[int, float]]:
        client = MlflowClient(f"sqlite:///{self.root}/runs.db")
        return [
            (entry.step, entry.value) for entry in client.get_metric_history(self.runs()[0].info.run_id, name)
        ]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without runs, to be copied: its tables take seconds to make."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    made = SqlAlchemyStore(f"sqlite:///{path}", path.parent.as_uri())
    made.engine.dispose()
    return path


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Path) -> Iterator[Server]:
    for name in [name for name in os.environ if name.startswith("MLFLOW")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    (tmp_path / "server").mkdir()
    shutil.copyfile(store, tmp_path / "server/runs.db")
    found = Server(tmp_path / "server")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", found.address)
    yield found
    found.die()


class Killer(L.Callback):
    """Something happens to the server when an epoch begins."""

    def __init__(self, happening: dict[int, Callable[[], None]]) -> None:
        self.happening = happening

    def on_train_epoch_start(self, trainer: L.Trainer, _: L.LightningModule) -> None:
        self.happening.get(trainer.current_epoch, lambda: None)()


def trained(
    root: Path, server: Server, happening: dict[int, Callable[[], None]]
) -> tuple[Keeper, list[str], str | None]:
    """A training of four epochs; what was told during it and at its end."""
    told: list[str] = []
    setup = Setup(trainings.blobs(root / "store"), epochs=4)
    run = tracking.start(root, {"lr": 0.1}, "d" * 32, told.append)
    keeper = Keeper(root / "checkpoints", setup.recipe.patience)
    callbacks = [tracking.Clock(run), Killer(happening)]
    fitting.fit(setup.segmenter(), *setup.loaders(), keeper, setup.machine, setup.epochs, run, callbacks)
    return keeper, told, tracking.finish(run, {"best_epoch": 1.0}, 9.5)


@pytest.mark.timeout(240)
def test_a_server_that_dies(server: Server, tmp_path: Path) -> None:
    began = time.monotonic()
    keeper, told, end = trained(tmp_path, server, {2: server.die})
    assert len(keeper.history) == 4
    assert len(told) == 1
    assert told[0].startswith(f"MLflow at {server.address} takes nothing any more (")
    assert told[0].endswith("); training goes on and tries again")
    assert end is not None
    assert end.startswith(f"MLflow at {server.address} has no record of ")
    assert end.endswith(" entries of metrics and the end of this training")
    assert time.monotonic() - began < 60
    assert [step for step, _ in server.history("epoch_seconds")] == [3, 6]
    plain = Setup(trainings.blobs(tmp_path / "again"), epochs=4).train(tmp_path / "plain")
    assert [row["val_dice"] for row in plain.history] == [row["val_dice"] for row in keeper.history]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_server_that_comes_back_gets_all_of_it(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "PAUSE_SECONDS", 0.0)
    _, told, end = trained(tmp_path, server, {1: server.die, 3: server.start})
    assert (len(told), end) == (1, None)
    assert [step for step, _ in server.history("epoch_seconds")] == [3, 6, 9, 12]
    (run,) = server.runs()
    assert (run.info.status, run.data.metrics["training_seconds"]) == ("FINISHED", 9.5)


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "answer", [None, b"HTTP/1.1 503 Busy\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n"]
)
def test_a_server_that_hangs_or_asks_for_an_hour_holds_nobody_up(
    server: Server, tmp_path: Path, answer: bytes | None
) -> None:
    """In place of the server something that takes connections and never answers, or sends everyone away."""
    told: list[str] = []
    run = tracking.start(tmp_path, {"lr": 0.1}, "d" * 32, told.append)
    server.die()
    listening = socket.create_server(("127.0.0.1", server.port))

    def serve() -> None:
        held = []
        while True:
            try:
                held.append(listening.accept()[0])
                if answer:
                    held[-1].recv(65536)
                    held[-1].sendall(answer)
                    held[-1].close()
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    try:
        began = time.monotonic()
        for step in range(100):
            run.log_metrics({"val_dice": 0.5}, step=step)
        assert time.monotonic() - began < 20
        end = tracking.finish(run, {"best_epoch": 1.0}, 9.5)
        assert time.monotonic() - began < 40
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
    assert len(told) == 1
    assert end == (
        f"MLflow at {server.address} has no record of 101 entries of metrics and the end of this training"
    )


def test_a_store_that_answers_again_after_the_last_epoch_gets_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Path
) -> None:
    shutil.copyfile(store, tmp_path / "mlflow.db")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    told: list[str] = []
    run = tracking.start(tmp_path, {"lr": 0.1}, "d" * 32, told.append)
    tried = []

    def away(*_: object, **__: object) -> None:
        tried.append(1)
        raise MlflowException("database is locked\nmore of it")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", away)
        for step in range(50):
            run.log_metrics({"val_dice": step / 50}, step=step)
        run.finalize("failed")
    assert len(tried) == 1  # not at every step
    assert told == [
        f"MLflow at sqlite:///{tmp_path}/mlflow.db takes nothing any more (database is locked); "
        "training goes on and tries again"
    ]
    assert tracking.finish(run, {"best_epoch": 1.0}, 9.5) is None
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    history = client.get_metric_history(run.run_id, "val_dice")
    assert [(entry.step, entry.value) for entry in history] == [(step, step / 50) for step in range(50)]
    assert client.get_run(run.run_id).info.status == "FINISHED"


def test_how_long_a_request_may_take_unless_the_user_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Path
) -> None:
    shutil.copyfile(store, tmp_path / "mlflow.db")
    for name in [name for name in os.environ if name.startswith("MLFLOW")]:
        monkeypatch.delenv(name)
    tracking.start(tmp_path, {}, "d" * 32, print)
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "10"
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "300")
    tracking.start(tmp_path, {}, "d" * 32, print)
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "300"
