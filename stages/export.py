"""Export the model as ONNX, prove that it answers as torch does on every test slice, and write its card.

python -m stages.export          # what `dvc repro export` runs; about 20 s for the sample
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import typer

from stages.core import atomic, code, errors, lineage, tables
from stages.exporting import card, description, known, onnx_export, parity
from stages.fingerprints import seen
from stages.inference import cases, onnx_predictor, spec
from stages.inference.cases import Prediction
from stages.inference.onnx_predictor import OnnxPredictor
from stages.inference.torch_predictor import TorchPredictor
from stages.networks import modelfile
from stages.networks.volumetric import VolumeNetwork
from stages.project.params import Export, load
from stages.project.paths import Paths
from stages.scan import windows
from stages.scoring import conformal, decision, groups
from stages.store import dataset, shards

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
CALIBRATION = 128  # training slices that set the int8 ranges


@app.command()
def main() -> None:
    """Export the model as ONNX and write its card."""
    run(load(Export), Paths())


def run(params: Export, paths: Paths) -> dict[str, Any]:
    """Write models/export/; returns the metrics."""
    store = shards.open_store(paths.slices)
    model, net = modelfile.load(paths.model, paths.weights)
    chosen = decision.read(paths.decision)
    depth = model.window[0] if model.window else windows.depth_of(model.context)
    rows = {split: dataset.rows_of(store, paths.splits, split) for split in ("train", "val", "test")}

    def with_onnx(path: Path, split: str = "test") -> Iterator[Prediction]:
        session = onnx_predictor.session(path)
        predictor = OnnxPredictor(session, depth, model.batch_size, model.window, model.through_mm)
        return cases.of(predictor, store, rows[split], chosen.tta)

    with atomic.directory(paths.export) as folder:
        exact, small = folder / paths.onnx.name, folder / paths.onnx_int8.name
        if isinstance(net, VolumeNetwork):
            assert model.window is not None
            onnx_export.write_volumes(net, model.window, params.opset, exact)
        else:
            onnx_export.write(net, depth, model.size, params.opset, exact)
        with_torch = cases.of(TorchPredictor.of(model, net), store, rows["test"], chosen.tta)
        sure: dict[str, float] = {}
        tested = known.noted(with_onnx(exact), store, chosen, sure)
        compared = parity.of(store, chosen, with_torch, tested)
        metrics: dict[str, Any] = {
            "torch": {"dice": compared.reference},
            "onnx": {
                "dice": compared.other,
                "dice_change": compared.other - compared.reference,
                "max_probability_change": compared.gap,
                "bytes": exact.stat().st_size,
            },
        }
        if params.int8 and model.dims == 2:  # of 3D convolutions onnxruntime has none that are faster
            onnx_export.write_int8(exact, calibration(store, rows["train"], depth), small)
            metrics["int8"] = parity.weighed(
                store, chosen, compared.reference, params.max_dice_drop, with_onnx(small), small
            )
        described = description.of(model, chosen, store, conformal.read(paths.guarantees))
        validated = known.noted(with_onnx(exact, "val"), store, chosen, sure)
        described = description.with_doubt(described, store, validated)
        patients = known.patients(store, np.concatenate(list(rows.values())), sure)
        described = described.model_copy(update={"population": patients})
        for path in sorted(folder.glob("*.onnx")):
            onnx_export.describe(path, spec.KEY, described.text())
        files = {path.name: lineage.content_hash(path) for path in sorted(folder.glob("*.onnx"))}
        atomic.json_file(described.model_dump(mode="json") | {"files": files}, folder / paths.spec.name)
        text = card.render(model, chosen, store.meta, of_run(store, metrics, model.weights_hash, paths))
        atomic.text(text, folder / paths.card.name)
        seen.write(seen.read(paths.learnt, "`dvc repro train` makes it"), folder / paths.seen.name)
    atomic.metrics(metrics, paths.export_metrics)
    return metrics


def calibration(store: shards.Store, rows: np.ndarray, depth: int) -> Iterator[np.ndarray]:
    """Training slices as the graph takes them, evenly spread over the patients."""
    around = dataset.Windows(store.index, depth)
    rows = rows[np.linspace(0, len(rows) - 1, min(CALIBRATION, len(rows))).astype(int)]
    for start in range(0, len(rows), 16):
        yield windows.flat(around.images(store, rows[start : start + 16]))


def tried(path: Path, weights_hash: str) -> list[dict[Any, Any]]:
    """Scores of the model on other sets that people recorded, in their order."""
    if not path.exists():
        return []
    table = tables.read(tables.TRIED, path)
    return table[table["model"] == weights_hash].to_dict("records")


def of_run(store: shards.Store, exported: dict[str, Any], weights_hash: str, paths: Paths) -> card.Run:
    """What earlier stages say of the run, for the card."""
    evaluated, split = (
        json.loads(path.read_text(encoding="utf-8")) for path in (paths.evaluate_metrics, paths.split_metrics)
    )
    own_code = [*code.rooms("preprocess"), *code.rooms("train")]
    return card.Run(
        evaluated=evaluated,
        exported=exported,
        split=split,
        findings=card.findings(tables.read(tables.FINDINGS, paths.findings)),
        groups=groups.of(tables.read(tables.PER_CASE, paths.per_case)),
        tried=tried(paths.tried, weights_hash),
        source=str(store.index["source"].iloc[0]),
        hashes={
            "split": lineage.content_hash(paths.splits),
            "code that prepared the scans and trained the network": lineage.key({}, [], own_code),
        },
    )


if __name__ == "__main__":
    errors.run(app)
