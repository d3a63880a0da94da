"""Train a segmentation network on the training patients and keep its best epoch by validation Dice.

python -m stages.train                                # what `dvc repro train` runs; about 45 s on two cores
dvc exp run -S train.epochs=1 -S ingest.limit=8       # a minute for the whole pipeline
"""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import typer

from stages import atomic, errors, layout, params
from stages.learning import allocation, checkpoint, estimate, fitting, lineage, modelfile, network, tracking
from stages.learning.segmenter import Recipe, Segmenter
from stages.slices import augmentation, dataset, manifest, store

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main() -> None:
    """Train a network and keep its best epoch."""
    wanted = params.load(params.Train)
    allocation.keep_freed_memory()
    slices = store.open_store(layout.SLICES)
    train_rows = dataset.rows_of(slices, layout.SPLITS, "train")
    val_rows = dataset.rows_of(slices, layout.SPLITS, "val")
    mean, std = dataset.mean_std(slices, train_rows)
    if layout.COPIES.exists():
        originals = len(slices.index)
        slices = store.joined(slices, store.open_store(layout.COPIES))
        train_rows = np.concatenate([train_rows, np.arange(originals, len(slices.index))])

    policy = augmentation.load(layout.POLICY)
    training = dataset.SliceDataset(slices, train_rows, wanted.context, policy, wanted.seed)
    validation = dataset.SliceDataset(slices, val_rows, wanted.context)
    machine = fitting.Machine(wanted.precision, wanted.devices, wanted.nodes, wanted.workers, wanted.compile)
    loaders = fitting.loaders(training, validation, wanted.sampling, wanted.batch_size, wanted.seed, machine)

    fitting.seed_everything(wanted.seed)
    seen = 2 * wanted.context + 1
    regions = slices.meta.regions
    given = local_weights(wanted)
    net = network.build(
        wanted.arch,
        wanted.encoder,
        str(given[0]) if given else wanted.encoder_weights,
        len(regions),
        mean * seen,
        std * seen,
        wanted.dropout,
        wanted.depth,
        wanted.decoder_width,
    )
    recipe = Recipe(**{name: getattr(wanted, name) for name in Recipe.__dataclass_fields__})
    cases = pd.factorize(slices.index["case_id"])[0]
    segmenter = Segmenter(net, recipe, list(regions.values()), cases, list(slices.index["sample_id"]))

    inputs = [layout.SLICES, layout.SPLITS, layout.AUGMENT]
    data_hash = lineage.key({}, inputs, [])
    key = lineage.key(wanted.model_dump(), inputs + given, own_code())
    precision = fitting.precision(wanted.precision)
    folder = layout.project_root() / layout.SCRATCH / key
    keeper = checkpoint.Keeper(folder, wanted.patience, estimate.machine(precision))
    logger = tracking.start(layout.project_root(), wanted.model_dump(), data_hash)
    began = time.perf_counter()
    if fitting.is_first():
        batch = (wanted.batch_size // machine.processes, slices.meta.size, slices.meta.size, len(net.mean))
        batches, validated = (len(loader) // machine.processes for loader in loaders)
        print(estimate.measure(segmenter, precision, batch, batches, validated).sentence(), flush=True)
        if keeper.resume():
            print(keeper.sentence(wanted.epochs), flush=True)
    clock = tracking.Clock(logger)
    if not fitting.fit(segmenter, *loaders, keeper, machine, wanted.epochs, logger, [clock]):
        return  # of several processes the first one writes

    metrics = {"best_epoch": keeper.best_epoch, "epochs": len(keeper.history), "val_dice": keeper.best_dice}
    model = modelfile.Model(
        arch=wanted.arch,
        encoder=wanted.encoder,
        dropout=wanted.dropout,
        depth=wanted.depth,
        decoder_width=wanted.decoder_width,
        context=wanted.context,
        size=slices.meta.size,
        channels=slices.meta.channels,
        regions=regions,
        mean=mean * seen,
        std=std * seen,
        best_epoch=keeper.best_epoch,
        best_val_dice=keeper.best_dice,
        batch_size=wanted.batch_size,
        params=wanted.model_dump(),
        data_hash=data_hash,
        encoder_weights_hash=lineage.content_hash(given[0]) if given else "",
        weights_hash="",
    )
    modelfile.save(model, keeper.best_weights(), layout.MODEL, layout.WEIGHTS)
    manifest.write(keeper.table(), layout.HISTORY)
    atomic.metrics(metrics, layout.TRAIN_METRICS)
    tracking.finish(logger, metrics, time.perf_counter() - began)
    keeper.discard()


def local_weights(wanted: params.Train) -> list[Path]:
    """The file that `train.encoder_weights` names, relative to the project; none where it names none."""
    if wanted.encoder_weights in (None, "imagenet"):
        return []
    return [layout.project_root() / Path(str(wanted.encoder_weights)).expanduser()]


def own_code() -> list[Path]:
    """Source files of this project that training imports: a change of any of them starts a new run."""
    modules = [module for name, module in sys.modules.items() if name.split(".")[0] == "stages"]
    modules.append(sys.modules["__main__"])
    return [Path(file) for module in modules if (file := getattr(module, "__file__", None))]


if __name__ == "__main__":
    errors.run(app)
