"""Experiments of the current commit that together test every fold."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from stages.core.errors import UserError
from stages.experiments import experiment
from stages.experiments.experiment import Experiment
from stages.project.params import Params

RUN = "dvc exp run --queue -S split.folds=5 -S 'split.fold=range(5)' && dvc queue start"


@dataclass(frozen=True)
class Member:
    """An experiment that tested one fold."""

    experiment: Experiment
    params: Params


def complete() -> list[list[Member]]:
    """The experiments of the current commit that differ in nothing but fold and seed, with all folds of each
    seed.
    """
    base = experiment.base()
    groups: dict[str, list[Member]] = defaultdict(list)
    for tested in experiment.all_of(base):
        params = tested.params()
        if params.split.folds is None:
            continue
        alike = params.model_dump(mode="json", by_alias=True)
        del alike["split"]["fold"], alike["train"]["seed"]
        groups[json.dumps(alike, sort_keys=True)].append(Member(tested, params))
    return [whole for members in groups.values() if (whole := _whole(members))]


def _whole(members: list[Member]) -> list[Member]:
    """Those of the seeds of which every fold is there, each once."""
    once = {(member.params.train.seed, member.params.split.fold): member for member in members}
    folds = members[0].params.split.folds or 0
    seeds = sorted({seed for seed, _ in once})
    return [
        once[seed, fold]
        for seed in seeds
        if all((seed, other) in once for other in range(folds))
        for fold in range(folds)
    ]


def chosen(groups: list[list[Member]], names: Sequence[str]) -> list[list[Member]]:
    """The cross-validations that have the experiments `names`, each once, or the only one."""
    if names:
        return list({id(group): group for group in (_with(groups, name) for name in names)}.values())
    if not groups:
        raise UserError(f"no experiments of this commit cover all folds; run {RUN}")
    if len(groups) > 1:
        firsts = ", ".join(members[0].experiment.name for members in groups)
        raise UserError(
            f"there are {len(groups)} cross-validations; name an experiment of each that is meant ({firsts})"
        )
    return groups


def _with(groups: list[list[Member]], name: str) -> list[Member]:
    """The cross-validation that has an experiment."""
    for group in groups:
        if name in {member.experiment.name for member in group}:
            return group
    raise UserError(
        f"{name} is no experiment of this commit whose other folds are there too; `dvc exp show` lists them"
    )
