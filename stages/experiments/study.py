"""A search for params by validation Dice: Optuna proposes, each trial is an experiment."""

import hashlib
from collections import defaultdict
from dataclasses import dataclass

import optuna
from optuna.trial import TrialState

from stages.core import tables
from stages.core.errors import UserError
from stages.experiments import experiment, runs
from stages.experiments.experiment import Base, Experiment
from stages.experiments.search import Axis
from stages.project.paths import HERE

WORDS, NAME = "words", "experiment"  # what a trial remembers


@dataclass(frozen=True)
class Search:
    """axes: what is searched. overrides: -S words of every trial. seed: of Optuna's proposals."""

    axes: list[Axis]
    overrides: list[str]
    seed: int = 0

    def __post_init__(self) -> None:
        keys = [axis.key for axis in self.axes] + [word.partition("=")[0] for word in self.overrides]
        if twice := sorted({key for key in keys if keys.count(key) > 1}):
            raise UserError(f"{twice[0]} is given twice; search it or set it")


def run(search: Search, trials: int, jobs: int = 1) -> str:
    """Go on with a search until it has that many trials, those of earlier calls counted; its table.

    jobs: so many trials are proposed together and run beside each other. Which ones are proposed depends on
    it, since the later ones of a batch do not know of the earlier, but on nothing that happens to be faster.
    Raises `UserError` where experiments fail, after the others. A trial that was interrupted or failed comes
    again with the next call, first of all.
    """
    base = experiment.base()
    study = _study(base, search, jobs)
    _forget_interrupted(study)
    left = trials - len(study.get_trials(states=[TrialState.COMPLETE]))
    failures: list[UserError] = []
    while left > 0:
        size = min(jobs, left)
        left -= size
        try:
            _batch(study, search, base, size)
        except UserError as failure:
            if jobs == 1:
                raise
            failures.append(failure)
    if failures:
        raise UserError("; ".join(str(failure) for failure in failures))
    return _table(study, base)


def _batch(study: optuna.Study, search: Search, base: Base, size: int) -> None:
    """Ask for so many trials, run them beside each other, and tell the study their validation Dice."""
    trials: dict[str, list[optuna.Trial]] = defaultdict(list)  # two may be the same experiment
    planned = []
    for _ in range(size):
        trial = study.ask()
        proposed = [axis.suggest(trial) for axis in search.axes]
        planned.append(experiment.plan(base, "tune", [*search.overrides, *proposed]))
        trial.set_user_attr(WORDS, proposed)
        trial.set_user_attr(NAME, planned[-1].name)
        trials[planned[-1].name].append(trial)
    for done, console in runs.finished(planned[0].name, planned, size):
        dice = float(done.metrics()["val"]["dice"])
        for trial in trials[done.name]:
            study.tell(trial, dice)
        console.print(f"{' '.join(done.overrides)}: validation Dice {dice:.3f}, best {study.best_value:.3f}")


def _study(base: Base, search: Search, jobs: int) -> optuna.Study:
    """The study of this search from this commit, with its earlier trials."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    axes = sorted(search.axes, key=lambda axis: axis.key)
    key = repr((base, axes, sorted(search.overrides), search.seed))
    HERE.tune.parent.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=f"sqlite:///{HERE.tune}",
        study_name=hashlib.sha256(key.encode()).hexdigest()[:16],
        direction="maximize",
        load_if_exists=True,
    )
    # Not the same seed in every process: the first proposals would come again.
    drawn = search.seed + len(study.get_trials(deepcopy=False))
    # A liar takes trials that run for bad ones, so that a batch is not drawn from one place.
    study.sampler = optuna.samplers.TPESampler(seed=drawn, multivariate=len(axes) > 1, constant_liar=jobs > 1)
    return study


def _forget_interrupted(study: optuna.Study) -> None:
    """A trial that was under way when its process ended is asked for again, first of all."""
    for trial in study.get_trials(states=[TrialState.RUNNING]):
        study.tell(trial.number, state=TrialState.FAIL)
        if trial.params:
            study.enqueue_trial(trial.params)


def _table(study: optuna.Study, base: Base) -> str:
    """The trials as Markdown, best first, and how to keep the best."""
    done = sorted(study.get_trials(states=[TrialState.COMPLETE]), key=lambda trial: -(trial.value or 0.0))
    rows = [
        (" ".join(trial.user_attrs[WORDS]), f"{trial.value:.3f}", trial.user_attrs[NAME]) for trial in done
    ]
    best = Experiment(base, done[0].user_attrs[NAME], ())
    test = best.metrics()["test"]
    return "\n".join(
        [
            tables.markdown(["params", "validation Dice", "experiment"], rows),
            "",
            f"The best one's test Dice is {test['dice']:.3f} ({test['dice_ci_low']:.3f} to "
            f"{test['dice_ci_high']:.3f}). Keep it with: dvc exp apply {best.name}",
        ]
    )
