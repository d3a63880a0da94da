"""What was measured at one revision, and what it was made of: metrics, cases, params, data."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.core import tables
from stages.core.errors import UserError
from stages.experiments.revision import Revision
from stages.project.paths import HERE, ScorePaths

METRICS = HERE.metrics()
"""Metrics file of each stage, by the stage's name."""
DATA = (HERE.raw, HERE.slices, HERE.splits, HERE.weights)
CODE = ("stages/", "dvc.yaml", "pyproject.toml", "constraints.txt")
WAY_OUT = "run `dvc repro --force evaluate` there and commit what that writes"


class Artefact(BaseModel):
    """A dep or out in dvc.lock; what lies in a folder or on a remote may have no hash."""

    path: str
    md5: str | None = None


class Stage(BaseModel):
    """A stage in dvc.lock: with which files and params it last ran, and what came out."""

    deps: list[Artefact] = []
    outs: list[Artefact] = []
    params: dict[str, dict[str, Any]] = {}


class Lock(BaseModel):
    """dvc.lock, as far as it is read."""

    stages: dict[str, Stage] = {}

    def made(self) -> dict[str, str | None]:
        """Hash of every out."""
        return {out.path: out.md5 for stage in self.stages.values() for out in stage.outs}

    def behind(self, path: str) -> list[Stage]:
        """The stages that made `path`, directly or not."""
        stages: list[Stage] = []
        paths = {path}
        while more := [
            stage
            for stage in self.stages.values()
            if stage not in stages and any(out.path in paths for out in stage.outs)
        ]:
            stages += more
            paths |= {dep.path for stage in more for dep in stage.deps}
        return stages


@dataclass(frozen=True)
class Results:
    """metrics: by stage, what its metrics.json holds. cases: per_case.csv. params: `section.key` to value.
    data: hash of each of `DATA` that dvc.lock holds. code: git's name of each file of `CODE`. stale: what
    does not fit the run that dvc.lock tells of: files and params that changed since, or were edited.
    """

    revision: Revision
    metrics: dict[str, dict[str, Any]] = field(repr=False)
    cases: pd.DataFrame = field(repr=False)
    params: dict[str, Any]
    data: dict[str, str]
    code: dict[str, str] = field(repr=False)
    stale: tuple[str, ...]

    @property
    def evaluated(self) -> dict[str, Any]:
        return self.metrics["evaluate"]

    @property
    def test(self) -> dict[str, Any]:
        """The headline metrics."""
        return self.evaluated["test"]


def load(revision: Revision) -> Results:
    """Read the results that a revision holds; raises `UserError` where they are missing or damaged."""
    metrics = {
        stage: _metrics(revision, path)
        for stage, path in METRICS.items()
        if path.as_posix() in revision.files
    }
    for path in (HERE.evaluate_metrics, HERE.per_case):
        if path.as_posix() not in revision.files:
            raise UserError(
                f"{revision} has no {path}; check it out, run `dvc repro` and commit what that writes"
            )
    if not isinstance(test := metrics["evaluate"].get("test"), dict) or not _is_number(test.get("dice")):
        raise UserError(f"{HERE.evaluate_metrics} of {revision} has no number test.dice; {WAY_OUT}")
    params = flat(_yaml(revision, HERE.params))
    lock = _lock(revision)
    made = lock.made()
    return Results(
        revision,
        metrics,
        _cases(revision),
        params,
        {path.as_posix(): hashed for path in DATA if (hashed := made.get(path.as_posix()))},
        {path: blob.oid for path, blob in revision.files.items() if path.startswith(CODE)},
        tuple(_stale(revision, lock, params)),
    )


def is_score(name: str) -> bool:
    """Whether a name is that of a folder that `brainseg score` wrote."""
    paths = ScorePaths(Path(name))
    return paths.metrics.is_file() and paths.per_case.is_file()


