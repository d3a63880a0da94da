"""Export the model as ONNX, prove that it answers as torch does on every test slice, and write its card.

python -m stages.export          # what `dvc repro export` runs; about 20 s for the sample
"""

import json
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import typer

from stages import atomic, errors, layout, params
from stages.learning import inference, lineage, modelfile, onnx_export
from stages.reporting import card
from stages.scoring import decision, prediction
from stages.scoring.decision import Decision
from stages.slices import dataset, head, store, transform

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
CALIBRATION = 128  # training slices that set the int8 ranges

Case = tuple[str, np.ndarray, np.ndarray]


@app.command()
def main() -> None:
    """Export the model as ONNX and write its card."""
    wanted = params.load(params.Export)
    slices = store.open_store(layout.SLICES)
    model, network = modelfile.load(layout.MODEL, layout.WEIGHTS)
    chosen = decision.read(layout.DECISION)
    test = dataset.rows_of(slices, layout.SPLITS, "test")
    neighbours = dataset.Neighbours(slices.index, model.context)

    def with_onnx(path: Path) -> Iterator[Case]:
        graph = onnx_export.session(path)
        for case_id, case in slices.index.iloc[test].groupby("case_id", sort=False):
            rows = case.index.to_numpy()
            images = neighbours.images(slices, rows)
            yield str(case_id), rows, onnx_export.probabilities(graph, images, model.batch_size, chosen.tta)

    with atomic.directory(layout.EXPORT) as folder:
        onnx_path, int8_path = folder / layout.ONNX.name, folder / layout.ONNX_INT8.name
        onnx_export.write(network, model.size, wanted.opset, onnx_path)
        with_torch = inference.by_case(network, slices, test, model.context, chosen.tta, model.batch_size)
        reference, exported, gap = parity(slices, chosen, with_torch, with_onnx(onnx_path))
        metrics: dict[str, Any] = {
            "torch": {"dice": reference},
            "onnx": {
                "dice": exported,
                "dice_change": exported - reference,
                "max_probability_change": gap,
                "bytes": onnx_path.stat().st_size,
            },
        }
        if wanted.int8:
            onnx_export.write_int8(onnx_path, calibration(slices, neighbours), int8_path)
            _, dice, _ = parity(slices, chosen, [], with_onnx(int8_path))
            shipped = reference - dice <= wanted.max_dice_drop
            metrics["int8"] = {"dice": dice, "dice_change": dice - reference, "shipped": shipped}
            metrics["int8"]["bytes"] = int8_path.stat().st_size
            if not shipped:
                int8_path.unlink()
        evaluated = json.loads(layout.EVALUATE_METRICS.read_text(encoding="utf-8"))
        described = spec(model, chosen, slices.meta, lineage.content_hash(onnx_path))
        atomic.json_file(described, folder / layout.SPEC.name)
        text = card.render(model, chosen, slices.meta, evaluated, metrics)
        atomic.text(text, folder / layout.CARD.name)
    atomic.metrics(metrics, layout.EXPORT_METRICS)


def parity(
    slices: store.Store, chosen: Decision, one: Iterable[Case], other: Iterable[Case]
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


def calibration(slices: store.Store, neighbours: dataset.Neighbours) -> Iterator[np.ndarray]:
    """Training slices, evenly spread over the patients."""
    rows = dataset.rows_of(slices, layout.SPLITS, "train")
    rows = rows[np.linspace(0, len(rows) - 1, min(CALIBRATION, len(rows))).astype(int)]
    for start in range(0, len(rows), 16):
        yield neighbours.images(slices, rows[start : start + 16])


def spec(model: modelfile.Model, chosen: Decision, meta: store.Meta, model_hash: str) -> dict[str, Any]:
    """What a client needs beside the graph: how to prepare a case, and how to read the answer."""
    return {
        "schema_version": 1,
        "model_hash": model_hash,
        "data_hash": model.data_hash,
        "input": {
            "name": onnx_export.INPUT,
            "shape": ["batch", model.size, model.size, len(model.mean)],
            "dtype": "uint8",
            "channels": model.channels,
            "context": model.context,
        },
        "output": {
            "name": onnx_export.OUTPUT,
            "shape": ["batch", model.size, model.size, len(model.regions)],
            "dtype": "float32",
            "regions": model.regions,
        },
        "scaling": {
            "crop": meta.crop,
            "size": model.size,
            "blocks": head.BLOCKS,
            "tissue": head.TISSUE,
            "z_range": list(transform.Z_RANGE),
        },
        "decision": chosen.model_dump(mode="json"),
    }


if __name__ == "__main__":
    errors.run(app)
