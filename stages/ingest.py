"""Bring the scans into data/raw/ and list every slice in data/manifest.csv.

python -m stages.ingest          # what `dvc repro ingest` runs; about 6 s for the sample
"""

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import typer

from stages.core import atomic, errors, record, tables
from stages.core.errors import UserError
from stages.core.record import CORRECTIONS
from stages.project.params import Ingest, load
from stages.project.paths import Paths
from stages.sources import ingestion, joining
from stages.sources.sources import SOURCES

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main() -> None:
    """Bring the scans into data/raw/ and list every slice."""
    run(load(Ingest), Paths())


def run(params: Ingest, paths: Paths) -> dict[str, Any]:
    """Write data/raw/ and data/manifest.csv; returns how many patients, cases and slices there are."""
    source = SOURCES[params.source]
    find = ingestion.finder(source, params.categories, params.channels, params.labels)
    place = ingestion.place(source, params.location, paths.project)
    if params.also is not None and source.name == CORRECTIONS:
        raise UserError(
            "ingest.also joins corrections to another set; with ingest.source: corrections set it to null"
        )
    with ingestion.addressing(place, params.location), atomic.directory(paths.raw) as raw:
        ingestion.bring(source, place, raw, params.limit, params.seed)
        with ingestion.naming(place):
            scans = find(raw)
        records, note = ingestion.annotated(scans, negative=params.unannotated == "negative")
        records = ingestion.limited(records, params.limit, params.seed)
        ingestion.prune(raw, record.files(records))
        notes, table = [*note, *scans.notes], tables.from_records(records).assign(source=source.name)
        if params.also is not None:
            rows, sentence = joining.join(records, paths.project / Path(params.also).expanduser(), raw)
            notes.append(sentence)
            table = pd.concat(
                [table, tables.from_records(rows).assign(source=CORRECTIONS)], ignore_index=True
            )
    for sentence in notes:
        print(f"note: {sentence}", file=sys.stderr)
    tables.write(table, paths.manifest)
    counts = {"patients": "patient_id", "cases": "case_id", "slices": "sample_id"}
    return {name: table[column].nunique() for name, column in counts.items()}


if __name__ == "__main__":
    errors.run(app)
