"""What the strategies of `brainseg next` are worth: labelling replayed on patients whose labels are known.

    python benchmarks/next_replay.py --cache replay      # in a project in which `dvc repro preprocess` ended
    python benchmarks/next_replay.py --cache replay --seeds 0 1 2 3 4 5

A fixed set of patients is for testing. Each seed draws the patients that are labelled first; each strategy
then chooses, round by round, patients from the others by the model that it has come to, and a network is
trained from scratch on all that are labelled: the recipe of params.yaml, slices with tumour and as many
without, as many steps whatever their number, the last epoch, threshold 0.5. The cache has a file for each
training, so that the command goes on where it was stopped. Printed are mean volume Dice of the test patients,
and paired differences with 95 % intervals: over patients, the seeds averaged (BCa), and over seeds and
patients, both resampled (Owen 2007, the pigeonhole bootstrap).
"""

import argparse
import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from stages import train
from stages.augmentation import policies
from stages.core import atomic
from stages.fingerprints import seen
from stages.inference import cases
from stages.inference.predictor import Predictor
from stages.inference.torch_predictor import TorchPredictor
from stages.masks.levels import LEVELS
from stages.predicting import priority, ranking
from stages.predicting.priority import Priority
from stages.predicting.ranking import Strategy
from stages.project import params
from stages.project.paths import HERE
from stages.scoring import decision, intervals, prediction
from stages.store import dataset, shards
from stages.store.dataset import SliceDataset
from stages.store.shards import Store
from stages.training import fitting, start
from stages.training.checkpoint import Keeper

BASELINES = ("random", "foreground")
RESAMPLES = 10_000


class Nothing(Keeper):
    """Keeps nothing: few patients make many short epochs, and writing each takes longer than training."""

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        pass


class Replay:
    """Patients of a store, and trainings on some of them. options: numbers of patients, of slices a training
    goes through, and the cache.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.store: Store = shards.open_store(HERE.slices)
        self.patients = np.array(sorted(self.store.index["patient_id"].unique()))
        drawn = np.random.default_rng(0).permutation(self.patients)
        self.tested, self.others = drawn[: options.test], drawn[options.test :]
        regions = list(self.store.meta.regions)
        self.rule = decision.Decision(
            dict.fromkeys(regions, 0.5), "none", dict.fromkeys(regions, 0.0), val_dice=0.0
        )

    def labelled_first(self, seed: int) -> list[str]:
        drawn = np.random.default_rng(seed).permutation(self.others)
        return [str(name) for name in drawn[: self.options.first]]

    def result(self, labelled: list[str], seed: int, last: bool) -> dict[str, Any]:
        """Of a training, by patient: `dice`, `expected` error, `volume` and `looks`; after the last round of
        the test patients alone. From the cache where it is there.
        """
        names = ",".join(sorted(labelled))
        key = hashlib.sha256(f"{names};{self.options.slices}".encode()).hexdigest()[:16]
        path = Path(self.options.cache, f"seed{seed}_{len(labelled)}_{key}.json")
        if not path.exists():
            rest = [] if last else [str(name) for name in self.others if name not in labelled]
            model = self.trained(labelled, seed)
            atomic.json_file(self.measured(model, [*map(str, self.tested), *rest]), path)
        content: dict[str, Any] = json.loads(path.read_text())
        return content

    def rows(self, patients: list[str]) -> np.ndarray:
        return np.flatnonzero(self.store.index["patient_id"].isin(patients).to_numpy())

    def trained(self, labelled: list[str], seed: int) -> Predictor:
        """A network trained from scratch on the slices of some patients."""
        recipe = params.load(params.Train).model_copy(update={"seed": seed, "sampling": "balanced"})
        rows = self.rows(labelled)
        augment = partial(policies.apply, policies.build("default", self.store.meta.channels))
        training = SliceDataset(self.store, rows, 1, augment, seed)
        validation = SliceDataset(self.store, rows[: recipe.batch_size])  # nothing is chosen by it
        mean, std = dataset.mean_std(self.store, rows)
        window = (1, *self.store.shape[:2])
        unseen = np.empty((0, seen.BYTES), np.uint8)
        data = train.Data(self.store, training, validation, window, mean, std, [unseen, unseen], unseen)
        segmenter = train.with_network(recipe, data, start.of(recipe, None, HERE.project))
        machine = fitting.Machine(fitting.precision(recipe.precision, recipe.arch, recipe.dims), 1, 1)
        loaders = fitting.loaders(training, validation, recipe.sampling, recipe.batch_size, seed, machine)
        epochs = max(1, round(self.options.slices / (len(loaders[0]) * recipe.batch_size)))
        fitting.fit(segmenter, *loaders, Nothing(Path(self.options.cache), None), machine, epochs, None)
        return TorchPredictor(segmenter.network, 1, recipe.batch_size)

    def measured(self, model: Predictor, patients: list[str]) -> dict[str, Any]:
        regions = self.store.meta.regions
        result: dict[str, Any] = {}
        for case in cases.of(model, self.store, self.rows(patients), "none"):
            scored = prediction.scored(self.store, case)
            dice = [prediction.dice(scored, k, name, self.rule) for k, name in enumerate(regions)]
            mask = scored.levels.max(axis=1) >= LEVELS // 2
            looks = priority.looks(self.store.images(case.rows), case.probabilities.max(axis=1))
            result[scored.patient_id] = {
                "dice": float(np.mean(dice)),
                "expected": priority.expected_error(scored.levels, regions, self.rule, scored.voxel_ml),
                "volume": float(mask.sum() * scored.voxel_ml),
                "looks": looks.tolist(),
            }
        return result

    def of_seed(self, seed: int) -> pd.DataFrame:
        """A row a strategy, round and test patient: dice and expected error."""
        rows = []
        for strategy in ranking.STRATEGIES:
            labelled = self.labelled_first(seed)
            for number in range(self.options.rounds + 1):
                result = self.result(labelled, seed, last=number == self.options.rounds)
                for patient in self.tested:
                    own = result[patient]
                    rows.append((seed, strategy, number, patient, own["dice"], own["expected"]))
                rest = {name: own for name, own in result.items() if name not in self.tested}
                labelled = labelled + chosen(rest, strategy, seed, self.options.more)
                mean = np.mean([row[4] for row in rows[-len(self.tested) :]])
                print(f"seed {seed} {strategy} round {number}: test Dice {mean:.3f}", flush=True)
        return pd.DataFrame(rows, columns=["seed", "strategy", "round", "patient", "dice", "expected"])


def chosen(results: dict[str, Any], strategy: Strategy, seed: int, count: int) -> list[str]:
    """The patients that a strategy labels next; chance is of the seed and the patient."""
    names = sorted(results)
    priorities = [
        Priority(
            hash=hashlib.sha256(f"{seed}:{name}".encode()).hexdigest(),
            expected_error=results[name]["expected"],
            volume_ml=results[name]["volume"],
            blank=False,
            looks=np.array(results[name]["looks"]),
        )
        for name in names
    ]
    return [names[place] for place in ranking.order(priorities, strategy)[:count]]


def crossed(differences: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean of (seeds, patients), both resampled."""
    random = np.random.default_rng(0)
    seeds, patients = differences.shape
    means = [
        differences[random.integers(seeds, size=seeds)][:, random.integers(patients, size=patients)].mean()
        for _ in range(RESAMPLES)
    ]
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


