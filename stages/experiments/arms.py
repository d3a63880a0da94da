"""Every fold of every arm of a preset trained and tested, and the arms compared patient by patient."""

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from stages.core import tables
from stages.core.errors import UserError
from stages.experiments import experiment, runs, sites
from stages.experiments.experiment import Base, Experiment
from stages.experiments.recipe import Overrides, Preset, words
from stages.project.params import Params
from stages.scoring import leakage


@dataclass(frozen=True)
class Arm:
    """Every fold of an arm, trained once for each seed.

    folds: for each train.seed the rows of per_case.csv of every fold, the folds in order.
    """

    overrides: Overrides
    folds: dict[int, list[pd.DataFrame]]

    @property
    def patients(self) -> pd.DataFrame:
        """As `leakage.pooled` has it; Dice is the mean over seeds."""
        by_seed = self._by_seed()
        return by_seed[0].assign(
            dice=pd.concat([patients["dice"] for patients in by_seed], axis=1).mean(axis=1)
        )

    @property
    def sd_over_folds(self) -> float:
        """Of the mean Dice over a fold's patients, averaged over seeds; nan for a single fold."""
        means = [[leakage.pooled([fold])["dice"].mean() for fold in folds] for folds in self.folds.values()]
        return float(pd.DataFrame(means).mean().std(ddof=1))

    @property
    def sd_over_seeds(self) -> float:
        """Of the mean Dice over all patients; nan for a single seed."""
        return float(pd.Series([patients["dice"].mean() for patients in self._by_seed()]).std(ddof=1))

    def _by_seed(self) -> list[pd.DataFrame]:
        return [leakage.pooled(folds) for folds in self.folds.values()]


@dataclass(frozen=True)
class Extent:
    """How much of a preset is run. only: arms, all where empty. seeds: so many trainings of each fold, with
    train.seed 0, 1 and on; a single one has the seed of params.yaml. jobs: experiments at a time.
    """

    only: Sequence[str] = ()
    seeds: int = 1
    jobs: int = 1


def compare(name: str, preset: Preset, overrides: list[str], extent: Extent = Extent()) -> str:
    """Train and test every fold of every arm, each as an experiment; the result as Markdown.

    overrides: -S words for every experiment. An experiment that is there already, of this commit, code and
    params, is not run again. Raises `UserError` where one fails.
    """
    only, seeds = extent.only, extent.seeds
    if not preset.arms:
        raise UserError(f"{name} compares nothing; run it with: dvc exp run $(brainseg preset {name})")
    if unknown := set(only) - set(preset.arms):
        raise UserError(f"{name} has no arm {min(unknown)}; it has {', '.join(preset.arms)}")
    chosen = {arm: changed for arm, changed in preset.arms.items() if arm in (only or preset.arms)}
    params = experiment.resolved([*words(preset.overrides), *overrides])
    base = experiment.base()
    tried = range(seeds) if seeds > 1 else [params.train.seed]
    planned = _plan(base, name, preset.model_copy(update={"arms": chosen}), overrides, params, tried)
    arms = {arm: Arm(changed, {seed: [] for seed in tried}) for arm, changed in chosen.items()}
    cases = {}
    for trained, console in runs.finished(name, [trained for _, _, trained in planned], extent.jobs):
        cases[trained.name] = trained.per_case()
        console.print(f"{trained.name}: Dice {cases[trained.name]['dice'].mean():.3f}")
    for arm, seed, trained in planned:
        arms[arm].folds[seed].append(cases[trained.name])
    for arm in arms:
        _record([trained for of, _, trained in planned if of == arm])
    command = ["brainseg", "preset", name, "--run", *(part for word in overrides for part in ("-S", word))]
    command += ["--seeds", str(seeds)] if seeds > 1 else []
    asked = [*command, *(part for arm in only for part in ("--arm", arm))]
    return "\n".join([*_head(asked, params, list(tried), arms, base), *_tables(command, arms, params)])


