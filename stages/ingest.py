"""Bring the scans into data/raw/ and list every slice in data/manifest.csv.

python -m stages.ingest          # what `dvc repro ingest` runs; about 6 s for the sample
"""

import random
from pathlib import Path

import typer

from stages import atomic, errors, layout, params
from stages.errors import UserError
from stages.slices import manifest
from stages.sources import location
from stages.sources.record import Record
from stages.sources.registry import SOURCES
from stages.sources.source import Source

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main() -> None:
    """Bring the scans into data/raw/ and list every slice."""
    wanted = params.load(params.Ingest)
    source = SOURCES[wanted.source]
    with atomic.directory(layout.RAW) as raw:
        bring(source, wanted, raw)
        records = limited(source.records(raw), wanted, raw)
    manifest.write(manifest.from_records(records), layout.MANIFEST)


def bring(source: Source, wanted: params.Ingest, raw: Path) -> None:
    """Fill `raw` from `ingest.location`, or let the source generate its own scans."""
    if wanted.location is not None:
        location.bring(source, layout.project_root() / Path(wanted.location).expanduser(), raw)
    elif source.generate is not None:
        source.generate(raw, wanted.limit, wanted.seed)
    else:
        raise UserError(
            f"ingest.location is not set and source {source.name} is not generated; download "
            f"https://www.kaggle.com/datasets/{source.kaggle} and set ingest.location to its folder or .zip"
        )


def limited(records: list[Record], wanted: params.Ingest, raw: Path) -> list[Record]:
    """At most `ingest.limit` patients, drawn with `ingest.seed`; the files of the others are removed from
    `raw`.
    """
    patients = sorted({record.patient_id for record in records})
    if wanted.limit is None or wanted.limit >= len(patients):
        return records
    drawn = set(random.Random(wanted.seed).sample(patients, wanted.limit))
    for record in records:
        if record.patient_id not in drawn:
            for name in filter(None, [*record.image.split(";"), record.mask]):
                (raw / name).unlink(missing_ok=True)
    return [record for record in records if record.patient_id in drawn]


if __name__ == "__main__":
    errors.run(app)