def report(table: pd.DataFrame) -> str:
    """Markdown: Dice by strategy and round, and differences to the baselines, the rounds after the first
    averaged.
    """
    by_round = table.pivot_table("dice", "strategy", "round").loc[list(ranking.STRATEGIES)]
    later = table[table["round"] > 0].pivot_table("dice", ["strategy", "seed"], "patient")
    lines = [by_round.round(3).to_markdown(), ""]
    lines.append("| baseline | strategy | minus baseline | over patients | over seeds and patients |")
    lines.append("| --- | --- | --- | --- | --- |")
    for baseline in BASELINES:
        for strategy in ranking.STRATEGIES:
            if strategy in BASELINES[: BASELINES.index(baseline) + 1]:
                continue
            differences = (later.loc[strategy] - later.loc[baseline]).to_numpy()
            spans = [
                "{:+.3f} to {:+.3f}".format(*span)
                for span in (
                    intervals.patient_bootstrap(differences.mean(axis=0), RESAMPLES),
                    crossed(differences),
                )
            ]
            lines.append(f"| {baseline} | {strategy} | {differences.mean():+.3f} | {spans[0]} | {spans[1]} |")
    models = {
        (seed, tuple(own["dice"])): own for (seed, _, _), own in table.groupby(["seed", "strategy", "round"])
    }  # strategies that chose alike trained one
    rho = [spearmanr(own["expected"], 1 - own["dice"]).statistic for own in models.values()]
    every = pd.concat(list(models.values()))
    lines += [
        "",
        f"Expected against true error of test patients: Spearman's rho {np.mean(rho):.2f}, the mean of",
    ]
    lines.append(
        f"{len(rho)} models, {min(rho):.2f} to {max(rho):.2f}; {table['seed'].nunique()} seeds. Mean"
    )
    lines.append(f"Dice {every['dice'].mean():.2f}, expected {1 - every['expected'].mean():.2f}.")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder of what was trained")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--test", type=int, default=20, help="test patients")
    parser.add_argument("--first", type=int, default=3, help="patients labelled at first")
    parser.add_argument("--more", type=int, default=3, help="patients that a round adds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slices", type=int, default=1500, help="slices that a training goes through")
    replay = Replay(parser.parse_args())
    tables = []
    for seed in replay.options.seeds:
        tables.append(replay.of_seed(seed))
        print(report(pd.concat(tables)), flush=True)


if __name__ == "__main__":
    main()
