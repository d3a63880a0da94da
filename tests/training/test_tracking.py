"""MLflow runs in a real SQLite store."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from stages.core.errors import UserError
from stages.training import tracking


def git(folder: Path, *arguments: Any) -> str:
    settings = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", "-C", str(folder), *settings, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    git(folder, "init", "-q")
    (folder / "params.yaml").write_text("lr: 1\n", encoding="utf-8")
    git(folder, "add", "params.yaml")
    git(folder, "commit", "-q", "-m", "first")
    git(folder, "tag", "v1")
    return folder


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def runs(where: str) -> Any:
    client = MlflowClient(where)
    experiment = client.get_experiment_by_name(tracking.EXPERIMENT)
    return client.search_runs([experiment.experiment_id])


def test_a_run_holds_params_metrics_and_tags(repository: Path) -> None:
    logger = tracking.start(repository, {"lr": 0.002, "encoder_weights": None}, "d" * 32, print)
    logger.log_metrics({"val_dice": 0.5}, step=3)
    tracking.finish(logger, {"best_epoch": 2.0}, 12.5)
    (run,) = runs(f"sqlite:///{repository}/mlflow.db")
    assert run.data.params == {"lr": "0.002", "encoder_weights": "None"}
    assert run.data.metrics == {"val_dice": 0.5, "best_epoch": 2.0, "training_seconds": 12.5}
    assert run.data.tags["git_revision"] == git(repository, "rev-parse", "HEAD")
    assert run.data.tags["data_hash"] == "d" * 32
    assert run.info.status == "FINISHED"


def test_the_environment_names_another_store(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = f"sqlite:///{tmp_path}/elsewhere.db"
    before = len(runs(tracking.uri(repository)))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", where)
    tracking.start(repository, {"lr": 1}, "x", print)
    assert len(runs(where)) == 1
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert len(runs(tracking.uri(repository))) == before


@pytest.mark.parametrize("where", ["http://127.0.0.1:9", "gopher://nowhere", "oracle://u:p@127.0.0.1:9/x"])
@pytest.mark.timeout(60)
def test_a_store_that_cannot_be_reached(
    where: str, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", where)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UserError) as error:
        tracking.start(repository, {"lr": 1}, "x", print)
    assert str(error.value).startswith(f"MLflow at {where} cannot be used (")
    assert str(error.value).endswith("); start it or unset MLFLOW_TRACKING_URI")
    assert "\n" not in str(error.value)


def test_git_revision(repository: Path, tmp_path: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    assert tracking.git_revision(repository) == head  # not the tag
    (repository / "params.yaml").write_text("lr: 2\n", encoding="utf-8")
    assert tracking.git_revision(repository) == f"{head}+changes"
    git(repository, "checkout", "-q", "params.yaml")
    assert tracking.git_revision(tmp_path) == "unknown"
