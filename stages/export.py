"""Export the model as ONNX, prove that it answers as torch does on every test slice, and write its card.

python -m stages.export          # what `dvc repro export` runs; about 20 s for the sample
"""

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import typer

from stages.core import atomic, code, errors, lineage
from stages.exporting import card, onnx_export
from stages.inference import onnx_predictor, spec, torch_predictor
from stages.inference.spec import Spec
from stages.masks import levels
from stages.networks import modelfile
from stages.predicting import segmenting
from stages.project.params import Export, load
from stages.project.paths import Paths
from stages.scoring import decision, prediction
from stages.scoring.decision import Decision
from stages.store import dataset, shards

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
CALIBRATION = 128  # training slices that set the int8 ranges
UNSURE = 10  # per cent of the validation cases that a scan must be surer than
ENOUGH = 5  # validation cases with a mask, to take a percentile of

Case = tuple[str, np.ndarray, np.ndarray]


@app.command()
def main() -> None:
    """Export the model as ONNX and write its card."""
    run(load(Export), Paths())


def run(params: Export, paths: Paths) -> dict[str, Any]:
    """Write models/export/; returns the metrics."""
    slices = shards.open_store(paths.slices)
    model, net = modelfile.load(paths.model, paths.weights)
    chosen = decision.read(paths.decision)
    described = spec_of(model, chosen, slices)
    neighbours = dataset.Neighbours(slices.index, model.context)

    def with_onnx(path: Path, split: str = "test") -> Iterator[Case]:
        session = onnx_predictor.session(path)
        rows = dataset.rows_of(slices, paths.splits, split)
        for case_id, case in slices.index.iloc[rows].groupby("case_id", sort=False):
            members = case.index.to_numpy()
            images = neighbours.images(slices, members)
            found = onnx_predictor.probabilities(session, images, model.batch_size, chosen.tta)
            yield str(case_id), members, found.transpose(0, 3, 1, 2)

    test = dataset.rows_of(slices, paths.splits, "test")
    with atomic.directory(paths.export) as folder:
        exact, small = folder / paths.onnx.name, folder / paths.onnx_int8.name
        onnx_export.write(net, model.size, params.opset, exact)
        with_torch = torch_predictor.by_case(net, slices, test, model.context, chosen.tta, model.batch_size)
        reference, exported, gap = parity(slices, chosen, with_torch, with_onnx(exact))
        metrics: dict[str, Any] = {
            "torch": {"dice": reference},
            "onnx": {
                "dice": exported,
                "dice_change": exported - reference,
                "max_probability_change": gap,
                "bytes": exact.stat().st_size,
            },
        }
        if params.int8:
            onnx_export.write_int8(exact, calibration(slices, neighbours, paths.splits), small)
            metrics["int8"] = weighed(slices, chosen, reference, params.max_dice_drop, with_onnx, small)
        described = with_doubt(described, slices, with_onnx(exact, "val"))
        for path in sorted(folder.glob("*.onnx")):
            onnx_export.describe(path, spec.KEY, described.text())
        files = {path.name: lineage.content_hash(path) for path in sorted(folder.glob("*.onnx"))}
        atomic.json_file(described.model_dump(mode="json") | {"files": files}, folder / paths.spec.name)
        text = card.render(model, chosen, slices.meta, told(slices, metrics, paths))
        atomic.text(text, folder / paths.card.name)
    atomic.metrics(metrics, paths.export_metrics)
    return metrics


def weighed(
    slices: shards.Store,
    chosen: Decision,
    reference: float,
    max_dice_drop: float,
    with_onnx: Callable[[Path], Iterator[Case]],
    path: Path,
) -> dict[str, Any]:
    """Metrics of the int8 model at `path`, which is removed where it loses more test Dice than it may."""
    _, dice, _ = parity(slices, chosen, [], with_onnx(path))
    found: dict[str, Any] = {
        "dice": dice,
        "dice_change": dice - reference,
        "shipped": reference - dice <= max_dice_drop,
        "bytes": path.stat().st_size,
    }
    if not found["shipped"]:
        found["reason"] = (
            f"loses {reference - dice:.4f} test Dice, export.max_dice_drop allows {max_dice_drop:g}"
        )
        path.unlink()
    return found


