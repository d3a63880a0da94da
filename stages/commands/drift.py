"""Say whether scans are unlike those that a model was trained on: each by itself, and all of them together.

brainseg drift /path/to/cases --model models/export --out drift      # a page, a table and JSON
brainseg drift /path/to/cases --out drift --no-confidence            # without running the network: faster
"""

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from stages.commands.predict import SOME_FAILED
from stages.core import errors, progress
from stages.core.errors import UserError
from stages.figures import spreads
from stages.inference import onnx_predictor
from stages.inference.onnx_predictor import Exported
from stages.inference.spec import Spec
from stages.population import catalogue, differing, outlying
from stages.population.catalogue import Measure
from stages.population.differing import Comparison, Difference
from stages.population.outlying import Standing
from stages.population.population import Population
from stages.predicting import channels, outcome, places, reading, segmenting, standing, writing
from stages.predicting.scan import Scan, legible
from stages.project.paths import HERE
from stages.registry import versions
from stages.reporting import drift as page

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
NAMED = 10
"""Lines in the terminal of what differs, and of scans."""


@dataclass(frozen=True)
class Measured:
    """A scan of which no voxel is in memory any more. values: (M,) in the order of the measures."""

    scan: Scan
    values: np.ndarray
    standing: Standing | None


@dataclass(frozen=True)
class Drift:
    """What came of holding scans against a model's patients. rows: of per_scan.csv; failed: scans that could
    not be read, and why; patients (n, M), scans (m, M): of the measures listed.
    """

    listed: list[Measure]
    comparison: Comparison
    rows: list[dict[str, Any]]
    failed: list[dict[str, str]]
    patients: np.ndarray
    scans: np.ndarray

    def values(self, measure: Measure) -> tuple[np.ndarray, np.ndarray]:
        """Of the patients and of the scans, where they are known."""
        place = self.listed.index(measure)
        patients, scans = self.patients[:, place], self.scans[:, place]
        return patients[~np.isnan(patients)], scans[~np.isnan(scans)]


@app.command()
def main(
    scans: Annotated[
        list[str],
        typer.Argument(help="Scans, or folders of them, as predict takes them.", show_default=False),
    ],
    out: Annotated[Path, typer.Option(help="Folder for page, table and JSON.", show_default=False)],
    model: Annotated[
        str, typer.Option(help="An .onnx file, the folder of an export, or a version: <repository>@v1.0.0.")
    ] = str(HERE.export),
    confidence: Annotated[
        bool, typer.Option(help="Have the model answer, to compare how sure it is too.")
    ] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write into a folder with files.")] = False,
) -> None:
    """Say whether scans are unlike those that a model was trained on."""
    opened = onnx_predictor.open_model(versions.locate(model))
    population = opened.spec.population
    if population is None or not len(population):
        raise UserError(f"{model} does not carry what its patients' scans are like; export it again")
    listed = places.find(scans, channels.sequences(opened.spec.input))
    writing.prepare(out, overwrite)
    for note in filter(None, (opened.predictor.remark, *listed.notes())):
        print(legible(f"note: {note}"), file=sys.stderr)
    failed = [{"scan": legible(str(path)), "error": legible(why)} for path, why in listed.failed]
    measured: list[Measured] = []
    for scan in progress.track(listed.scans, "drift"):
        try:
            measured.append(measure(scan, opened, population, confidence))
        except Exception as error:
            failed.append({"scan": str(scan), "error": legible(outcome.reason(error))})
    if measured:
        drift = compared(measured, opened.spec, failed)
        write(drift, opened.spec.model_hash, out)
        tell(drift, out)
    for entry in failed:
        print(legible(f"error: {entry['scan']}: {entry['error']}"), file=sys.stderr)
    if failed:
        raise typer.Exit(SOME_FAILED)


def measure(scan: Scan, model: Exported, population: Population, confidence: bool) -> Measured:
    """Read a scan and measure it; with confidence the model answers too. Raises `UserError`."""
    spec = model.spec
    volume = reading.read(scan, spec.input)
    if confidence:
        answer = segmenting.answer(volume.voxels, volume.spacing, model)
        sure = segmenting.segmented(answer, spec).confidence
        values = standing.measured(answer.slices, answer.fitted, volume.spacing, sure)
    else:
        fitted, slices = segmenting.framed(volume.voxels, volume.spacing, spec)
        values = standing.measured(slices, fitted, volume.spacing)
    return Measured(scan, values, outlying.of(population, catalogue.of(spec.input.channels), values))


