"""The published systems beside our runs of them: divided as they were published, and by patient."""

from typing import Any

from stages.core.errors import UserError
from stages.experiments import arms, experiment, recipe
from stages.experiments.arms import row
from stages.experiments.experiment import Experiment
from stages.experiments.recipe import Published, words

HONEST = ["split.strategy=patient"]
SOURCE = "ingest.source"


def table(given: list[str], locations: list[str], run: bool) -> str:
    """Every published system as a row of a Markdown table.

    given: -S words for all of them. locations: `source=path` of the data; without one a source is downloaded.
    run: train what is not there yet, of the sources that `locations` names; else only read.
    """
    place = dict(_location(word) for word in locations)
    base = experiment.base()
    planned: list[tuple[str, Published, list[Experiment]]] = []
    for name in recipe.names():
        preset = recipe.load(name)
        source = str(preset.overrides.get(SOURCE))
        if preset.published is None:
            continue
        data = [f"ingest.location={place[source]}"] if source in place else []
        common = [*words(preset.overrides), *data, *given]
        both = [
            experiment.plan(base, f"{name}-{protocol}", [*common, *division])
            for protocol, division in (
                ("as-published", words(preset.published.as_published)),
                ("by-patient", HONEST),
            )
        ]
        planned.append((name, preset.published, both))
    if run:
        wanted = [
            one
            for name, _, both in planned
            if recipe.load(name).overrides.get(SOURCE) in place
            for one in both
        ]
        if not wanted:
            raise UserError("--run needs data; give --location source=path for each source there is")
        for _ in arms.finished("presets", wanted):
            pass
    told = [
        f"Commit {base}. {_asked(given, place)}",
        "",
        row("preset", "published", "ours, divided as published", "ours, by patient: mean volume Dice"),
        row("---", "---", "---", "---"),
    ]
    for name, published, (same, honest) in planned:
        told.append(
            row(
                f"`{name}`",
                published.told,
                _ours(same, published.ours) if same.done() else "not run",
                _with_interval(honest.metrics()) if honest.done() else "not run",
            )
        )
    return "\n".join(told)


def _location(word: str) -> tuple[str, str]:
    source, _, path = word.partition("=")
    if not path:
        raise UserError(f"--location {word} must be source=path, such as lgg=scans.zip")
    return source, path


def _asked(given: list[str], place: dict[str, str]) -> str:
    data = ", ".join(f"{source} from {path}" for source, path in place.items()) or "no data given"
    return f"Data: {data}. " + (f"All with {' '.join(f'-S {word}' for word in given)}." if given else "")


def _ours(one: Experiment, key: str) -> str:
    found: Any = one.metrics()
    leaky = " (leaky)" if found["leaky"] else ""
    for part in key.split("."):
        found = found[part]
    return f"{key} {found:.3f}{leaky}"


def _with_interval(metrics: dict[str, Any]) -> str:
    test = metrics["test"]
    known = "" if metrics["patients_known"] else "; patients not known, near-duplicates held together"
    return f"{test['dice']:.3f} ({test['dice_ci_low']:.3f} to {test['dice_ci_high']:.3f}){known}"
