"""The folds of a cross-validation as one: Dice over all patients, the networks' mean as one model."""

import hashlib
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd

from stages.core import atomic, lineage
from stages.core.errors import UserError
from stages.experiments import sites
from stages.experiments.crossvalidation import Member
from stages.exporting import onnx_ensemble, onnx_export
from stages.fingerprints import seen
from stages.inference import spec
from stages.inference.spec import ServedRule, Spec
from stages.masks import levels
from stages.masks.guarantee import Guarantees
from stages.population import population
from stages.project.paths import HERE
from stages.scoring import conformal, groups, leakage
from stages.scoring.intervals import patient_bootstrap

SCHEMA = conformal.SCHEMA.requiring("predicted_ml", "site", "traits")
"""What must be known of each case."""


@dataclass(frozen=True)
class Ensemble:
    """metrics: as reports/ensemble/metrics.json has them. networks: how many were averaged. exported: whether
    models/ensemble/ was written.
    """

    metrics: dict[str, Any]
    networks: int
    exported: bool

    def lines(self) -> list[str]:
        """The Dice with its interval, and where the model is."""
        metrics = self.metrics
        by_site = metrics["groups"].get(groups.SITE, {})
        unseen = ", each by networks that have not seen it" if metrics["strategy"] == "site" else ""
        return [
            f"cross-validated Dice {metrics['dice']:.3f} (95 % interval {metrics['dice_ci_low']:.3f} to "
            f"{metrics['dice_ci_high']:.3f}, {metrics['patients']} patients, {self.networks} networks), "
            f"{metrics['dice_sd_over_folds']:.3f} sd over folds" + (" (leaky)" if metrics["leaky"] else ""),
            *([f"by site{unseen}: {', '.join(map(_site, by_site, by_site.values()))}"] if by_site else []),
            f"model: {HERE.ensemble}"
            if self.exported
            else "no model: not every experiment went as far as export",
        ]


def _site(name: str, about: dict[str, Any]) -> str:
    low, high = about["dice_ci_low"], about["dice_ci_high"]
    interval = f"{low:.3f} to {high:.3f}, " if low is not None else ""
    return f"{name} {about['dice']:.3f} ({interval}{about['patients']} patients)"


def write(recipes: list[list[Member]]) -> Ensemble:
    """Write reports/ensemble/ and, where every member was exported, models/ensemble/.

    recipes: of each all folds of each of its seeds, as `crossvalidation.complete` has them. Raises
    `UserError` where they prepare scans in different ways.
    """
    members = [member for recipe in recipes for member in recipe]
    by_recipe = [[member.experiment.per_case(SCHEMA) for member in recipe] for recipe in recipes]
    patients = pd.concat(map(_patients, recipes, by_recipe), axis=1)
    scores = [table for own in by_recipe for table in own]
    metrics = _metrics(members, len(recipes), patients)
    metrics["groups"] = by_group(scores)
    exported = _export(members, scores)
    if len(recipes) == 1 and metrics["strategy"] == "site":
        sites.record([member.experiment for member in members], scores)
    with atomic.directory(HERE.ensemble_report) as folder:
        atomic.metrics(metrics, folder / "metrics.json")
        means = patients.mean(axis=1).rename("dice").rename_axis("patient_id")
        means.to_csv(folder / "per_patient.csv")
    return Ensemble(metrics, len(members), exported)


def by_group(scores: list[pd.DataFrame]) -> dict[str, dict[str, dict[str, Any]]]:
    """Patients, Dice, its interval and the worst of the groups of all folds' patients, by trait and value
    (`scoring.groups`). Of folds that are sites each is measured by networks that have not seen it.
    """
    table: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for group in groups.of(pd.concat(scores, ignore_index=True)):
        ends = {"dice_ci_low": group.low, "dice_ci_high": group.high}
        about = {"patients": group.patients, "dice": group.dice, **ends, "worst_dice": group.worst}
        table[group.trait][group.value] = about
    return dict(table)


def _patients(members: list[Member], scores: list[pd.DataFrame]) -> pd.DataFrame:
    """Dice of every patient (rows) with every seed (columns), each by the network that has not seen it.
    scores: of each member, `SCHEMA`.
    """
    by_seed: dict[int, list[pd.DataFrame]] = defaultdict(list)
    for member, table in zip(members, scores, strict=True):
        by_seed[member.params.train.seed].append(table)
    return pd.DataFrame({seed: leakage.pooled(folds)["dice"] for seed, folds in sorted(by_seed.items())})


def _metrics(members: list[Member], recipes: int, patients: pd.DataFrame) -> dict[str, Any]:
    """members, patients (as `_patients` has it): of all recipes."""
    params = members[0].params
    means = patients.mean(axis=1)
    low, high = patient_bootstrap(means.to_numpy(), params.evaluate.bootstrap)
    evaluated = [member.experiment.metrics() for member in members]
    folds = pd.Series([metrics["test"]["dice"] for metrics in evaluated])
    metrics: dict[str, Any] = {
        "dice": float(means.mean()),
        "dice_ci_low": low,
        "dice_ci_high": high,
        "worst_dice": float(means.min()),
        "patients": len(means),
        "folds": params.split.folds,
        "strategy": params.split.strategy,
        "recipes": recipes,
        "seeds": patients.columns.nunique(),
        "dice_sd_over_folds": float(folds.std(ddof=1)),
        "leaky": any(metrics["leaky"] for metrics in evaluated),
    }
    if recipes == 1 and len(patients.columns) > 1:
        metrics["dice_sd_over_seeds"] = float(patients.mean().std(ddof=1))
    return metrics


