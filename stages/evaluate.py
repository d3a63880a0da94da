"""Score the model on the test patients; choose threshold, flips and smallest component on the validation
patients.

python -m stages.evaluate        # what `dvc repro evaluate` runs; about 15 s for the sample
"""

import sys
from collections.abc import Iterable
from typing import Any

import pandas as pd
import typer
from rich.progress import track

from stages import atomic, errors, layout, params
from stages.learning import allocation, inference, modelfile
from stages.reporting import curves, films
from stages.scoring import cases, conventions, decision, tables
from stages.scoring.prediction import Predictions
from stages.slices import dataset, manifest, store

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main() -> None:
    """Score the model on the test patients."""
    wanted = params.load(params.Evaluate)
    allocation.keep_freed_memory()
    slices = store.open_store(layout.SLICES)
    model, network = modelfile.load(layout.MODEL, layout.WEIGHTS)
    regions = list(model.regions)
    splits = pd.read_csv(layout.SPLITS, dtype=str, keep_default_na=False)

    def predicted(split: str, tta: str) -> Predictions:
        rows = dataset.rows_of(slices, splits, split)
        found = inference.by_case(network, slices, rows, model.context, tta, model.batch_size)
        number = slices.index["case_id"].iloc[rows].nunique()
        return Predictions(slices, shown(found, f"{split}, augmentation: {tta}", number))

    options = ("none", "flip") if wanted.tta == "auto" else (wanted.tta,)
    val = {tta: predicted("val", tta) for tta in options}
    chosen = decision.choose(val, regions, wanted.threshold, wanted.postprocess)
    tests = {tta: predicted("test", tta) for tta in options}
    test = tests[chosen.tta]
    found = tables.of(slices, shown(test, "scoring", len(test)), chosen, wanted.surface_tolerance_mm)
    suspected = tables.suspected(slices, {"val": val[chosen.tta], "test": test})
    by_tta = {
        tta: found.per_slice if tta == chosen.tta else tables.per_slice(slices, predictions, chosen)
        for tta, predictions in tests.items()
    }

    with atomic.directory(layout.CURVES) as folder:
        curves.write(found, pd.read_csv(layout.HISTORY), regions, folder)
        with atomic.directory(layout.OVERLAYS) as pictures:
            frames = films.write(slices, test, chosen, regions[0], found.per_case, pictures)
        manifest.write(frames, folder / layout.FRAMES.name)
    manifest.write(suspected, layout.SUSPECTS)
    manifest.write(found.per_case, layout.PER_CASE)
    atomic.json_file(chosen.model_dump(mode="json"), layout.DECISION)
    atomic.metrics(
        {
            "test": headline(found.per_case, regions, wanted.bootstrap),
            "val": {"dice": chosen.val_dice},
            "conventions": conventions.card(found.per_slice)
            | {f"tta_{tta}": conventions.brief(table) for tta, table in by_tta.items()},
            "leaky": leaks(splits),
            "patients_known": bool(slices.index["patient_known"].all()),
            "box_labels": bool((slices.index["label_kind"] == "box").mean() > 0.5),
            "spacing_known": all(
                slices.meta.cases[case_id].spacing_known for case_id in found.per_case["case_id"]
            ),
        },
        layout.EVALUATE_METRICS,
    )


def shown(things: Iterable[Any], told: str, number: int) -> Iterable[Any]:
    """The same with a progress bar, on a terminal."""
    return track(things, told, number, disable=not sys.stdout.isatty())


def headline(per_case: pd.DataFrame, regions: list[str], resamples: int) -> dict[str, Any]:
    """Mean of every metric over patients; where there are several regions, also of each."""
    found = cases.means(per_case, resamples) | {
        "patients": per_case["patient_id"].nunique(),
        "worst_dice": float(per_case["dice"].min()),
    }
    if len(regions) > 1:
        found["regions"] = {
            name: cases.means(per_case[per_case["region"] == name], resamples) for name in regions
        }
    return found


def leaks(splits: pd.DataFrame) -> bool:
    """Whether a patient of the test set, or a copy of one, was also trained or validated on."""
    tested = splits["split"] == "test"
    return bool(set(splits.loc[tested, "group"]) & set(splits.loc[~tested, "group"]))


if __name__ == "__main__":
    errors.run(app)
