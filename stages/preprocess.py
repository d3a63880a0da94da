"""Scale each case's intensities, crop it to the brain and resize it into the slice store.

python -m stages.preprocess      # what `dvc repro preprocess` runs; about 2 s
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import accumulate

import typer
from rich.progress import track
from threadpoolctl import threadpool_limits

from stages import atomic, errors, layout, params
from stages.slices import case, manifest, store

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
TOGETHER = 8  # slices that a worker takes at a time, or one case


@app.command()
def main() -> None:
    """Scale, crop and resize every case into the slice store."""
    wanted = params.load(params.Preprocess)
    table = manifest.read(layout.VALIDATED)
    recipe = case.recipe(table, wanted.channels, wanted.size, wanted.crop)
    cases = case.rows(table)
    firsts = accumulate((len(rows) for rows in cases), initial=0)
    # The largest first, so that no process is left with a large one at the end.
    places = sorted(zip(firsts, cases, strict=False), key=lambda place: -len(place[1]))
    # Flat images, cases of one slice, travel by the dozen; volumes one by one.
    together = max(1, TOGETHER * len(cases) // len(table))
    with (
        atomic.directory(layout.SLICES) as folder,
        # One BLAS thread a worker: two workers with two threads each took three times as long.
        ProcessPoolExecutor(wanted.jobs, initializer=threadpool_limits, initargs=(1,)) as pool,
    ):
        writer = store.Writer(folder, len(table), recipe.size, len(recipe.channels))
        parts = pool.map(partial(put, writer, recipe), places, chunksize=together)
        prepared = {}
        for done in track(parts, "preprocess", len(cases), disable=not sys.stdout.isatty()):
            writer.arrived(len(done.label_pixels))
            prepared[done.case_id] = done
        summaries = [prepared[rows[0]["case_id"]] for rows in cases]
        writer.close(case.meta(recipe, summaries), case.index(table, summaries))


def put(writer: store.Writer, recipe: case.Recipe, place: tuple[int, list[case.Row]]) -> case.Summary:
    """Prepare a case and write it to its place in the store, which begins at a row; what a worker does."""
    first, rows = place
    prepared = case.prepare(layout.RAW, recipe, rows)
    writer.put(first, prepared.images, prepared.masks)
    return prepared.summary


if __name__ == "__main__":
    errors.run(app)
