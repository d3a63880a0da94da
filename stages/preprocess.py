"""Scale each case's intensities, crop it to the brain and resize it into the slice store.

python -m stages.preprocess      # what `dvc repro preprocess` runs; about 2 s
"""

from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import typer

from stages.core import atomic, errors, manifest, progress, workers
from stages.preprocessing import case
from stages.project.params import Preprocess, load
from stages.project.paths import Paths
from stages.store import shards

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
TOGETHER = 8  # slices that a worker takes at a time, or one case


@app.command()
def main() -> None:
    """Scale, crop and resize every case into the slice store."""
    run(load(Preprocess), Paths())


def run(params: Preprocess, paths: Paths) -> dict[str, Any]:
    """Write data/slices/; returns how many cases and slices it holds."""
    table = manifest.read(paths.validated)
    recipe = case.recipe(table, params.channels, params.size, params.crop)
    cases = case.rows(table)
    firsts = accumulate((len(rows) for rows in cases), initial=0)
    # The largest first, so that no process is left with a large one at the end.
    places = sorted(zip(firsts, cases, strict=False), key=lambda place: -len(place[1]))
    # Flat images, cases of one slice, travel by the dozen; volumes one by one.
    together = max(1, TOGETHER * len(cases) // len(table))
    with atomic.directory(paths.slices) as folder, workers.pool(params.jobs) as pool:
        writer = shards.Writer(folder, len(table), recipe.size, len(recipe.channels))
        parts = pool.map(partial(put, writer, recipe, paths.raw), places, chunksize=together)
        prepared = {}
        for done in progress.track(parts, "preprocess", len(cases)):
            writer.arrived(len(done.label_pixels))
            prepared[done.case_id] = done
        summaries = [prepared[rows[0]["case_id"]] for rows in cases]
        writer.close(case.meta(recipe, summaries), case.index(table, summaries))
    return {"cases": len(cases), "slices": len(table)}


def put(
    writer: shards.Writer, recipe: case.Recipe, raw: Path, place: tuple[int, list[case.Row]]
) -> case.Summary:
    """Prepare a case and write it to its place in the store, which begins at a row; what a worker does."""
    first, rows = place
    prepared = case.prepare(raw, recipe, rows)
    writer.put(first, prepared.images, prepared.masks)
    return prepared.summary


if __name__ == "__main__":
    errors.run(app)
