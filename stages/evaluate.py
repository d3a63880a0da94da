"""Score the model on the test patients; choose threshold, flips and smallest component on the validation
patients.

python -m stages.evaluate        # what `dvc repro evaluate` runs; about 15 s for the sample
"""

from pathlib import Path

import numpy as np
import pandas as pd
import typer

from stages import atomic, errors, layout, params
from stages.learning import inference, modelfile
from stages.reporting import figures, overlays
from stages.scoring import cases, decision, prediction
from stages.scoring.decision import Decision, Scored
from stages.slices import dataset, manifest, store

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
SHOWN = 12  # overlays: the worst patients first, each in its slice with most tumour


@app.command()
def main() -> None:
    """Score the model on the test patients."""
    wanted = params.load(params.Evaluate)
    slices = store.open_store(layout.SLICES)
    model, network = modelfile.load(layout.MODEL, layout.WEIGHTS)
    regions = list(model.regions)

    def predicted(split: str, tta: str) -> list[Scored]:
        rows = dataset.rows_of(slices, layout.SPLITS, split)
        found = inference.by_case(network, slices, rows, model.context, tta, model.batch_size)
        return prediction.scored(slices, found)

    options = ("none", "flip") if wanted.tta == "auto" else (wanted.tta,)
    tried = {tta: predicted("val", tta) for tta in options}
    chosen = decision.choose(tried, regions, wanted.threshold, wanted.postprocess)
    test = predicted("test", chosen.tta)

    rows = [
        cases.score(case, number, region, chosen, wanted.surface_tolerance_mm)
        for case in test
        for number, region in enumerate(regions)
    ]
    table = pd.DataFrame(rows).sort_values(["dice", "case_id"], kind="stable", ignore_index=True)
    headline = cases.means(table, wanted.bootstrap)
    if len(regions) > 1:
        each = {
            name: cases.means(part, wanted.bootstrap) for name, part in table.groupby("region", sort=False)
        }
        headline["regions"] = {name: each[name] for name in regions}
    splits = pd.read_csv(layout.SPLITS, dtype=str, keep_default_na=False)
    metrics = {
        "test": {
            **headline,
            "patients": table["patient_id"].nunique(),
            "worst_dice": float(table["dice"].min()),
        },
        "val": {"dice": chosen.val_dice},
        "conventions": cases.conventions(test, regions, chosen),
        "leaky": leaks(splits),
        "patients_known": bool(slices.index["patient_known"].all()),
        "box_labels": bool((slices.index["label_kind"] == "box").mean() > 0.5),
        "spacing_known": all(slices.meta.cases[case.case_id].spacing_known for case in test),
    }
    write_pictures(slices, test, regions, chosen, table)
    manifest.write(table, layout.PER_CASE)
    atomic.json_file(chosen.model_dump(mode="json"), layout.DECISION)
    atomic.metrics(metrics, layout.EVALUATE_METRICS)


def leaks(splits: pd.DataFrame) -> bool:
    """Whether a patient of the test set, or a copy of one, was also trained or validated on."""
    tested = splits["split"] == "test"
    return bool(set(splits.loc[tested, "group"]) & set(splits.loc[~tested, "group"]))


def write_pictures(
    slices: store.Store, test: list[Scored], regions: list[str], chosen: Decision, table: pd.DataFrame
) -> None:
    """Curves as CSV (for `dvc plots`) and PNG, and an overlay for each of the worst cases."""
    with atomic.directory(layout.CURVES) as folder:
        points = [
            (region, *row) for n, region in enumerate(regions) for row in decision.precision_recall(test, n)
        ]
        curve = pd.DataFrame(points, columns=["region", "threshold", "precision", "recall"])
        manifest.write(curve, folder / "precision_recall.csv")
        figures.precision_recall(curve, folder / "precision_recall.png")
        figures.per_case(table[table["region"] == regions[0]], folder / "per_case.png")
        figures.training(pd.read_csv(layout.HISTORY), folder / "training.png")
    by_id = {case.case_id: case for case in test}
    with atomic.directory(layout.OVERLAYS) as folder:
        worst = table[table["region"] == regions[0]].head(SHOWN)
        for place, case_id in enumerate(worst["case_id"]):
            write_overlay(slices, by_id[case_id], regions[0], chosen, folder / f"{place + 1:02d}.png")


def write_overlay(slices: store.Store, case: Scored, region: str, chosen: Decision, path: Path) -> None:
    """The slice of a case with most tumour, predicted or true."""
    mask = chosen.mask(case.levels[:, 0], region, case.voxel_ml)
    place = int((mask | case.truth[:, 0]).sum(axis=(1, 2)).argmax())
    row = slices.index.index[slices.index["case_id"] == case.case_id][place]
    overlays.overlay(slices.images(np.array([row]))[0], case.truth[place, 0], mask[place], path)


if __name__ == "__main__":
    errors.run(app)
