"""Recipes by name: print the overrides of one, or train every arm of one that compares.

brainseg preset                                     # what there is
dvc exp run $(brainseg preset leak-tax)             # its overrides over params.yaml, as one experiment
brainseg preset leak-tax --run -S train.epochs=4    # every fold of both arms, ten experiments; then the table
"""

import difflib
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from io import StringIO
from pathlib import Path
from typing import Annotated, NamedTuple

import pandas as pd
import typer
from pydantic import BaseModel, ConfigDict, StringConstraints
from rich.console import Console
from rich.progress import Progress
from ruamel.yaml import YAML

from stages import errors, layout, params
from stages.errors import UserError
from stages.params import Params
from stages.scoring import leakage

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
FOLDER = Path(__file__).parent / "presets"

# What neither a shell nor DVC's grammar of overrides reads anything into.
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_./-]+$")]
Overrides = dict[Word, bool | int | float | Word | list[Word] | None]


class Preset(BaseModel):
    """One file of presets/. `arms` are compared, each under `overrides`; the first is the reference."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    about: str
    source: str | None = None
    protocol: str | None = None
    published: str | None = None
    overrides: Overrides
    arms: dict[Word, Overrides] = {}


@app.command()
def main(
    name: Annotated[str | None, typer.Argument(help="A preset; without one they are listed.")] = None,
    run: Annotated[bool, typer.Option("--run", help="Train every fold of every arm and compare.")] = False,
    given: Annotated[
        list[str] | None,
        typer.Option("--set-param", "-S", help="With --run: section.key=value, as DVC has it."),
    ] = None,
) -> None:
    """List the presets, print the overrides of one, or run one that compares."""
    if name is None:
        if run or given:
            raise UserError("--run and -S go with a preset; `brainseg preset` lists what there is")
        for known in names():
            print(_line(known, load(known)))
        return
    preset = load(name)
    if run:
        print(compare(name, preset, given or []))
    elif given:
        raise UserError("-S goes with --run; without it, give it to `dvc exp run` itself")
    else:
        print(*(f"-S {word}" for word in words(preset.overrides)))


def names() -> list[str]:
    """The shipped presets."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> Preset:
    """Read a preset; raises `UserError` where none has that name."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1)
        way_out = f"did you mean {near[0]}?" if near else f"there are {', '.join(names())}"
        raise UserError(f"no preset is called {name}; {way_out}")
    return Preset.model_validate(YAML(typ="safe", pure=True).load(FOLDER / f"{name}.yaml"))


def words(overrides: Overrides) -> list[str]:
    """`section.key=value` of each override, as DVC's -S reads it."""
    texts = {
        key: value if isinstance(value, str) else json.dumps(value, separators=(",", ":")).replace('"', "")
        for key, value in overrides.items()
    }
    return [f"{key}={text}" for key, text in texts.items()]


def _line(name: str, preset: Preset) -> str:
    told = [preset.about, preset.protocol, preset.source, preset.published]
    return f"{name}: {'; '.join(part for part in told if part)}"


def resolved(overrides: list[str], path: Path = layout.PARAMS) -> Params:
    """params.yaml as an experiment with these -S words has it; raises `UserError` where it is not valid."""
    # Here and not above: printing a preset need not wait for DVC.
    from dvc.exceptions import DvcException  # type: ignore[import-untyped]
    from dvc.utils.hydra import apply_overrides  # type: ignore[import-untyped]

    params.read(path)
    with tempfile.TemporaryDirectory() as folder:
        changed = Path(folder) / path.name
        shutil.copyfile(path, changed)
        try:
            # "++" lets unknown keys pass, to our own check, which can tell what was meant.
            apply_overrides(changed, [f"++{word}" for word in overrides])
            return params.read(changed)
        except DvcException:
            raise UserError(f"DVC cannot read -S {' -S '.join(overrides)}; give section.key=value") from None
        except UserError as error:
            raise UserError(f"-S: {str(error).removeprefix(f'{changed}: ')}") from None


class Experiment(NamedTuple):
    """One training with its test: its arm, the name DVC gets to know it by, its -S words."""

    arm: str
    name: str
    overrides: list[str]


