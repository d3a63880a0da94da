"""The published systems beside our runs of them: divided as they were published, and by patient."""

from typing import Any

from stages.core import tables
from stages.core.errors import UserError
from stages.experiments import experiment, recipe, runs
from stages.experiments.experiment import Experiment
from stages.experiments.recipe import Publication, words

HONEST = ["split.strategy=patient"]
SOURCE = "ingest.source"


def table(overrides: list[str], locations: list[str], run: bool, jobs: int = 1) -> str:
    """Every published system as a row of a Markdown table.

    overrides: -S words for all of them. locations: `source=path` of the data; a source without is downloaded.
    run: train what is not there yet, of the sources that `locations` names; else only read. jobs: how many
    experiments run at a time.
    """
    place = dict(_location(word) for word in locations)
    base = experiment.base()
    planned: list[tuple[str, Publication, list[Experiment]]] = []
    for name in recipe.names():
        preset = recipe.load(name)
        source = str(preset.overrides.get(SOURCE))
        if preset.published is None:
            continue
        data = [f"ingest.location={place[source]}"] if source in place else []
        common = [*words(preset.overrides), *data, *overrides]
        both = [
            experiment.plan(base, f"{name}-{protocol}", [*common, *division])
            for protocol, division in (
                ("as-published", words(preset.published.as_published)),
                ("by-patient", HONEST),
            )
        ]
        planned.append((name, preset.published, both))
    if run:
        chosen = [
            each
            for name, _, both in planned
            if recipe.load(name).overrides.get(SOURCE) in place
            for each in both
        ]
        if not chosen:
            raise UserError("--run needs data; give --location source=path for each source there is")
        for _ in runs.finished("presets", chosen, jobs):
            pass
    columns = ["preset", "published", "ours, divided as published", "ours, by patient: mean volume Dice"]
    rows = [
        (
            f"`{name}`",
            published.sentence,
            _ours(same, published.ours) if same.done() else "not run",
            _with_interval(honest.metrics()) if honest.done() else "not run",
        )
        for name, published, (same, honest) in planned
    ]
    return "\n".join([f"Commit {base}. {_sources(overrides, place)}", "", tables.markdown(columns, rows)])


def _location(word: str) -> tuple[str, str]:
    source, _, path = word.partition("=")
    if not path:
        raise UserError(f"--location {word} must be source=path, such as lgg=scans.zip")
    return source, path


def _sources(overrides: list[str], place: dict[str, str]) -> str:
    data = ", ".join(f"{source} from {path}" for source, path in place.items()) or "no data given"
    return f"Data: {data}. " + (
        f"All with {' '.join(f'-S {word}' for word in overrides)}." if overrides else ""
    )


def _ours(experiment: Experiment, key: str) -> str:
    value: Any = experiment.metrics()
    leaky = " (leaky)" if value["leaky"] else ""
    for part in key.split("."):
        value = value[part]
    return f"{key} {value:.3f}{leaky}"


def _with_interval(metrics: dict[str, Any]) -> str:
    test = metrics["test"]
    known = "" if metrics["patients_known"] else "; patients not known, near-duplicates held together"
    return f"{test['dice']:.3f} ({test['dice_ci_low']:.3f} to {test['dice_ci_high']:.3f}){known}"
