"""Scale each case's intensities, crop it to the brain and resize it into the slice store.

python -m stages.preprocess      # what `dvc repro preprocess` runs; about 2 s
"""

from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import typer

from stages.core import atomic, errors, kept, progress, tables, workers
from stages.core.errors import UserError
from stages.core.kept import Kept
from stages.fingerprints import seen
from stages.preprocessing import case, keeping
from stages.project.params import Preprocess, load
from stages.project.paths import Paths
from stages.store import shards

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main() -> None:
    """Scale, crop and resize every case into the slice store."""
    run(load(Preprocess), Paths())


def run(params: Preprocess, paths: Paths) -> dict[str, Any]:
    """Write data/slices/; returns how many cases, slices and shards it holds."""
    table = tables.read(tables.MANIFEST, paths.validated)
    hashes = seen.read(paths.fingerprints, "`dvc repro validate` makes it")
    if len(hashes) != len(table):
        raise UserError(
            f"{paths.fingerprints} and {paths.validated} are of other slices; "
            "run `dvc repro --force validate`"
        )
    preparation = case.preparation(table, params.channels, params.size, params.crop)
    cases = case.rows(table)
    planned = shards.plan([len(rows) for rows in cases], preparation.slice_bytes)
    results = keeping.results(paths.kept / "prepared", preparation, len(table))
    tasks = [(number, [cases[place] for place in places]) for number, places in enumerate(planned)]
    # The largest first, so that no process is left with a large one at the end.
    tasks.sort(key=lambda task: -sum(map(len, task[1])))
    with atomic.directory(paths.slices) as folder, workers.pool(params.jobs) as pool:
        parts = pool.map(partial(write, folder, preparation, paths.raw, results), tasks)
        done = chain.from_iterable(progress.track(parts, "preprocess", len(tasks)))
        by_id = {summary.case_id: summary for summary in done}
        summaries = [by_id[rows[0]["case_id"]] for rows in cases]
        order = case.order(table, summaries)
        shards.close(folder, case.meta(preparation, summaries), case.index(table.iloc[order], summaries))
        seen.write(hashes[order], shards.fingerprints(folder))
    kept.trim(paths.kept / "prepared")
    return {"cases": len(cases), "slices": len(table), "shards": len(tasks)}


def write(
    folder: Path,
    preparation: case.Preparation,
    raw: Path,
    results: Kept | None,
    task: tuple[int, list[list[case.Row]]],
) -> list[case.Summary]:
    """Prepare the cases of a shard and write it; what a worker does."""
    number, cases = task
    summaries = []

    def prepared() -> Iterator[shards.Slices]:
        for rows in cases:
            done = keeping.prepare(raw, preparation, rows, results)
            summaries.append(done.summary)
            yield done.images, done.masks

    shards.write_shard(folder, number, sum(map(len, cases)), prepared())
    return summaries


if __name__ == "__main__":
    errors.run(app)
