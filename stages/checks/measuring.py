"""All slices of a manifest measured: shared out among processes, and no case again that has not changed."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.checks import statistics
from stages.core import kept, progress, workers
from stages.core.kept import Kept
from stages.formats import content

CHUNK = 64
"""Slices, or one case, that a worker measures at a time."""
Rows = list[dict[Any, Any]]
"""Of one case in the manifest, the columns `statistics.ROW`."""


def measure(
    raw: Path, table: pd.DataFrame, folder: Path, meanwhile: Callable[[], object] | None = None
) -> pd.DataFrame:
    """`statistics.measure` of every row of a manifest, in the table's order. folder: where the numbers of
    each case are kept for the next time; meanwhile: called once the workers have begun.
    """
    chunks: list[list[Rows]] = [[]]
    order: list[int] = []
    for _, case in table[["case_id", *statistics.ROW]].groupby("case_id", sort=False):
        if sum(map(len, chunks[-1])) >= CHUNK:
            chunks.append([])
        chunks[-1].append(case.to_dict("records"))
        order.extend(case.index)
    results = Kept.of(folder, "measured") if kept.limit_bytes() else None
    with workers.pool() as pool:
        parts = pool.map(partial(_of_cases, raw, results), chunks)  # all of it submitted
        if meanwhile is not None:
            meanwhile()
        done = list(progress.track(parts, "validate", len(chunks)))
    kept.trim(folder)
    return pd.concat(done, ignore_index=True).set_axis(order).sort_index()


def _of_cases(raw: Path, results: Kept | None, cases: list[Rows]) -> pd.DataFrame:
    """What a worker measures."""
    return pd.concat([_of_case(raw, results, rows) for rows in cases], ignore_index=True)


def _of_case(raw: Path, results: Kept | None, rows: Rows) -> pd.DataFrame:
    hashes = content.of(raw, rows) if results else None
    if results is None or hashes is None:
        return statistics.measure(raw, rows)
    key = results.key([rows, hashes])
    if (text := results.get(key)) is not None:
        return _table(text)
    numbers = statistics.measure(raw, rows)
    results.put(key, _text(numbers))
    return numbers


def _text(numbers: pd.DataFrame) -> bytes:
    """Measurements as JSON, every number in as many digits as it takes to read the same one."""
    return json.dumps(numbers.to_dict("list"), default=np.ndarray.tolist).encode()


def _table(text: bytes) -> pd.DataFrame:
    columns = json.loads(text)
    columns["placement"] = [
        None if fits is None else np.array(fits, np.float32) for fits in columns["placement"]
    ]
    return pd.DataFrame(columns)
