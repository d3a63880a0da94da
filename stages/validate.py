"""Measure every slice, hold the data to a Great Expectations suite, and leave out or refuse what cannot be
used.

python -m stages.validate        # what `dvc repro validate` runs; about 6 s for the sample
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import pandas as pd
import typer
from rich.progress import track

from stages import atomic, errors, layout, params
from stages.errors import UserError
from stages.reporting import examples
from stages.slices import expectations, findings, manifest, statistics, twins
from stages.sources import images, record

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
CHUNK = 64  # slices, or one case, that a worker measures at a time


@app.command()
def main() -> None:
    """Find what is wrong with the data."""
    wanted = params.load(params.Validate)
    table = manifest.read(layout.MANIFEST)
    rows = findings.measured(table, measure(table))
    same = twins.of(rows, wanted.near_duplicate_bits)
    found = findings.of(rows, same)
    bad = rows["sample_id"].isin(found.loc[found["severity"] == "critical", "sample_id"])
    empty = findings.empty_ends(rows)
    findings.refuse(found, len(table), wanted.on_error, wanted.max_quarantined)
    kept = ~bad & ~empty
    if not kept.any():
        raise UserError("no slice shows anything; check ingest.source and ingest.location")

    with atomic.directory(layout.DATA_DOCS) as docs:
        expected, failed = expectations.check(rows.drop(columns="placement"), scans(rows), docs)
    with atomic.directory(layout.EXAMPLES) as folder:
        examples.write(found, rows, layout.RAW, folder)
    good = table.assign(group=same.groups(rows))[kept]
    manifest.write(good, layout.VALIDATED)
    manifest.write(found, layout.FINDINGS)
    atomic.metrics(
        {
            "slices": len(good),
            "patients": good["patient_id"].nunique(),
            "cases": good["case_id"].nunique(),
            "tumour_slices": int((rows.loc[kept, "mask_pixels"] > 0).sum()),
            "quarantined": int(bad.sum()),
            "without_brain": int(empty.sum()),
            "findings": {
                level: int((found["severity"] == level).sum()) for level in ("critical", "warning", "info")
            },
            "checks": {
                name: int(count) for name, count in found["check"].value_counts().sort_index().items()
            },
            "expectations": {"total": expected, "failed": len(failed)},
        },
        layout.VALIDATE_METRICS,
    )
    for sentence in failed:
        print(f"warning: {sentence}", file=sys.stderr)


def scans(rows: pd.DataFrame) -> pd.DataFrame:
    """The scans in data/raw, and whether a row of the manifest names them."""
    used = record.files(rows[["image", "mask"]].itertuples(index=False))
    paths = sorted(
        path.relative_to(layout.RAW).as_posix() for path in layout.RAW.rglob("*") if path.is_file()
    )
    files = [path for path in paths if images.suffix_of(path)]
    return pd.DataFrame({"file": files, "used": [file in used for file in files]})


def measure(table: pd.DataFrame) -> pd.DataFrame:
    """Measure all slices in two processes; the order is the table's."""
    chunks: list[list[dict[Any, Any]]] = [[]]
    order: list[int] = []
    for _, case in table[["case_id", *statistics.ROW]].groupby("case_id", sort=False):
        if len(chunks[-1]) >= CHUNK:  # between cases, so that no volume is decoded twice
            chunks.append([])
        chunks[-1] += case.to_dict("records")
        order.extend(case.index)
    with ProcessPoolExecutor(2) as pool:
        parts = pool.map(partial(statistics.measure, layout.RAW), chunks)
        done = list(track(parts, "validate", len(chunks), disable=not sys.stdout.isatty()))
    return pd.concat(done, ignore_index=True).set_axis(order).sort_index()


if __name__ == "__main__":
    errors.run(app)
