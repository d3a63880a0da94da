"""Folds of a cross-validation as one: its Dice over all patients, and its networks as one model.

dvc exp run --queue -S split.folds=5 -S 'split.fold=range(5)' && dvc queue start    # one experiment a fold
brainseg ensemble                                                                   # of the current commit

Writes reports/ensemble/ and, where the experiments went as far as export, models/ensemble/, which
`brainseg predict --model models/ensemble` takes. Experiments that differ in train.seed as well are averaged
too. No patient is left to test the ensemble itself on: the Dice is of the single networks, each on the
patients it has not seen.
"""

import hashlib
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any

import onnx
import pandas as pd
import typer

from stages.core import atomic, errors, lineage
from stages.core.errors import UserError
from stages.experiments import crossvalidation
from stages.experiments.crossvalidation import Member
from stages.exporting import onnx_ensemble, onnx_export
from stages.inference import spec
from stages.inference.spec import ServedRule, Spec
from stages.project.paths import HERE
from stages.scoring import leakage
from stages.scoring.intervals import patient_bootstrap

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    name: Annotated[
        str | None, typer.Argument(help="An experiment of the cross-validation, where there are several.")
    ] = None,
) -> None:
    """Average the networks of a cross-validation and tell its Dice over all patients."""
    members = crossvalidation.chosen(crossvalidation.complete(), name)
    wanted = members[0].params
    by_seed: dict[int, list[pd.DataFrame]] = defaultdict(list)
    for member in members:
        by_seed[member.params.train.seed].append(member.experiment.per_case())
    seeds = pd.DataFrame({seed: leakage.pooled(folds)["dice"] for seed, folds in sorted(by_seed.items())})
    patients = seeds.mean(axis=1)
    low, high = patient_bootstrap(patients.to_numpy(), wanted.evaluate.bootstrap)
    evaluated = [member.experiment.metrics() for member in members]
    folds = pd.Series([one["test"]["dice"] for one in evaluated])
    metrics: dict[str, Any] = {
        "dice": float(patients.mean()),
        "dice_ci_low": low,
        "dice_ci_high": high,
        "worst_dice": float(patients.min()),
        "patients": len(patients),
        "folds": wanted.split.folds,
        "seeds": len(seeds.columns),
        "dice_sd_over_folds": float(folds.std(ddof=1)),
        "leaky": any(one["leaky"] for one in evaluated),
    }
    if len(seeds.columns) > 1:
        metrics["dice_sd_over_seeds"] = float(seeds.mean().std(ddof=1))
    written = export(members)
    with atomic.directory(HERE.ensemble_report) as folder:
        atomic.metrics(metrics, folder / "metrics.json")
        patients.rename("dice").rename_axis("patient_id").to_csv(folder / "per_patient.csv")
    print(
        f"cross-validated Dice {metrics['dice']:.3f} (95 % interval {low:.3f} to {high:.3f}, "
        f"{len(patients)} patients, {len(members)} networks), "
        f"{metrics['dice_sd_over_folds']:.3f} sd over folds" + (" (leaky)" if metrics["leaky"] else "")
    )
    print(f"model: {HERE.ensemble}" if written else "no model: not every experiment went as far as export")


def export(members: list[Member]) -> bool:
    """Write models/ensemble/; False where an experiment has no exported model."""
    with tempfile.TemporaryDirectory() as temporary:
        paths = [Path(temporary) / f"{number}.onnx" for number in range(len(members))]
        for member, path in zip(members, paths, strict=True):
            if not member.experiment.fetch(HERE.onnx, path):
                return False
        described = average([_described(path) for path in paths])
        joint = onnx_ensemble.mean([onnx.load(path) for path in paths])
    with atomic.directory(HERE.ensemble) as folder:
        path = folder / HERE.onnx.name
        onnx.save(joint, path)
        onnx_export.describe(path, spec.KEY, described.text())
        files = {path.name: lineage.content_hash(path)}
        atomic.json_file(described.model_dump(mode="json") | {"files": files}, folder / HERE.spec.name)
    return True


def _described(path: Path) -> Spec:
    told = {entry.key: entry.value for entry in onnx.load(path, load_external_data=False).metadata_props}
    return spec.parse(told.get(spec.KEY, ""), str(path))


def average(specs: list[Spec]) -> Spec:
    """What the joint model says of itself: means of the thresholds and sizes, flips where most flip."""
    first = specs[0]
    if any(
        (one.input, one.output, one.scaling) != (first.input, first.output, first.scaling) for one in specs
    ):
        raise UserError("the experiments differ in how they prepare scans; ensemble those that do not")

    def mean_of(values: list[dict[str, float]]) -> dict[str, float]:
        return {region: sum(one[region] for one in values) / len(values) for region in values[0]}

    rules = [one.decision for one in specs]
    sure = [rule.low_confidence_below for rule in rules if rule.low_confidence_below is not None]
    rule = ServedRule(
        threshold=mean_of([rule.threshold for rule in rules]),
        tta="flip" if 2 * sum(rule.tta == "flip" for rule in rules) > len(rules) else "none",
        smallest_component_ml=mean_of([rule.smallest_component_ml for rule in rules]),
        low_confidence_below=sum(sure) / len(sure) if sure else None,
    )
    return first.model_copy(
        update={
            "decision": rule,
            "model_hash": _joint([one.model_hash for one in specs]),
            "data_hash": _joint([one.data_hash for one in specs]),
        }
    )


def _joint(hashes: list[str]) -> str:
    return hashlib.sha256("".join(hashes).encode()).hexdigest()[: len(hashes[0])]


if __name__ == "__main__":
    errors.run(app)