def compared(measured: Sequence[Measured], spec: Spec, failed: list[dict[str, str]]) -> Drift:
    """All measured scans together."""
    assert spec.population is not None
    listed = catalogue.of(spec.input.channels)
    scans = np.stack([own.values for own in measured])
    comparison = differing.of(spec.population, listed, scans)
    patients = spec.population.table([measure.name for measure in listed])
    rows = [row(own, listed) for own in measured]
    return Drift(listed, comparison, rows, failed, patients, scans)


def row(own: Measured, listed: Sequence[Measure]) -> dict[str, Any]:
    """Of per_scan.csv; measures are None where they are not known."""
    stands = own.standing
    values = {
        measure.name: None if np.isnan(value) else float(value)
        for measure, value in zip(listed, own.values, strict=True)
    }
    return {
        "scan": str(own.scan),
        "kind": own.scan.kind,
        "far_out": None if stands is None else stands.far_out,
        "outlying_p": None if stands is None else round(stands.p, 4),
        "why": "" if stands is None else stands.sentence,
        "remarks": "" if stands is None else "; ".join(stands.remarks),
        **values,
    }


def tell(drift: Drift, out: Path) -> None:
    """The verdict in a few lines."""
    differing_measures = drift.comparison.differing
    print(f"{drift.comparison.verdict}: {legible(str(out / 'index.html'))}")
    for own in differing_measures[:NAMED]:
        print(f"  {own.sentence}; {own.advice}")
    if len(differing_measures) > NAMED:
        print(f"  and {len(differing_measures) - NAMED} more")
    rows = drift.rows
    odd = sorted((row["outlying_p"], row["scan"], row["why"]) for row in rows if row["far_out"])
    judged = sum(row["far_out"] is not None for row in rows)
    print(f"by itself {len(odd)} of {judged} scans unlike the scans of training")
    for _, scan, why in odd[:NAMED]:
        print(legible(f"  {scan}: {why}"))
    if len(odd) > NAMED:
        print(f"  and {len(odd) - NAMED} more in per_scan.csv")


def write(drift: Drift, model_hash: str, out: Path) -> None:
    """All files into the folder `out`, or none."""
    comparison = drift.comparison
    with writing.together(out) as folder:
        (folder / "pictures").mkdir()
        pictures = {}
        for own in comparison.differing:
            measure = own.measure
            pictures[measure.name] = folder / "pictures" / f"{measure.name.replace(':', '-')}.png"
            spreads.draw(*drift.values(measure), measure, pictures[measure.name])
        text = page.render(comparison, drift.rows, drift.failed, pictures)
        (folder / "index.html").write_text(text, encoding="utf-8")
        content = {
            "model_hash": model_hash,
            "verdict": comparison.verdict,
            "differs": bool(comparison.differing),
            "patients": comparison.patients,
            "least_p": comparison.reachable,
            "measures": [_as_json(own) for own in comparison.differences],
            "scans": drift.rows,
            "failed": drift.failed,
        }
        lines = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
        (folder / "drift.json").write_text(lines + "\n", encoding="utf-8")
        with (folder / "per_scan.csv").open("w", encoding="utf-8", newline="") as file:
            written = csv.DictWriter(file, list(drift.rows[0]), lineterminator="\n")
            written.writeheader()
            written.writerows(drift.rows)


def _as_json(own: Difference) -> dict[str, Any]:
    return {
        "measure": own.measure.name,
        "title": own.measure.title,
        "unit": own.measure.unit.strip(),
        "scans": own.scans,
        "patients": own.patients,
        "median": own.medians[0],
        "training_median": own.medians[1],
        "training_usual": [own.low, own.high],
        "cliffs_delta": round(own.delta, 4),
        "p": own.p,
        "corrected_p": own.corrected,
        "differs": own.differs,
        "sentence": own.sentence,
        "advice": own.advice,
    }


if __name__ == "__main__":
    errors.run(app)