def _record(folds: list[Experiment]) -> None:
    """Enter what an arm says of sites that its networks have not seen, if its folds are sites."""
    if experiment.resolved(list(folds[0].overrides)).split.strategy == "site":
        sites.record(folds, [fold.per_case(sites.SCHEMA) for fold in folds])


def _plan(
    base: Base, name: str, preset: Preset, overrides: list[str], params: Params, seeds: Sequence[int]
) -> list[tuple[str, int, Experiment]]:
    """Each arm with each seed and fold; the first arm's folds come first."""
    compared = {"split.fold", *(key for arm in preset.arms.values() for key in arm)}
    compared |= {"train.seed"} if len(seeds) > 1 else set()
    for word in overrides:
        if word.partition("=")[0] in compared:
            raise UserError(f"{name} --run sets {word.partition('=')[0]} itself; leave it out")
    planned = []
    for arm, changed in preset.arms.items():
        for seed in seeds:
            # The seed of params.yaml has no mark, so that more seeds go on from the first.
            seeded = [f"train.seed={seed}"] if seed != params.train.seed else []
            shared = {key: value for key, value in preset.overrides.items() if key not in changed}
            common = [*words(shared), *overrides, *words(changed), *seeded]
            for fold in range(params.split.folds or 1):
                label = "-".join([name, arm, *([f"s{seed}"] if seeded else []), str(fold)])
                planned.append((arm, seed, experiment.plan(base, label, [*common, f"split.fold={fold}"])))
    return planned


def _head(
    command: list[str], params: Params, tried: list[int], arms: dict[str, Arm], base: Base
) -> list[str]:
    patients = next(iter(arms.values())).patients
    source = " ".join(part for part in (params.ingest.source, params.ingest.location) if part)
    seeds = f"ingest {params.ingest.seed}, split {params.split.seed}, train {', '.join(map(str, tried))}"
    return [
        f"`{shlex.join(command)}`",
        "",
        f"Data: {source}, {len(patients)} patients, {patients['slices'].sum()} slices. "
        f"Folds: {params.split.folds or 1}. Seeds: {seeds}. Epochs: {params.train.epochs}. Commit: {base}.",
        "Dice of a patient: its slices out of every fold as one volume, averaged over scans, regions, seeds.",
        "Intervals: 95 %, BCa bootstrap over patients.",
        "",
    ]


def _tables(command: list[str], arms: dict[str, Arm], params: Params) -> list[str]:
    """The arms in a row each, how to run each alone, and every patient; a line between them."""
    pairs = leakage.paired({name: arm.patients for name, arm in arms.items()})
    means = leakage.summary(pairs, params.evaluate.bootstrap)
    reference = next(iter(arms))
    compared, alone = [], []
    for name, arm in arms.items():
        gain = f"{name} minus {reference}"
        more = _cells(means, gain, "+.3f") if gain in means.index else ["", ""]
        spread = ["" if math.isnan(sd) else f"{sd:.3f}" for sd in (arm.sd_over_folds, arm.sd_over_seeds)]
        compared.append([name, *_cells(means, name, ".3f"), *more, *spread, f"{pairs[name].min():.3f}"])
        changed = " ".join(f"-S {word}" for word in words(arm.overrides))
        alone.append(
            [name, f"`{changed}`" if changed else "nothing", f"`{shlex.join([*command, '--arm', name])}`"]
        )
    forms = ["+.3f" if " minus " in name else ".3f" for name in means.index]
    patients = [
        [patient, str(slices), *(f"{score:{form}}" for score, form in zip(scores, forms, strict=True))]
        for patient, slices, *scores in pairs.itertuples()
    ]
    columns = ["arm", "Dice", "interval", f"minus {reference}", "interval", "sd, folds", "sd, seeds", "worst"]
    return [
        tables.markdown(columns, compared),
        "",
        tables.markdown(["arm", "what it changes", "to run it alone"], alone),
        "",
        tables.markdown(["patient", "slices", *means.index], patients),
    ]


def _cells(means: pd.DataFrame, name: str, form: str) -> list[str]:
    mean, low, high = means.loc[name, ["mean", "low", "high"]]
    return [f"{mean:{form}}", f"{low:{form}} to {high:{form}}"]
