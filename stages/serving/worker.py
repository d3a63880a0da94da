"""The process that holds the model, in which files from strangers are decoded.

What that takes is imported there: the process that answers requests needs none of it.
"""

import gzip
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import connection, parent_process
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stages.core.errors import UserError
from stages.inference.spec import Spec
from stages.masks.guarantee import Promise
from stages.predicting.scan import Scan, legible
from stages.serving import view
from stages.serving.entry import Answer, Statement
from stages.serving.view import View

if TYPE_CHECKING:
    from stages.inference.onnx_predictor import Exported

_model: "Exported"


@dataclass(frozen=True)
class Opened:
    """The model of a worker. process: its number. remark: on where it runs, "" for none."""

    process: int
    spec: Spec
    remark: str


def begin() -> None:
    """In a new process: Ctrl-C is its parent's business, without which it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def open_model(path: Path) -> Opened:
    """Raises `UserError` where there is no model that can be read."""
    from stages.inference import onnx_predictor

    global _model
    _model = onnx_predictor.open_model(path)
    return Opened(os.getpid(), _model.spec, _model.predictor.remark)


@contextmanager
def _sentences() -> Iterator[None]:
    """Whatever goes wrong with a scan becomes a `UserError`, as predict says it."""
    from stages.predicting import outcome

    try:
        yield
    except Exception as error:
        raise UserError(legible(outcome.reason(error))) from None


def segment(scan: Scan, results: Path, drawn: Path) -> Answer:
    """Segment a scan: what predict writes of it into the folder `results`, its labels into `drawn`.

    Raises `UserError` for whatever went wrong, as predict says it.
    """
    from stages.predicting import outcome

    results.mkdir(parents=True, exist_ok=True)
    with _sentences():
        made = outcome.segment(scan, _model, results)
        sequences = tuple(_model.spec.input.channels)
        seen = view.of(made.volume, sequences)
        view.write_labels(drawn, made.segmented.labels)
    return Answer(made.row, seen, tuple(made.row["files"]))


def draw(scan: Scan, drawn: Path, seen: View) -> None:
    """Write what the page draws of a scan. Raises `UserError`."""
    from stages.predicting import reading

    with _sentences():
        view.draw(drawn, reading.read(scan, _model.spec.input), seen.ranges)


def correct(scan: Scan, answer: Answer, results: Path, drawn: Path, labels: np.ndarray) -> Answer:
    """Write labels (S, H, W) uint8, which a person drew, in place of the model's."""
    from stages.predicting import outcome, reading, summary

    with _sentences():
        volume = reading.read(scan, _model.spec.input)
        files, remarks = outcome.write(scan, volume, labels, _model, results, corrected=True)
    view.write_labels(drawn, labels)
    measures = summary.measures(labels, volume.spacing, _model.spec)
    sentences = [*volume.remarks, *remarks, "its mask was corrected by hand"]
    nothing = summary.promised(Promise())  # of a mask that a person drew
    row = answer.row | measures | nothing | {"remarks": legible("; ".join(sentences)), "files": files}
    return replace(answer, row=row, files=tuple(files))


def collect(scan: Scan, drawn: Path, seen: View, statement: Statement, folder: Path) -> None:
    """Add a scan and its mask as it is now to the corrections in a folder. Raises `UserError`."""
    from stages.serving import collection

    with _sentences():
        content = np.frombuffer(gzip.decompress(view.labels(drawn)), np.uint8)
        labels = content.reshape(seen.slices, seen.rows, seen.columns)
        collection.add(folder, scan, labels, statement, _model.spec)
