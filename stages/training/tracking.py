"""One MLflow run per training: params, epoch metrics, durations, git revision, data hash.

All that must not be in a DVC out because it differs from run to run is kept here.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import mlflow
from lightning.pytorch.loggers import MLFlowLogger
from lightning.pytorch.utilities import rank_zero_only
from mlflow.exceptions import MlflowException

from stages.core import errors, git
from stages.core.errors import UserError

EXPERIMENT = "brainseg"
TIMEOUT_SECONDS = "10"
"""Of one request to a server, where MLFLOW_HTTP_REQUEST_TIMEOUT does not say; MLflow itself waits 120."""
PAUSE_SECONDS = 60.0
"""From one that failed to the next, at least."""
WAITING = 0.1
"""Share of a training's time that may go by in waiting for a server that is away."""


def uri(root: Path) -> str:
    """Where runs go: MLFLOW_TRACKING_URI, else an SQLite file in the project's folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root.resolve()}/mlflow.db"


class Run(MLFlowLogger):
    """A run of a training, which goes on where the tracking store goes away: what it does not take is kept,
    and sent when it answers again.

    warn: gets a sentence when it first does not answer.
    """

    def __init__(self, where: str, tags: dict[str, str], warn: Callable[[str], None]) -> None:
        super().__init__(EXPERIMENT, tracking_uri=where, tags=tags)
        self.where, self._warn, self._warned = where, warn, False
        self._kept: list[tuple[dict[str, float], int | None]] = []
        self._again = 0.0

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Keep metrics of a step, and send all that is kept unless the store was away a moment ago."""
        self._kept.append((dict(metrics), step))
        self._attempt(self._send)

    @rank_zero_only
    def finalize(self, status: str = "success") -> None:
        self._attempt(partial(super().finalize, status))

    @rank_zero_only
    def end(self) -> str | None:
        """Send what is kept and close the run; a sentence on what the store has not taken, None for
        nothing.
        """
        self._again = 0.0
        if self._attempt(self._send) and self._attempt(partial(super().finalize, "success")):
            return None
        lost = f"{len(self._kept)} entries of metrics and " if self._kept else ""
        return f"MLflow at {self.where} has no record of {lost}the end of this training"

    def _send(self) -> None:
        while self._kept:
            super().log_metrics(*self._kept[0])
            del self._kept[0]

    def _attempt(self, action: Callable[[], object]) -> bool:
        """Whether something could be done that needs the store."""
        began = time.monotonic()
        if began < self._again:
            return False
        try:
            action()
        except (MlflowException, OSError) as error:
            ended = time.monotonic()
            self._again = ended + max(PAUSE_SECONDS, (ended - began) / WAITING)
            if not self._warned:
                self._warned = True
                self._warn(
                    f"MLflow at {self.where} takes nothing any more ({errors.reason(error)}); "
                    "training goes on and tries again"
                )
            return False
        return True


def start(root: Path, params: dict[str, Any], data_hash: str, warn: Callable[[str], None]) -> Run:
    """Open a run. Raises `UserError` where the tracking store cannot be reached, before any training."""
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # a line for every retry
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", TIMEOUT_SECONDS)
    os.environ.setdefault("MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER", "false")  # which may say an hour
    with usable(root) as where:
        run = Run(where, {"git_revision": git_revision(root), "data_hash": data_hash}, warn)
        run.log_hyperparams(params)
    return run


@contextmanager
def usable(root: Path) -> Iterator[str]:
    """Point MLflow at the project's store, whose URI is yielded; what it then raises becomes `UserError`."""
    where = uri(root)
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    try:
        mlflow.set_tracking_uri(where)
        yield where
    except (MlflowException, OSError, ImportError) as error:  # ImportError: a database without its driver
        raise UserError(
            f"MLflow at {where} cannot be used ({errors.reason(error)}); "
            "start it or unset MLFLOW_TRACKING_URI"
        ) from None


def git_revision(root: Path) -> str:
    """Commit of the project with "+changes" where the work tree differs from it; "unknown" outside git."""
    described = git.answer(
        "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+changes", folder=root
    )
    return described or "unknown"


class Clock(L.Callback):
    """Logs the seconds each epoch took, validation included."""

    def __init__(self, logger: Run) -> None:
        self.logger = logger

    def on_train_epoch_start(self, trainer: L.Trainer, _: L.LightningModule) -> None:
        self.began = time.perf_counter()

    def on_train_epoch_end(self, trainer: L.Trainer, _: L.LightningModule) -> None:
        spent = time.perf_counter() - self.began
        self.logger.log_metrics({"epoch_seconds": spent}, step=trainer.global_step)


def finish(run: Run, metrics: dict[str, float], seconds: float) -> str | None:
    """Log what is known at the end and close the run; a sentence on what could not be recorded."""
    run.log_metrics({**metrics, "training_seconds": seconds})
    return run.end()
