"""Train a segmentation network on the training patients and keep an epoch, the best by validation Dice or the
last.

python -m stages.train                                # what `dvc repro train` runs; about 70 s on two cores
dvc exp run -S train.epochs=1 -S ingest.limit=8       # a minute for the whole pipeline
"""

import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import typer

from stages.augmentation import policies
from stages.core import atomic, code, errors, lineage, tables
from stages.core.errors import UserError
from stages.fingerprints import seen
from stages.networks import allocation, initial, modelfile, network
from stages.networks.architecture import Architecture, Millimetres, Window
from stages.project.params import Train, load
from stages.project.paths import Paths
from stages.registry import versions
from stages.scan.windows import depth_of
from stages.store import dataset, shards
from stages.store.dataset import SliceDataset
from stages.store.patches import PatchDataset
from stages.store.shards import Store
from stages.training import checkpoint, estimate, fitting, start, tracking
from stages.training.fitting import Trained
from stages.training.segmenter import Recipe, Segmenter
from stages.training.start import Start

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main() -> None:
    """Train a network and keep its best or last epoch."""
    run(load(Train), Paths())


def run(params: Train, paths: Paths) -> dict[str, Any]:
    """Write models/model.* and reports/train/; returns the metrics. Of several processes one writes; the
    others return nothing.
    """
    allocation.keep_freed_memory()
    data = of_split(params, paths)
    precision = fitting.precision(params.precision, params.arch, params.dims)
    machine = fitting.Machine(precision, params.devices, params.nodes, params.workers, params.compile)
    loaders = fitting.loaders(
        data.training, data.validation, params.sampling, params.batch_size, params.seed, machine
    )
    folder = versions.trained(params.initial, paths.project) if params.initial else None
    started = start.of(params, folder, paths.project)
    started.refuse_seen(data.tested)
    if started.has_seen(data.learnt[1]):
        warn(f"train.initial {params.initial} has seen validation slices: validation Dice is too high")
    segmenter = with_network(params, data, started)

    inputs = [paths.slices, paths.splits, paths.augment]
    data_hash = lineage.key({}, inputs, [])
    key = lineage.key(params.model_dump(), inputs + started.files, code.rooms("train"))
    trained_on = estimate.machine(precision)
    keeper = checkpoint.Keeper(paths.checkpoints / key, params.patience, trained_on, params.keep)
    logger = tracking.start(paths.project, params.model_dump(), data_hash, warn)
    began = time.perf_counter()
    if fitting.is_first():
        batch = (params.batch_size // machine.processes, *data.window, len(data.store.meta.channels))
        estimate.refuse_too_large(segmenter, precision, batch)
        batches, validated = (len(loader) // machine.processes for loader in loaders)
        expected = estimate.measure(segmenter, precision, batch, batches, validated)
        print(expected.sentence(), flush=True)
        if keeper.resume():
            print(keeper.sentence(params.epochs), flush=True)
    clock = tracking.Clock(logger)
    if not fitting.fit(segmenter, *loaders, keeper, machine, params.epochs, logger, [clock]):
        return {}

    metrics = {"best_epoch": keeper.kept_epoch, "epochs": len(keeper.history), "val_dice": keeper.kept_dice}
    model = described(params, data, keeper, precision, data_hash).model_copy(update=started.hashes())
    seen.write(seen.distinct(np.concatenate([*data.learnt, started.seen])), paths.learnt)
    modelfile.save(model, keeper.kept_weights(), paths.model, paths.weights)
    tables.write(keeper.table(), paths.history)
    atomic.metrics(metrics, paths.train_metrics)
    if unrecorded := tracking.finish(logger, metrics, time.perf_counter() - began):
        warn(f"{unrecorded}; {paths.history} has every epoch")
    keeper.discard()
    return metrics


def warn(sentence: str) -> None:
    print(f"warning: {sentence}", file=sys.stderr)


@dataclass(frozen=True)
class Data:
    """What is trained and validated on: windows of a store. window: slices, rows and columns. mean, std: of
    each channel of a network over the training slices, in levels. spacing_mm: between slices, rows and
    columns of the store, the median over the training cases; None of slices. through_mm: between the slices
    of windows, where they are set to one distance. learnt, tested: hashes of the pictures that choose weights
    and epoch, and of those that will be tested on (`fingerprints.seen`).
    """

    store: Store
    training: Trained
    validation: Trained
    window: Window
    mean: list[float]
    std: list[float]
    learnt: list[np.ndarray]
    tested: np.ndarray
    spacing_mm: Millimetres | None = None
    through_mm: float | None = None


def of_split(params: Train, paths: Paths) -> Data:
    """The slices of the split's training patients, with augmented copies where there are some, and of its
    validation patients.
    """
    store = shards.open_store(paths.slices)
    train_rows = dataset.rows_of(store, paths.splits, "train")
    val_rows = dataset.rows_of(store, paths.splits, "val")
    mean, std = dataset.mean_std(store, train_rows)
    hashes = seen.read(shards.fingerprints(paths.slices), "`dvc repro preprocess` makes it")
    learnt = [hashes[train_rows], hashes[val_rows]]
    tested = hashes[dataset.rows_of(store, paths.splits, "test")]
    if paths.copies.exists():
        originals = len(store.index)
        store = shards.joined(store, shards.open_store(paths.copies))
        train_rows = np.concatenate([train_rows, np.arange(originals, len(store.index))])
    augment = partial(policies.apply, policies.load(paths.policy))
    if params.dims == 3:
        assert params.window is not None
        slices, rows, columns = params.window
        window = (slices, rows, columns)
        through_mm = through(params, store)
        training = PatchDataset(
            store, train_rows, window, augment, params.foreground, params.seed, through_mm
        )
        validation = PatchDataset(store, val_rows, window, through_mm=through_mm)
        spacing_mm = planned_by(params, store, train_rows, through_mm)
        return Data(store, training, validation, window, mean, std, learnt, tested, spacing_mm, through_mm)
    depth = depth_of(params.context)
    return Data(
        store,
        SliceDataset(store, train_rows, depth, augment, params.seed),
        SliceDataset(store, val_rows, depth),
        (depth, *store.shape[:2]),
        mean * depth,
        std * depth,
        learnt,
        tested,
    )


def through(params: Train, store: Store) -> float | None:
    """Distance in mm to which a 3D network has slices set; None where they are each case's own. Raises
    `UserError` where one is asked for and a case does not tell its own.
    """
    if params.through_plane == "own":
        return None
    untold = [case_id for case_id, case in store.meta.cases.items() if not case.spacing_known]
    if untold:
        others = f" (nor do {len(untold) - 1} others)" if untold[1:] else ""
        raise UserError(
            f"case {untold[0]} does not tell how far its slices lie apart{others}, so that they cannot be "
            "set to the distance planned; set train.through_plane: own"
        )
    return store.meta.through_mm


def planned_by(params: Train, store: Store, rows: np.ndarray, through_mm: float | None) -> Millimetres | None:
    """Spacing of the store by which a 3D network is planned. through_mm: to which its slices are set
    (`through`). Raises `UserError` where dynunet needs one and nothing tells it.
    """
    if params.spacing is not None:
        slice_mm, row_mm, column_mm = params.spacing
        return slice_mm, row_mm, column_mm
    cases = [store.meta.cases[case_id] for case_id in store.index["case_id"].iloc[rows].unique()]
    if all(case.spacing_known for case in cases):
        own, down, across = np.median([case.frame_spacing_mm for case in cases], axis=0).tolist()
        return through_mm or own, down, across
    if params.arch == "dynunet":
        raise UserError(
            "the scans do not tell their spacing, by which dynunet is planned; set train.spacing to mm "
            "between slices, rows and columns of the store, e.g. [6, 1.5, 1.5]"
        )
    return None


def with_network(params: Train, data: Data, started: Start) -> Segmenter:
    """A new network with its recipe; its first weights depend on the seed and on what it begins with."""
    fitting.seed_everything(params.seed)
    regions = data.store.meta.regions
    architecture = Architecture.of(params, data.spacing_mm, data.through_mm)
    net = network.build(architecture, started.encoder_weights, len(regions), data.mean, data.std)
    if started.initial:
        depth = 1 if params.dims == 3 else depth_of(params.context)
        shape = initial.Shape(data.store.meta.channels, depth, list(regions))
        initial.give(net, started.initial, shape, params.initial_layers)
    index = data.store.index
    recipe = Recipe(**{name: getattr(params, name) for name in Recipe.__dataclass_fields__})
    cases = pd.factorize(index["case_id"])[0]
    return Segmenter(net, recipe, list(regions.values()), cases, list(index["sample_id"]))


def described(
    params: Train,
    data: Data,
    keeper: checkpoint.Keeper,
    precision: fitting.Precision,
    data_hash: str,
) -> modelfile.Model:
    """What models/model.json says of the epoch kept, but for what it began with and for the weights' hash,
    which saving adds.
    """
    meta = data.store.meta
    return modelfile.Model(
        **Architecture.of(params, data.spacing_mm, data.through_mm).model_dump(),
        context=params.context,
        size=meta.size,
        channels=meta.channels,
        regions=meta.regions,
        mean=data.mean,
        std=data.std,
        best_epoch=keeper.kept_epoch,
        best_val_dice=keeper.kept_dice,
        batch_size=params.batch_size,
        params=params.model_dump(),
        precision=precision,
        data_hash=data_hash,
        weights_hash="",
    )


if __name__ == "__main__":
    errors.run(app)