def parity(
    slices: shards.Store, chosen: Decision, one: Iterable[Case], other: Iterable[Case]
) -> tuple[float, float, float]:
    """Test Dice of two ways to compute the same cases, and the largest difference of a probability between
    them.

    `one` may be empty; its Dice and the difference are NaN then.
    """
    regions = list(slices.meta.regions)
    dice: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    gap = float("nan")
    for pair in zip_longest(one, other):
        if None not in pair:
            gap = float(np.nanmax([gap, np.abs(pair[0][2] - pair[1][2]).max()]))
        for rows, case in zip(dice, pair, strict=True):
            for scored in prediction.scored(slices, [case] if case else []):
                for number, region in enumerate(regions):
                    score = prediction.dice(scored, number, region, chosen)
                    rows.append({"patient_id": scored.patient_id, "dice": score})
    first, second = (
        float(pd.DataFrame(rows).groupby("patient_id")["dice"].mean().mean()) if rows else float("nan")
        for rows in dice
    )
    return first, second, gap


def calibration(slices: shards.Store, neighbours: dataset.Neighbours, splits: Path) -> Iterator[np.ndarray]:
    """Training slices, evenly spread over the patients."""
    rows = dataset.rows_of(slices, splits, "train")
    rows = rows[np.linspace(0, len(rows) - 1, min(CALIBRATION, len(rows))).astype(int)]
    for start in range(0, len(rows), 16):
        yield neighbours.images(slices, rows[start : start + 16])


def spec_of(model: modelfile.Model, chosen: Decision, slices: shards.Store) -> Spec:
    """What a client needs beside the graph."""
    modalities = slices.index["modalities"].unique()
    return Spec(
        model_hash=model.weights_hash,
        data_hash=model.data_hash,
        input=spec.Input(
            name=onnx_export.INPUT,
            shape=("batch", model.size, model.size, len(model.mean)),
            channels=model.channels,
            modalities=modalities[0].split(";") if len(modalities) == 1 and modalities[0] else [],
            context=model.context,
        ),
        output=spec.Output(
            name=onnx_export.OUTPUT,
            shape=("batch", model.size, model.size, len(model.regions)),
            regions=model.regions,
            classes=slices.meta.classes,
        ),
        scaling=spec.Scaling.model_validate({"size": model.size, "crop": slices.meta.crop}),
        decision=spec.Rule.model_validate(chosen.model_dump() | {"low_confidence_below": None}),
    )


def with_doubt(described: Spec, slices: shards.Store, validation: Iterable[Case]) -> Spec:
    """The same with the confidence that `UNSURE` per cent of the validation cases do not reach."""
    found = []
    for case_id, _, probabilities in validation:
        shades = levels.quantise(probabilities).transpose(0, 2, 3, 1)
        voxel_ml = float(np.prod(slices.meta.cases[case_id].spacing_mm)) / 1000
        labels = segmenting.label_map(shades, described, voxel_ml)
        found.append(segmenting.confidence(shades, labels, described))
    sure = [value for value in found if value is not None]
    if len(sure) < ENOUGH:
        return described
    least = round(float(np.percentile(sure, UNSURE)), 4)
    rule = described.decision.model_copy(update={"low_confidence_below": least})
    return described.model_copy(update={"decision": rule})


def told(slices: shards.Store, exported: dict[str, Any], paths: Paths) -> card.Run:
    """What earlier stages say of the run, for the card."""
    evaluated, split = (
        json.loads(path.read_text(encoding="utf-8")) for path in (paths.evaluate_metrics, paths.split_metrics)
    )
    return card.Run(
        evaluated=evaluated,
        exported=exported,
        split=split,
        findings=card.findings(pd.read_csv(paths.findings, dtype=str, keep_default_na=False)),
        sites=card.by_site(pd.read_csv(paths.per_case, dtype={"patient_id": str}), slices.index),
        source=str(slices.index["source"].iloc[0]),
        hashes={
            "split": lineage.content_hash(paths.splits),
            "code that prepared the scans and trained the network": lineage.key(
                {}, [], [*code.rooms("preprocess"), *code.rooms("train")]
            ),
        },
    )


if __name__ == "__main__":
    errors.run(app)
