"""Every fold of every arm of a preset trained and tested, and the arms compared patient by patient."""

import shlex
import sys
import time
from collections.abc import Iterator

import pandas as pd
from rich.console import Console
from rich.progress import Progress

from stages import experiment
from stages.errors import UserError
from stages.experiment import Base, Experiment
from stages.params import Params
from stages.recipe import Preset, words
from stages.scoring import leakage


def compare(name: str, preset: Preset, given: list[str]) -> str:
    """Train and test every fold of every arm, each as an experiment; the result as Markdown.

    given: -S words for every experiment. One that is there already, of this commit, code and params, is not
    run again.
    """
    if not preset.arms:
        raise UserError(f"{name} compares nothing; run it with: dvc exp run $(brainseg preset {name})")
    wanted = experiment.resolved([*words(preset.overrides), *given])
    base = experiment.base()
    planned = _plan(base, name, preset, given, range(wanted.split.folds or 1))
    tested: dict[str, list[pd.DataFrame]] = {arm: [] for arm in preset.arms}
    for (arm, one), console in zip(planned, finished(name, [one for _, one in planned]), strict=True):
        found = one.per_case()
        tested[arm].append(found)
        console.print(f"{one.name}: Dice {found['dice'].mean():.3f}")
    pairs = leakage.paired({arm: leakage.pooled(folds) for arm, folds in tested.items()})
    command = shlex.join(["brainseg", "preset", name, "--run", *(part for w in given for part in ("-S", w))])
    return _report(command, wanted, pairs, base)


def finished(title: str, planned: list[Experiment]) -> Iterator[Console]:
    """Run those experiments that are not there yet, one after the other, and come back after each."""
    told = sys.stderr.isatty()
    with Progress(console=Console(stderr=True, quiet=not told), disable=not told) as progress:
        task = progress.add_task(title, total=len(planned))
        for one in planned:
            began = time.perf_counter()
            if not one.done():
                one.run()
                progress.console.print(f"{one.name}: {(time.perf_counter() - began) / 60:.1f} min")
            progress.advance(task)
            yield progress.console


def _plan(
    base: Base, name: str, preset: Preset, given: list[str], folds: range
) -> list[tuple[str, Experiment]]:
    compared = {"split.fold", *(key for arm in preset.arms.values() for key in arm)}
    for word in given:
        if word.partition("=")[0] in compared:
            raise UserError(f"{name} --run sets {word.partition('=')[0]} itself; leave it out")
    planned = []
    for arm, overrides in preset.arms.items():
        for fold in folds:
            chosen = [*words(preset.overrides), *given, *words(overrides), f"split.fold={fold}"]
            planned.append((arm, experiment.plan(base, f"{name}-{arm}-{fold}", chosen)))
    return planned


def _report(command: str, wanted: Params, pairs: pd.DataFrame, base: Base) -> str:
    means = leakage.summary(pairs, wanted.evaluate.bootstrap)
    source = " ".join(part for part in (wanted.ingest.source, wanted.ingest.location) if part)
    seeds = f"ingest {wanted.ingest.seed}, split {wanted.split.seed}, train {wanted.train.seed}"
    told = [
        f"`{command}`",
        "",
        f"Data: {source}, {len(pairs)} patients, {pairs['slices'].sum()} slices. "
        f"Folds: {wanted.split.folds or 1}. Seeds: {seeds}. Epochs: {wanted.train.epochs}. Commit: {base}.",
        "Dice of a patient: its slices out of every fold as one volume, averaged over scans and regions.",
        "",
        row("", "mean over patients", "95 % interval (BCa bootstrap over patients)"),
        row("---", "---", "---"),
    ]
    for what, mean, low, high in means[["mean", "low", "high"]].itertuples():
        told.append(row(what, _number(what, mean), f"{_number(what, low)} to {_number(what, high)}"))
    told += ["", row("patient", "slices", *means.index), row(*["---"] * (2 + len(means)))]
    for patient, slices, *scores in pairs.itertuples():
        cells = [_number(what, score) for what, score in zip(means.index, scores, strict=True)]
        told.append(row(patient, str(slices), *cells))
    return "\n".join(told)


def _number(what: str, score: float) -> str:
    return f"{score:+.3f}" if " minus " in what else f"{score:.3f}"


def row(*cells: str) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(cells)} |"
