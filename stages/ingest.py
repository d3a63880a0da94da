"""Bring the scans into data/raw/ and list every slice in data/manifest.csv.

python -m stages.ingest          # what `dvc repro ingest` runs; about 6 s for the sample
"""

import random
import sys
from functools import partial
from pathlib import Path

import typer
from rich.progress import track

from stages import atomic, errors, layout, params
from stages.errors import UserError
from stages.slices import manifest
from stages.sources import images, kaggle, location, record
from stages.sources.record import Record
from stages.sources.registry import SOURCES
from stages.sources.source import Found, Source

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main() -> None:
    """Bring the scans into data/raw/ and list every slice."""
    wanted = params.load(params.Ingest)
    source = SOURCES[wanted.source]
    with atomic.directory(layout.RAW) as raw:
        bring(source, wanted, raw)
        found = source.find(raw)
        records = limited(annotated(found, wanted), wanted)
        prune(raw, record.files(records))
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    table = manifest.from_records(records).assign(source=source.name)
    manifest.write(table, layout.MANIFEST)


def bring(source: Source, wanted: params.Ingest, raw: Path) -> None:
    """Fill `raw` from `ingest.location`, from Kaggle, or let the source generate its own scans."""
    if wanted.location is None and source.generate is not None:
        source.generate(raw, wanted.limit, wanted.seed)
        return
    handle = kaggle.parse(wanted.location or f"kaggle:{source.kaggle}")
    if handle:
        place = kaggle.download(handle)
    else:
        place = layout.project_root() / Path(str(wanted.location)).expanduser()
    progress = partial(track, description="ingest", disable=not sys.stdout.isatty())
    location.bring(source, place, raw, progress)


def annotated(found: Found, wanted: params.Ingest) -> list[Record]:
    """The slices that have a label, and the others as free of tumour where `ingest.unannotated` says so."""
    if wanted.unannotated == "negative":
        return found.records
    kept = [one for one in found.records if one.sample_id not in found.unannotated]
    how = "set ingest.unannotated: negative if they show no tumour"
    if not kept:
        raise UserError(f"none of the {len(found.records)} images has an annotation; {how}")
    if len(kept) < len(found.records):
        left_out = len(found.records) - len(kept)
        print(f"note: {left_out} images without annotation are left out; {how}", file=sys.stderr)
    return kept


def limited(records: list[Record], wanted: params.Ingest) -> list[Record]:
    """At most `ingest.limit` patients, drawn with `ingest.seed`."""
    patients = sorted({one.patient_id for one in records})
    if wanted.limit is None or wanted.limit >= len(patients):
        return records
    drawn = set(random.Random(wanted.seed).sample(patients, wanted.limit))
    return [one for one in records if one.patient_id in drawn]


def prune(raw: Path, needed: set[str]) -> None:
    """Remove scans of which no slice is made, such as a set's second copy; tables stay."""
    for path in raw.rglob("*"):
        name = path.relative_to(raw).as_posix()
        if images.suffix_of(path.name) and path.is_file() and name not in needed:
            path.unlink()


if __name__ == "__main__":
    errors.run(app)
