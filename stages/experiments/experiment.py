"""One training with its test as a DVC experiment of the current commit, run in a copy of the project."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from stages.core import git, tables
from stages.core.errors import UserError
from stages.project import params
from stages.project.params import Params
from stages.project.paths import HERE
from stages.scoring import leakage

_AT_TRAIN = re.compile("(Running stage|Stage) 'train'")
"""What DVC says when it comes to train, whether it runs it or finds it in its cache."""


@dataclass(frozen=True)
class Base:
    """What experiments start from: the commit, and what the code in the work tree changes in it."""

    commit: str
    changes: str

    def __str__(self) -> str:
        return self.commit[:7] + ("+changes" if self.changes else "")


@dataclass(frozen=True)
class Experiment:
    """name: what DVC gets to know it by; it ends in a hash of all that decides the result but the commit.
    overrides: -S words.
    """

    base: Base
    name: str
    overrides: tuple[str, ...]

    @property
    def ref(self) -> str:
        return f"refs/exps/{self.base.commit[:2]}/{self.base.commit[2:]}/{self.name}"

    def done(self) -> bool:
        """Whether it is there already."""
        return bool(_git("for-each-ref", self.ref))

    def run(self, at_train: Callable[[], object] = lambda: None) -> None:
        """Train and test; what DVC and the stages say is printed only where they fail.

        at_train: called when the stages before train are done, and maybe again.
        """
        chosen = [part for word in self.overrides for part in ("-S", word)]
        # It waits: another experiment beside this one may hold DVC's lock when this one ends.
        command = ["--wait-for-lock", "exp", "run", "--temp", "--name", self.name, *chosen, "evaluate"]
        # dvc.yaml says `python`: the one that runs this, also where its environment is not activated.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        output = ""
        with subprocess.Popen(
            [sys.executable, "-m", "dvc", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1"},
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                output += line
                if _AT_TRAIN.match(line):
                    at_train()
        if process.returncode:
            print(output, file=sys.stderr)
            # A stage's own sentence says more than DVC's, that the stage failed.
            sentences = [
                line
                for kind in ("ERROR: ", "error: ")
                for line in output.splitlines()
                if line.startswith(kind)
            ]
            reason = (
                sentences[-1].partition(": ")[2]
                if sentences
                else f"DVC ended with status {process.returncode}"
            )
            raise UserError(f"experiment {self.name} failed: {reason}")

    def params(self) -> Params:
        """The params that it ran with."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / HERE.params.name
            path.write_text(self._text(HERE.params), encoding="utf-8")
            return params.read(path)

    def fetch(self, out: Path, into: Path) -> bool:
        """Copy an out of its from DVC's cache or remote; False where it has none."""
        from dvc.api import DVCFileSystem

        files = DVCFileSystem(rev=self.ref)
        if not files.exists(out.as_posix()):
            return False
        files.get_file(out.as_posix(), str(into))
        return True

    def per_case(self, schema: tables.Schema = leakage.SCHEMA) -> pd.DataFrame:
        """Its per_case.csv: the columns of a schema, by default those that `leakage.pooled` reads."""
        where = f"{HERE.per_case} of experiment {self.name}"
        scores = tables.parse(schema, self._text(HERE.per_case), where)
        return scores[list(schema.columns)]

    def splits(self) -> pd.DataFrame:
        """Its splits.csv: a row a slice."""
        return tables.parse(
            tables.SPLITS, self._text(HERE.splits), f"{HERE.splits} of experiment {self.name}"
        )

    def metrics(self) -> dict[str, Any]:
        """What it was evaluated to."""
        metrics: dict[str, Any] = json.loads(self._text(HERE.evaluate_metrics))
        return metrics

    def _text(self, path: Path) -> str:
        return _git("show", f"{self.ref}:./{path.as_posix()}")


def all_of(base: Base) -> list[Experiment]:
    """Every experiment that started from the commit, by name."""
    refs = _git("for-each-ref", "--format=%(refname)", f"refs/exps/{base.commit[:2]}/{base.commit[2:]}")
    return [Experiment(base, ref.split("/")[-1], ()) for ref in sorted(refs.split())]


def base() -> Base:
    """The current commit; raises `UserError` where there is none."""
    commit = _git("rev-parse", "HEAD").strip()
    return Base(commit, _git("diff", "--no-ext-diff", "--no-color", "HEAD", "--", "stages", "dvc.yaml"))


def plan(base: Base, label: str, overrides: list[str]) -> Experiment:
    """The experiment of these -S words, named after `label` and all that decides its result."""
    key = hashlib.sha256((resolved(overrides).model_dump_json() + base.changes).encode()).hexdigest()[:8]
    return Experiment(base, f"{label}-{key}", tuple(overrides))


def resolved(overrides: list[str], path: Path = HERE.params) -> Params:
    """params.yaml as an experiment with these -S words has it; raises `UserError` where it is not valid."""
    # Here and not above: printing a preset need not wait for DVC.
    from dvc.exceptions import DvcException
    from dvc.utils.hydra import apply_overrides

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


def _git(*command: str) -> str:
    return git.text(*command, way_out="experiments need a commit to start from")
