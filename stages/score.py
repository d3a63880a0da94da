"""Score a model on labelled scans that it was not made from: another hospital's, another set's.

brainseg score --model models/export --source brats --location brats.zip --out scored
brainseg score --model git@host:team/brainseg@v1.0.0 --source lgg --location lgg.zip --out scored

Reads what `dvc repro ingest` reads, in the same way, and touches nothing of the project: what evaluate writes
of the test patients comes into --out, of all patients but those that the model has seen.
"""

import hashlib
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from stages import ingest, preprocess
from stages.checks import judging
from stages.core import atomic, errors, tables, workers
from stages.core.errors import UserError
from stages.figures import results
from stages.fingerprints import fingerprint, seen
from stages.inference import onnx_predictor
from stages.inference.onnx_predictor import Exported
from stages.predicting import writing
from stages.project import options
from stages.project.params import Ingest, Preprocess
from stages.project.paths import HERE, Paths, ScorePaths
from stages.registry import versions
from stages.reporting import headline, score
from stages.sources import sources
from stages.sources.sources import SOURCES
from stages.store import shards
from stages.store.shards import Store
from stages.trials import channels, regions, standings, trial, unseen
from stages.trials.regions import Labels
from stages.trials.trial import Trial
from stages.trials.unseen import Unseen

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    source: Annotated[
        str, typer.Option(help=f"How the scans lie: {', '.join(SOURCES)}.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Folder for what was measured.", show_default=False)],
    location: Annotated[
        str | None, typer.Option(help="A folder, an archive or an address, as ingest.location.")
    ] = None,
    model: Annotated[
        str, typer.Option(help="An .onnx file, the folder of an export, or a version: <repository>@v1.0.0.")
    ] = str(HERE.export),
    others: Annotated[
        list[str] | None,
        typer.Option("--set", "-S", help="Another param of ingest, e.g. labels=brats or limit=20."),
    ] = None,
    bootstrap: Annotated[int, typer.Option(min=1, help="Resamples of patients for the intervals.")] = 2000,
    surface_tolerance_mm: Annotated[float, typer.Option(min=0, help="Of the surface Dice.")] = 2.0,
    record: Annotated[
        bool, typer.Option("--record", help=f"Add the result to {HERE.tried}, for the model card.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write into a folder with files.")] = False,
) -> None:
    """Score a model on labelled scans that it was not made from."""
    params = options.ingest(source, location, others or [])
    located = versions.locate(model)
    opened = onnx_predictor.open_model(located)
    writing.prepare(out, overwrite)
    with writing.together(out) as part, tempfile.TemporaryDirectory(prefix=".work-", dir=part) as folder:
        work, paths = Paths(Path(folder)), ScorePaths(part)
        brought = bring(params, opened, work, paths)
        rest = unseen.of(brought.store, work.slices, located)
        compared = regions.match(opened.spec.output, labels_of(brought.store))
        tried = trial.run(opened, brought.store, rest.rows, compared, surface_tolerance_mm, bootstrap)
        stands = standings.of(brought.store, rest.rows, opened.spec)
        like = standings.sentence(stands, opened.spec)
        sentences = (*compared.sentences, *brought.sentences, rest.sentence(), like)
        about = score.About(model, _data(params), sentences, opened.spec.output.noun)
        metrics = measured(tried, opened, rest, about) | {
            "far_out": sum(standing.far_out for standing in stands.values()) if stands else None,
            "hash": brought.hash_of(rest),
        }
        odd = {case_id: standing.p for case_id, standing in stands.items()}
        tried.scores.per_case["outlying_p"] = tried.scores.per_case["case_id"].map(odd)
        write(tried, opened, metrics, about, paths)
    for sentence in sentences:
        print(f"note: {sentence}", file=sys.stderr)
    if record:
        enter(metrics, compared.sentences, HERE.tried)
    print(headline.sentence(metrics))
    print(f"page: {ScorePaths(out).page.resolve().as_uri()}")