def compare(name: str, preset: Preset, given: list[str]) -> str:
    """Train and test every fold of every arm, each as an experiment; the result as Markdown.

    given: -S words for every experiment. One that is there already, of this commit, code and params, is not
    run again.
    """
    if not preset.arms:
        raise UserError(f"{name} compares nothing; run it with: dvc exp run $(brainseg preset {name})")
    wanted = resolved([*words(preset.overrides), *given])
    head = _git("rev-parse", "HEAD").strip()
    changes = _git("diff", "--no-ext-diff", "--no-color", "HEAD", "--", "stages", "dvc.yaml")
    planned = _plan(name, preset, given, range(wanted.split.folds or 1), changes)
    tested: dict[str, list[pd.DataFrame]] = {arm: [] for arm in preset.arms}
    told = sys.stderr.isatty()
    with Progress(console=Console(stderr=True), disable=not told) as progress:
        task = progress.add_task(name, total=len(planned))
        for experiment in planned:
            began = time.perf_counter()
            ref = f"refs/exps/{head[:2]}/{head[2:]}/{experiment.name}"
            there = bool(_git("for-each-ref", ref))
            if not there:
                _run(experiment)
            found = _per_case(ref)
            tested[experiment.arm].append(found)
            progress.advance(task)
            if told:
                spent = "there already" if there else f"{(time.perf_counter() - began) / 60:.1f} min"
                progress.console.print(f"{experiment.name}: Dice {found['dice'].mean():.3f}, {spent}")
    pairs = leakage.paired({arm: leakage.pooled(folds) for arm, folds in tested.items()})
    command = shlex.join(["brainseg", "preset", name, "--run", *(part for w in given for part in ("-S", w))])
    return _report(command, wanted, pairs, head[:7] + ("+changes" if changes else ""))


def _plan(name: str, preset: Preset, given: list[str], folds: range, changes: str) -> list[Experiment]:
    compared = {"split.fold", *(key for arm in preset.arms.values() for key in arm)}
    for word in given:
        if word.partition("=")[0] in compared:
            raise UserError(f"{name} --run sets {word.partition('=')[0]} itself; leave it out")
    planned = []
    for arm, overrides in preset.arms.items():
        for fold in folds:
            chosen = [*words(preset.overrides), *given, *words(overrides), f"split.fold={fold}"]
            # The commit is in the ref; whatever else makes another result is in the key.
            key = hashlib.sha256((resolved(chosen).model_dump_json() + changes).encode()).hexdigest()[:8]
            planned.append(Experiment(arm, f"{name}-{arm}-{fold}-{key}", chosen))
    return planned


def _run(experiment: Experiment) -> None:
    """Train and test in a copy of the project; what DVC and the stages say is shown only where they fail."""
    chosen = [part for word in experiment.overrides for part in ("-S", word)]
    command = ["-m", "dvc", "exp", "run", "--temp", "--name", experiment.name, *chosen, "evaluate"]
    # dvc.yaml says `python`: the one that runs this, also where its environment is not activated.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(
            [sys.executable, *command], stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "PATH": path}
        )
        try:
            status = process.wait()
        except KeyboardInterrupt:
            process.wait()  # the terminal told DVC as well; it has a work tree to put back
            raise
        log.seek(0)
        output = log.read()
    if status:
        print(output, file=sys.stderr)
        # A stage's own sentence says more than DVC's, that the stage failed.
        told = [
            line for kind in ("ERROR: ", "error: ") for line in output.splitlines() if line.startswith(kind)
        ]
        reason = told[-1].partition(": ")[2] if told else f"DVC ended with status {status}"
        raise UserError(f"experiment {experiment.name} failed: {reason}")


def _per_case(ref: str) -> pd.DataFrame:
    text = _git("show", f"{ref}:./{layout.PER_CASE.as_posix()}")
    return pd.read_csv(
        StringIO(text), usecols=list(leakage.COLUMNS), dtype=leakage.COLUMNS, keep_default_na=False
    )


def _git(*command: str) -> str:
    done = subprocess.run(["git", *command], capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        raise UserError(f"git {command[0]} failed ({reason}); experiments need a commit to start from")
    return done.stdout


def _report(command: str, wanted: Params, pairs: pd.DataFrame, commit: str) -> str:
    means = leakage.summary(pairs, wanted.evaluate.bootstrap)
    source = " ".join(part for part in (wanted.ingest.source, wanted.ingest.location) if part)
    seeds = f"ingest {wanted.ingest.seed}, split {wanted.split.seed}, train {wanted.train.seed}"
    told = [
        f"`{command}`",
        "",
        f"Data: {source}, {len(pairs)} patients, {pairs['slices'].sum()} slices. "
        f"Folds: {wanted.split.folds or 1}. Seeds: {seeds}. Epochs: {wanted.train.epochs}. Commit: {commit}.",
        "Dice of a patient: its slices out of every fold as one volume, averaged over scans and regions.",
        "",
        _row("", "mean over patients", "95 % interval (BCa bootstrap over patients)"),
        _row("---", "---", "---"),
    ]
    for what, mean, low, high in means[["mean", "low", "high"]].itertuples():
        told.append(_row(what, _number(what, mean), f"{_number(what, low)} to {_number(what, high)}"))
    told += ["", _row("patient", "slices", *means.index), _row(*["---"] * (2 + len(means)))]
    for patient, slices, *scores in pairs.itertuples():
        cells = [_number(what, score) for what, score in zip(means.index, scores, strict=True)]
        told.append(_row(patient, str(slices), *cells))
    return "\n".join(told)


def _number(what: str, score: float) -> str:
    return f"{score:+.3f}" if " minus " in what else f"{score:.3f}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    errors.run(app)