def of_score(folder: Path) -> Results:
    """What `brainseg score` wrote into a folder, as the results of a revision without commit and code; raises
    `UserError` where it is damaged.
    """
    paths, way_out = ScorePaths(folder), "score the model again"
    texts = {path: _text(path, way_out) for path in (paths.metrics, paths.per_case)}
    metrics = _mapping(texts[paths.metrics], str(paths.metrics), way_out)
    try:
        data = {HERE.raw: metrics["hash"], HERE.weights: metrics["model"]["weights"]}
        if not _is_number(metrics["test"]["dice"]):
            raise TypeError
    except (KeyError, TypeError):
        raise UserError(f"{paths.metrics} is not what a score writes; {way_out}") from None
    cases = _table(texts[paths.per_case], str(paths.per_case), way_out)
    hashes = {path.as_posix(): str(hashed) for path, hashed in data.items()}
    return Results(Revision(str(folder), "", {}), {"evaluate": metrics}, cases, {}, hashes, {}, ())


def _text(path: Path, way_out: str) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path} is not text; {way_out}") from None


def _metrics(revision: Revision, path: Path) -> dict[str, Any]:
    return _mapping(revision.text(path) or "", f"{path} of {revision}", WAY_OUT)


def _mapping(text: str, where: str, way_out: str) -> dict[str, Any]:
    try:
        metrics = json.loads(text, parse_constant=lambda _: None)
        if not isinstance(metrics, dict):
            raise ValueError
    except (ValueError, RecursionError):
        raise UserError(f"{where} is not a JSON object; {way_out}") from None
    return metrics


def _cases(revision: Revision) -> pd.DataFrame:
    return _table(revision.text(HERE.per_case) or "", f"{HERE.per_case} of {revision}", WAY_OUT)


def _table(text: str, where: str, way_out: str) -> pd.DataFrame:
    scores = tables.parse(tables.PER_CASE, text, where, way_out)
    if scores.empty:
        raise UserError(f"{where} lists no case; {way_out}")
    if (twice := scores.duplicated(list(tables.PER_CASE.key))).any():
        again = scores[twice].to_dict("records")[0]
        raise UserError(f"{where} lists {again['region']} of case {again['case_id']} twice; {way_out}")
    measured = scores.select_dtypes("number").columns
    return scores.assign(**scores[measured].where(np.isfinite(scores[measured])))


def _yaml(revision: Revision, path: Path) -> dict[str, Any]:
    try:
        mapping = YAML(typ="safe", pure=True).load(revision.text(path) or "{}")
        if not isinstance(mapping, dict):
            raise ValueError
        flat(mapping)  # an anchor may hold itself
    except (YAMLError, ValueError, KeyError, RecursionError):
        raise UserError(f"{path} of {revision} is not a YAML mapping; correct it there and commit") from None
    return mapping


def _lock(revision: Revision) -> Lock:
    try:
        return Lock.model_validate(_yaml(revision, HERE.lock))
    except ValidationError:
        raise UserError(
            f"{HERE.lock} of {revision} is not what DVC writes; run `dvc repro` there and commit it"
        ) from None


def _stale(revision: Revision, lock: Lock, params: dict[str, Any]) -> list[str]:
    """What no longer is as it was when the test cases were scored, of everything that led to their scores."""
    behind = lock.behind(HERE.per_case.as_posix())
    locked = {(entry.path, entry.md5) for stage in behind for entry in (*stage.deps, *stage.outs)}
    now = {
        path: hashlib.md5(content, usedforsecurity=False).hexdigest()
        for path, content in revision.contents({path for path, _ in locked}).items()
    }
    made = lock.made()
    changed = {path for path, md5 in locked if md5 and md5 != now.get(path, made.get(path, md5))}
    for stage in behind:
        for key, value in flat(stage.params.get(HERE.params.as_posix(), {})).items():
            if key not in params or params[key] != value:
                changed.add(key)
    return sorted(changed)


def flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested mapping as one of dotted keys."""
    dotted: dict[str, Any] = {}
    for key, inner in value.items():
        dotted |= flat(inner, f"{prefix}{key}.") if isinstance(inner, dict) else {f"{prefix}{key}": inner}
    return dotted


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
