"""Rank scans without labels by what labelling them would bring to a model, so that a person with little time
corrects the right ones first.

brainseg next /path/to/cases --model models/export                   # all of them, the first to label first
brainseg next /path/to/cases --count 10 --out next.csv               # the first ten, also as a table
"""

import csv
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from stages.commands.predict import SOME_FAILED
from stages.core import atomic, errors, progress
from stages.core.errors import UserError
from stages.inference import onnx_predictor
from stages.inference.onnx_predictor import Exported
from stages.predicting import channels, outcome, places, priority, ranking, reading, segmenting
from stages.predicting.priority import Priority
from stages.predicting.ranking import Strategy
from stages.predicting.scan import Scan, legible
from stages.project.paths import HERE
from stages.registry import versions

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
COLUMNS = (
    "rank",
    "scan",
    "kind",
    "expected_error",
    "volume_ml",
    "spacing_known",
    "distance",
    "why",
    "remarks",
    "hash",
)
ALIKE = 0.5
"""Distance, of that between two scans drawn by chance, below which a scan is said to be like another."""


@app.command()
def main(
    scans: Annotated[
        list[str],
        typer.Argument(help="Scans, or folders of them, as predict takes them.", show_default=False),
    ],
    model: Annotated[
        str, typer.Option(help="An .onnx file, the folder of an export, or a version: <repository>@v1.0.0.")
    ] = str(HERE.export),
    count: Annotated[
        int | None, typer.Option(min=1, help="So many of them, the first to label.", show_default="all")
    ] = None,
    by: Annotated[Strategy, typer.Option(help="What they are ranked by.")] = ranking.DEFAULT,
    out: Annotated[
        Path | None, typer.Option(help="A .csv file for the ranking, too.", show_default=False)
    ] = None,
) -> None:
    """Rank scans by what labelling them would bring."""
    if out is not None and (out.suffix.lower() != ".csv" or out.is_dir()):
        raise UserError(f"{out} is no name for the ranking; name a file that ends in .csv with --out")
    opened = onnx_predictor.open_model(versions.locate(model))
    listed = places.find(scans, channels.sequences(opened.spec.input))
    for note in filter(None, (opened.predictor.remark, *listed.notes())):
        print(legible(f"note: {note}"), file=sys.stderr)
    failed = [f"{path}: {why}" for path, why in listed.failed]
    measured: list[Measured] = []
    for scan in progress.track(listed.scans, "next"):
        try:
            measured.append(measure(scan, opened))
        except Exception as error:
            failed.append(f"{scan}: {outcome.reason(error)}")
    rows = ranked(measured, by, opened.spec.output.noun)[:count]
    for row in rows:
        print(legible(f"{row['rank']:>{len(str(len(rows)))}}  {row['scan']}: {row['why']}"))
    if out is not None:
        write(rows, out)
    for sentence in failed:
        print(legible(f"error: {sentence}"), file=sys.stderr)
    if failed:
        raise typer.Exit(SOME_FAILED)


@dataclass(frozen=True)
class Measured:
    """A scan of which no voxel is in memory any more. remarks: what its files leave open."""

    scan: Scan
    priority: Priority
    spacing_known: bool
    remarks: tuple[str, ...]


def measure(scan: Scan, model: Exported) -> Measured:
    """Read a scan and have the model answer. Raises `UserError`."""
    volume = reading.read(scan, model.spec.input)
    answer = segmenting.answer(volume.voxels, volume.spacing, model)
    remarks = (*volume.remarks, *segmenting.remarks(volume.spacing, model))
    own = priority.of(answer, model.spec, scan.content_hash())
    return Measured(scan, own, volume.spacing is not None, remarks)


def ranked(measured: list[Measured], by: Strategy, noun: str) -> list[dict[str, Any]]:
    """A row of `COLUMNS` for each scan, the first to label first."""
    measured = sorted(measured, key=lambda own: str(own.scan))  # of copies the first by name is ranked
    ordered = [measured[place] for place in ranking.order([own.priority for own in measured], by)]
    heads = [place for place, own in enumerate(ordered) if not own.priority.blank]
    nearest = ranking.nearest_before([ordered[place].priority for place in heads])
    apart = {place: (heads[other], far) for place, (other, far) in zip(heads[1:], nearest, strict=True)}
    return [row(place, ordered, apart.get(place), noun) for place in range(len(ordered))]


def row(place: int, ordered: list[Measured], apart: tuple[int, float] | None, noun: str) -> dict[str, Any]:
    """The scan at a place of a ranking. apart: the place of the scan before it that looks most like it, and
    the distance.
    """
    own = ordered[place]
    return {
        "rank": place + 1,
        "scan": str(own.scan),
        "kind": own.scan.kind,
        "expected_error": round(own.priority.expected_error, 4),
        "volume_ml": round(own.priority.volume_ml, 4),
        "spacing_known": own.spacing_known,
        "distance": None if apart is None else round(apart[1], 3),
        "why": why(place, ordered, apart, noun),
        "remarks": legible("; ".join(own.remarks)),
        "hash": own.priority.hash,
    }


def why(place: int, ordered: list[Measured], apart: tuple[int, float] | None, noun: str) -> str:
    """What speaks for a scan at its place, and against it."""
    own = ordered[place].priority
    copied = [other.scan for other in ordered[:place] if other.priority.hash == own.hash]
    if copied:
        return f"its files are those of {copied[0]}"
    if own.blank:
        return "no head was found in it"
    size = f"{own.volume_ml:.1f}" if own.volume_ml >= 1 else f"{own.volume_ml:.2g}"
    said = f"the model expects a Dice of {1 - own.expected_error:.2f}, "
    said += f"{size} ml of {noun}" if own.volume_ml else f"no {noun} found"
    if apart is None:
        return said
    return said + (f", looks like number {apart[0] + 1}" if apart[1] < ALIKE else ", unlike those before it")


def write(rows: list[dict[str, Any]], path: Path) -> None:
    """The rows as CSV. Raises `UserError` where the file cannot be written."""
    try:
        with atomic.file(path) as part, part.open("w", encoding="utf-8", newline="") as lines:
            table = csv.DictWriter(lines, COLUMNS, lineterminator="\n")
            table.writeheader()
            table.writerows(rows)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}); name another file with --out"
        ) from None


if __name__ == "__main__":
    errors.run(app)
