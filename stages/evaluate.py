"""Score the model on the test patients; choose threshold, flips and smallest component on the validation
patients; write what the test patients promise of new scans.

python -m stages.evaluate        # what `dvc repro evaluate` runs; about 15 s for the sample
"""

import sys
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Any

import pandas as pd
import typer

from stages.core import atomic, errors, progress, tables, workers
from stages.figures import curves, results
from stages.inference import cases as inference
from stages.inference.torch_predictor import TorchPredictor
from stages.masks.rule import Tta
from stages.networks import allocation, modelfile
from stages.project.params import Evaluate, load
from stages.project.paths import Paths
from stages.scoring import absence, conformal, decision, scores, summary
from stages.scoring.prediction import Predictions
from stages.store import dataset, shards

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
ALONE = 1 << 26
"""Voxels, of each region, that one process scores about as soon as others have started."""


@app.command()
def main() -> None:
    """Score the model on the test patients."""
    metrics = run(load(Evaluate), Paths())
    if sentence := absence.sentence(metrics["test"]):
        print(f"warning: {sentence}", file=sys.stderr)


def run(params: Evaluate, paths: Paths) -> dict[str, Any]:
    """Write models/decision.json, models/guarantees.json and reports/evaluate/; returns the metrics."""
    allocation.keep_freed_memory()
    slices = shards.open_store(paths.slices)
    model, network = modelfile.load(paths.model, paths.weights)
    predictor = TorchPredictor.of(model, network)
    regions = list(model.regions)
    splits = tables.read(tables.SPLITS, paths.splits)

    options: tuple[Tta, ...] = ("none", "flip") if params.tta == "auto" else (params.tta,)

    def predicted(split: str) -> dict[Tta, Predictions]:
        rows = dataset.rows_of(slices, splits, split)
        number = slices.index["case_id"].iloc[rows].nunique()
        answers = inference.by_tta(predictor, slices, rows, options)
        held = {tta: Predictions(slices) for tta in options}
        for case in progress.track(answers, split, number):
            for tta, prediction in case.items():
                held[tta].add(prediction)
        return held

    with scorers(slices, splits) as pool:  # before hours of inference, so that what is amiss is told at once
        val, tests = predicted("val"), predicted("test")
        chosen = decision.choose(
            {tta: own.at(pool) for tta, own in val.items()}, regions, params.threshold, params.postprocess
        )
        test = tests[chosen.tta].at(pool)
        residuals = val[chosen.tta].at(pool).map(partial(conformal.residuals, chosen))
        shift = conformal.shifts(residuals, regions)
        parts = test.map(partial(scores.of_case, chosen, params.surface_tolerance_mm, shift))
        scored = scores.of(progress.track(parts, "scoring", len(test)), regions)
        suspected = scores.suspected({"val": val[chosen.tta].at(pool), "test": test})
        by_tta = {
            tta: scored.per_slice if tta == chosen.tta else scores.per_slice(own.at(pool), chosen)
            for tta, own in tests.items()
        }

    with atomic.directory(paths.curves) as folder:
        frames = results.write(scored, slices, test, chosen, folder, paths.overlays)
        tables.write(frames, folder / paths.frames.name)
        curves.training(tables.read(tables.HISTORY, paths.history), folder / "training.png")
    tables.write(suspected, paths.suspects)
    tables.write(scored.per_case, paths.per_case)
    atomic.json_file(asdict(chosen), paths.decision)
    leaky = leaks(splits)
    measured = summary.metrics(scored, by_tta, slices, params.bootstrap)
    withheld = conformal.withheld(leaky, measured["patients_known"])
    promised = conformal.fit([scored.per_case], shift, withheld)
    atomic.json_file(asdict(promised), paths.guarantees)
    metrics = {
        **measured,
        "val": {"dice": chosen.val_dice},
        "guarantees": conformal.metrics(promised, conformal.scans([scored.per_case]), scored.histograms),
        "leaky": leaky,
    }
    atomic.metrics(metrics, paths.evaluate_metrics)
    return metrics


@contextmanager
def scorers(slices: shards.Store, splits: pd.DataFrame) -> Iterator[Executor | None]:
    """The processes that score the cases, of a cluster or of this machine; None where this one does."""
    rows = sum(len(dataset.rows_of(slices, splits, split)) for split in ("val", "test"))
    if not workers.elsewhere() and rows * slices.meta.size**2 * len(slices.meta.regions) < ALONE:
        yield None
        return
    with workers.pool() as pool:
        yield pool


def leaks(splits: pd.DataFrame) -> bool:
    """Whether a patient of the test set, or a copy of one, was also trained or validated on."""
    tested = splits["split"] == "test"
    return bool(set(splits.loc[tested, "group"]) & set(splits.loc[~tested, "group"]))


if __name__ == "__main__":
    errors.run(app)
