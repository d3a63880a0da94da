"""Scans shared out among the workers of a cluster, a scan a task; without one they are segmented here."""

from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from stages.core import workers
from stages.inference import onnx_predictor
from stages.inference.onnx_predictor import Exported
from stages.predicting import outcome
from stages.predicting.scan import Scan
from stages.predicting.segmenting import Terms

Result = dict[str, Any] | str
"""A scan's row of the summary, or why it has none."""


def results(
    scans: Sequence[Scan], model: Exported, path: Path, out: Path, terms: Terms | None = None
) -> Iterator[Result]:
    """What comes of each scan, in their order; masks and pictures are written into the folder `out`.

    path: where the model lies, which the workers of a cluster open themselves. Raises `UserError` where they
    are none that can be used.
    """
    if not workers.elsewhere():
        yield from map(partial(_of, model, out, terms), scans)
        return
    with workers.pool() as pool:
        yield from pool.map(partial(_there, path.resolve(), model.spec.model_hash, out, terms), scans)


def _of(model: Exported, out: Path, terms: Terms | None, scan: Scan) -> Result:
    try:
        return outcome.segment(scan, model, out, terms).row
    except Exception as error:
        return outcome.reason(error)


def _there(path: Path, model_hash: str, out: Path, terms: Terms | None, scan: Scan) -> Result:
    return _of(_opened(path, model_hash), out, terms, scan)


@lru_cache(maxsize=1)
def _opened(path: Path, model_hash: str) -> Exported:
    """At a worker: the model, opened once; `model_hash` opens another that came to lie at the same place."""
    return onnx_predictor.open_model(path, threads=1)
