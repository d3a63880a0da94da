"""One MLflow run per training: params, epoch metrics, durations, git revision, data hash.

All that must not be in a DVC out because it differs from run to run is kept here.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import mlflow
from lightning.pytorch.loggers import MLFlowLogger
from mlflow.exceptions import MlflowException

from stages.core import git
from stages.core.errors import UserError

EXPERIMENT = "brainseg"


def uri(root: Path) -> str:
    """Where runs go: MLFLOW_TRACKING_URI, else an SQLite file in the project's folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root.resolve()}/mlflow.db"


def start(root: Path, params: dict[str, Any], data_hash: str) -> MLFlowLogger:
    """Open a run. Raises `UserError` where the tracking store cannot be reached, before any training."""
    with usable(root) as where:
        logger = MLFlowLogger(
            EXPERIMENT,
            tracking_uri=where,
            tags={"git_revision": git_revision(root), "data_hash": data_hash},
        )
        logger.log_hyperparams(params)
    return logger


@contextmanager
def usable(root: Path) -> Iterator[str]:
    """Point MLflow at the project's store, whose URI is yielded; what it then raises becomes `UserError`."""
    where = uri(root)
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    try:
        mlflow.set_tracking_uri(where)
        yield where
    except (MlflowException, OSError, ImportError) as error:  # ImportError: a database without its driver
        reason = (str(error).splitlines() or [""])[0][:160]
        raise UserError(
            f"MLflow at {where} cannot be used ({reason}); start it or unset MLFLOW_TRACKING_URI"
        ) from None


def git_revision(root: Path) -> str:
    """Commit of the project with "+changes" where the work tree differs from it; "unknown" outside git."""
    described = git.answer(
        "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+changes", folder=root
    )
    return described or "unknown"


class Clock(L.Callback):
    """Logs the seconds each epoch took, validation included."""

    def __init__(self, logger: MLFlowLogger) -> None:
        self.logger = logger

    def on_train_epoch_start(self, trainer: L.Trainer, _: L.LightningModule) -> None:
        self.began = time.perf_counter()

    def on_train_epoch_end(self, trainer: L.Trainer, _: L.LightningModule) -> None:
        spent = time.perf_counter() - self.began
        self.logger.log_metrics({"epoch_seconds": spent}, step=trainer.global_step)


def finish(logger: MLFlowLogger, metrics: dict[str, float], seconds: float) -> None:
    """Log what is known at the end and close the run."""
    logger.log_metrics({**metrics, "training_seconds": seconds})
    logger.finalize("success")
