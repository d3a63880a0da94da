"""Search params by validation Dice: Optuna proposes, each trial is a DVC experiment of the current commit.

brainseg tune --search 'train.lr=log(1e-4,1e-2)' --search 'train.loss=choice(dice_bce,focal_tversky)'
brainseg tune --search 'train.dropout=uniform(0,0.5)' -S train.epochs=4 --trials 5         # quicker trials

After an interruption the same command goes on; with more --trials it goes on beyond. Test patients have no
say: what is compared is `val.dice`, and the best trial's test Dice is told once, at the end.
"""

import hashlib
from typing import Annotated

import optuna
import typer
from optuna.trial import TrialState

from stages.core import errors
from stages.core.errors import UserError
from stages.experiments import arms, experiment, search
from stages.experiments.arms import row
from stages.experiments.experiment import Base, Experiment
from stages.project.paths import HERE

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
WORDS, NAME = "words", "experiment"  # what a trial remembers


@app.command()
def main(
    wanted: Annotated[list[str], typer.Option("--search", help=f"section.key={search.FORMS}; repeat it.")],
    trials: Annotated[
        int, typer.Option(min=1, help="Experiments in all, those of earlier calls counted.")
    ] = 20,
    given: Annotated[
        list[str] | None, typer.Option("--set-param", "-S", help="section.key=value for every trial.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of Optuna's proposals.")] = 0,
) -> None:
    """Search params by validation Dice."""
    axes = [search.parse(word) for word in wanted]
    keys = [axis.key for axis in axes] + [word.partition("=")[0] for word in given or []]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise UserError(f"{twice[0]} is given twice; search it or set it")
    base = experiment.base()
    study = _study(base, axes, given or [], seed)
    _forget_interrupted(study)
    left = trials - len(study.get_trials(states=[TrialState.COMPLETE]))
    for _ in range(left):
        trial = study.ask()
        words = [*(given or []), *(axis.suggest(trial) for axis in axes)]
        one = experiment.plan(base, "tune", words)
        trial.set_user_attr(WORDS, words[len(given or []) :])
        trial.set_user_attr(NAME, one.name)
        for console in arms.finished(one.name, [one]):
            dice = float(one.metrics()["val"]["dice"])
            study.tell(trial, dice)
            console.print(f"{' '.join(words)}: validation Dice {dice:.3f}, best {study.best_value:.3f}")
    print(_table(study, base))


def _study(base: Base, axes: list[search.Axis], given: list[str], seed: int) -> optuna.Study:
    """The study of this search from this commit, with its earlier trials."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    told = repr((base, sorted(axes, key=lambda axis: axis.key), sorted(given), seed))
    HERE.tune.parent.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=f"sqlite:///{HERE.tune}",
        study_name=hashlib.sha256(told.encode()).hexdigest()[:16],
        direction="maximize",
        load_if_exists=True,
    )
    # Not the same seed in every process: the first proposals would come again.
    drawn = seed + len(study.get_trials(deepcopy=False))
    study.sampler = optuna.samplers.TPESampler(seed=drawn, multivariate=len(axes) > 1)
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
    told = [row("params", "validation Dice", "experiment"), row("---", "---", "---")]
    told += [
        row(" ".join(trial.user_attrs[WORDS]), f"{trial.value:.3f}", trial.user_attrs[NAME]) for trial in done
    ]
    best = Experiment(base, done[0].user_attrs[NAME], ())
    test = best.metrics()["test"]
    return "\n".join(
        [
            *told,
            "",
            f"The best one's test Dice is {test['dice']:.3f} ({test['dice_ci_low']:.3f} to "
            f"{test['dice_ci_high']:.3f}). Keep it with: dvc exp apply {best.name}",
        ]
    )


if __name__ == "__main__":
    errors.run(app)