def _export(members: list[Member], scores: list[pd.DataFrame]) -> bool:
    """Write models/ensemble/; False where an experiment has no exported model. scores: of each."""
    with tempfile.TemporaryDirectory() as temporary:
        paths = [Path(temporary) / f"{number}.onnx" for number in range(len(members))]
        known = [path.with_suffix(".npy") for path in paths]
        for member, path, hashes in zip(members, paths, known, strict=True):
            if not member.experiment.fetch(HERE.onnx, path):
                return False
            member.experiment.fetch(HERE.seen, hashes)
        with atomic.directory(HERE.ensemble) as folder:
            join(paths, folder, scores)
            if all(path.exists() for path in known):  # not of exports from before they said it
                every = np.concatenate([seen.read(path, "run the experiments again") for path in known])
                seen.write(seen.distinct(every), folder / HERE.seen.name)
    return True


def join(graphs: list[Path], folder: Path, scores: list[pd.DataFrame] | None = None) -> None:
    """Write an ensemble of exported graphs: one graph for each kind of input, the mean of those that have it,
    and spec.json. Raises `UserError` where they prepare scans in different ways.

    scores: of the patients that each has not seen (`conformal.SCHEMA`); without them nothing is promised.
    """
    specs = [_spec(path) for path in graphs]
    joint = average(specs).model_copy(update={"guarantees": promised(specs, scores) if scores else None})
    kinds: dict[str, list[int]] = defaultdict(list)
    for number, own in enumerate(specs):
        kinds[own.input.model_dump_json()].append(number)
    name = Path(HERE.onnx.name)
    files = [name.name, *(f"{name.stem}-{kind}{name.suffix}" for kind in range(2, len(kinds) + 1))]
    if len(kinds) > 1:
        sizes = {file: len(numbers) for file, numbers in zip(files, kinds.values(), strict=True)}
        joint = joint.model_copy(update={"members": sizes})
    for file, numbers in zip(files, kinds.values(), strict=True):
        onnx.save(onnx_ensemble.mean([onnx.load(graphs[number]) for number in numbers]), folder / file)
        own = specs[numbers[0]]
        described = joint.model_copy(update={"input": own.input, "output": own.output})
        onnx_export.describe(folder / file, spec.KEY, described.text())
    hashes = {file: lineage.content_hash(folder / file) for file in files}
    atomic.json_file(joint.model_dump(mode="json") | {"files": hashes}, folder / HERE.spec.name)


def _spec(path: Path) -> Spec:
    entries = onnx.load(path, load_external_data=False).metadata_props
    texts = {entry.key: entry.value for entry in entries}
    return spec.parse(texts.get(spec.KEY, ""), str(path))


def average(specs: list[Spec]) -> Spec:
    """What the joint model says of itself: means of the thresholds and sizes, flips where most flip.

    A mean threshold is rounded to a multiple of 1 / `levels.LEVELS`, as every threshold is. Raises
    `UserError` where the members prepare scans in different ways.
    """
    first = specs[0]
    if any(_preparation(own) != _preparation(first) for own in specs):
        raise UserError("the experiments differ in how they prepare scans; ensemble those that do not")
    rules = [s.decision for s in specs]
    sure = [rule.low_confidence_below for rule in rules if rule.low_confidence_below is not None]
    thresholds = _means([rule.threshold for rule in rules])
    rule = ServedRule(
        threshold={region: levels.at(mean) / levels.LEVELS for region, mean in thresholds.items()},
        tta="flip" if 2 * sum(rule.tta == "flip" for rule in rules) > len(rules) else "none",
        smallest_component_ml=_means([rule.smallest_component_ml for rule in rules]),
        low_confidence_below=sum(sure) / len(sure) if sure else None,
    )
    return first.model_copy(
        update={
            "decision": rule,
            "model_hash": _joint_hash([s.model_hash for s in specs]),
            "data_hash": _joint_hash([s.data_hash for s in specs]),
            "population": population.joint([s.population for s in specs]),
        }
    )


def promised(specs: list[Spec], scores: list[pd.DataFrame]) -> Guarantees | None:
    """What all held-out patients promise of the joint model; None where a member was exported before models
    promised anything.

    Each patient is scored by the networks that have not seen it, and the worst of these counts. That is
    cross-conformal but for one thing: a new scan is answered by the mean of all networks, not by each.
    """
    own = [s.guarantees for s in specs if s.guarantees]
    if len(own) < len(specs):
        return None
    withheld = next((guarantees.withheld for guarantees in own if guarantees.withheld), "")
    shift = _means([guarantees.dice_shift for guarantees in own])
    return conformal.fit(
        scores, {name: round(mean, conformal.DIGITS) for name, mean in shift.items()}, withheld
    )


def _preparation(own: Spec) -> tuple[object, ...]:
    """What members have in common, whatever windows they see."""
    seen = own.input.model_dump(exclude={"shape", "context", "window", "through_mm"})
    return seen, own.output.model_dump(exclude={"shape"}), own.scaling


def _means(values: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each region's values."""
    return {region: sum(of[region] for of in values) / len(values) for region in values[0]}


def _joint_hash(hashes: list[str]) -> str:
    return hashlib.sha256("".join(hashes).encode()).hexdigest()[: len(hashes[0])]