@dataclass(frozen=True)
class Brought:
    """Scans in the frame of a model. sentences: what was assumed and left out. pixels: hash of the pixels of
    each slice of the store as they are in its file, and how many are labelled.
    """

    store: Store
    sentences: tuple[str, ...]
    pixels: list[str]

    def hash_of(self, rest: Unseen) -> str:
        """SHA-256 of what was scored, the same for models that see it in different frames."""
        names = self.store.index["sample_id"]
        lines = sorted(f"{names.iloc[row]} {self.pixels[row]}" for row in rest.rows)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def bring(params: Ingest, model: Exported, work: Paths, paths: ScorePaths) -> Brought:
    """Ingest the scans, leave out what cannot be used, and prepare the rest as the model's were. Raises
    `UserError` where the model cannot take the scans.
    """
    ingest.run(params, work)
    table = tables.read(tables.MANIFEST, work.manifest)
    offered = channels.match(model.spec.input, list(table["modalities"].unique()))
    judged = judging.judge(work.raw, table, work.kept / "measured", fingerprint.NEAR)
    tables.write(judged.findings, paths.findings)
    if not judged.kept.any():
        raise UserError(f"no slice at {_data(params)} can be used; see {paths.findings.name}")
    tables.write(table[judged.kept], work.validated)
    seen.write(seen.packed(judged.rows.loc[judged.kept, "picture"]), work.fingerprints)
    scaling = model.spec.scaling
    size, crop = scaling.size, scaling.crop
    preprocess.run(Preprocess(size=size, channels=offered.taken, crop=crop, jobs=workers.number()), work)
    bad = int(judged.bad.sum())
    left_out = (f"left out: {bad} slices that cannot be used, see {paths.findings.name}",) if bad else ()
    store = shards.open_store(work.slices)
    measured = judged.rows.set_index("sample_id").loc[store.index["sample_id"], ["content", "mask_pixels"]]
    pixels = [f"{content} {labelled}" for content, labelled in measured.itertuples(index=False)]
    return Brought(store, (*offered.sentences, *left_out), pixels)


def labels_of(store: Store) -> Labels:
    """What the labels of a set mean."""
    outline = sources.outline(str(store.index["source"].iloc[0]))
    return Labels(store.meta.classes, store.meta.regions, store.meta.noun, outline)


def write(
    tried: Trial, model: Exported, metrics: dict[str, Any], about: score.About, paths: ScorePaths
) -> None:
    """Write tables, pictures, metrics and page."""
    rule = model.spec.decision
    with atomic.directory(paths.curves) as folder:
        frames = results.write(tried.scores, tried.store, tried.predictions, rule, folder, paths.overlays)
        tables.write(frames, folder / paths.frames.name)
    tables.write(tried.suspected, paths.suspects)
    tables.write(tried.scores.per_case, paths.per_case)
    atomic.metrics(metrics, paths.metrics)
    atomic.text(score.render(paths, metrics, about), paths.page)


def measured(tried: Trial, model: Exported, rest: Unseen, about: score.About) -> dict[str, Any]:
    """What metrics.json says: as evaluate's, and what the score is of."""
    tested = tried.store.index.iloc[rest.rows]
    return tried.metrics | {
        "leaky": False,
        "model": {"weights": model.spec.model_hash, "data": model.spec.data_hash},
        "scored": {
            "data": about.data,
            "patients": tested["patient_id"].nunique(),
            "cases": tested["case_id"].nunique(),
            "slices": len(tested),
        },
        "seen": {"checked": rest.checked, "patients": len(rest.patients), "slices": rest.slices},
        "notes": list(about.sentences),
    }


def enter(metrics: dict[str, Any], sentences: tuple[str, ...], path: Path) -> None:
    """Enter a score into the project's table, in the place of an earlier one of this model and data."""
    test = metrics["test"]
    row = {"model": metrics["model"]["weights"], "data": metrics["scored"]["data"]}
    row |= {name: test[name] for name in ("patients", "dice", "dice_ci_low", "dice_ci_high")}
    new = pd.DataFrame([row | {"note": "; ".join(sentences)}], columns=list(tables.TRIED.columns))
    tables.enter(tables.TRIED, new, path, by=tables.TRIED.key)


def _data(params: Ingest) -> str:
    """Source and place of the scans, without the folders above: a page may be handed on."""
    return params.source if params.location is None else f"{params.source}, {Path(params.location).name}"


if __name__ == "__main__":
    errors.run(app)
