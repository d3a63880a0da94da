"""What a model is worth on patients of whom sequences were not acquired, and FLAIR stands in their place.

    python benchmarks/missing_sequences.py            # in a project in which `dvc repro evaluate` ended
    python benchmarks/missing_sequences.py fold0 fold1 fold2 fold3 fold4 --kept flair

The test patients of each project are scored as they are, with `--kept` written over one of the other
sequences after the other, and over all of them, by the model and the decision of the project. Printed is the
mean volume Dice over the patients of all projects.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import pandas as pd

from stages.inference import cases
from stages.inference.torch_predictor import TorchPredictor
from stages.networks import modelfile
from stages.project.paths import Paths
from stages.scoring import decision, prediction
from stages.store import dataset, shards
from stages.store.shards import Store


def copied(store: Store, kept: int, lost: list[int]) -> Store:
    """The same slices with one channel written over others, in memory."""
    images = [shard.copy() for shard in store.image_shards]
    for shard in images:
        shard[..., lost] = shard[..., [kept]]
    return replace(store, image_shards=images)


def scores(folder: Path, kept: str) -> pd.DataFrame:
    """A row a test patient, a column a choice of lost sequences: volume Dice, mean over regions."""
    paths = Paths(folder)
    store = shards.open_store(paths.slices)
    model, network = modelfile.load(paths.model, paths.weights)
    predictor = TorchPredictor.of(model, network)
    chosen = decision.read(paths.decision)
    rows = dataset.rows_of(store, paths.splits, "test")
    others = [name for name in store.meta.channels if name != kept]
    columns = {}
    for lost in [[], *([name] for name in others), others]:
        places = [store.meta.channels.index(name) for name in lost]
        changed = copied(store, store.meta.channels.index(kept), places)
        own = [
            (scored.patient_id, prediction.dice(scored, number, region, chosen))
            for case in cases.of(predictor, changed, rows, chosen.tta)
            for scored in [prediction.scored(changed, case)]
            for number, region in enumerate(store.meta.regions)
        ]
        table = pd.DataFrame(own, columns=["patient_id", "dice"])
        columns[" and ".join(lost) or "none"] = table.groupby("patient_id")["dice"].mean()
    return pd.DataFrame(columns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("projects", type=Path, nargs="*", default=[Path()])
    parser.add_argument("--kept", default="flair", help="the channel that is written over others")
    options = parser.parse_args()
    table = pd.concat([scores(folder, options.kept) for folder in options.projects])
    print(f"volume Dice of {len(table)} patients where {options.kept} stands in for")
    print(table.agg(["mean", "median", "min"]).T.round(3).to_string())


if __name__ == "__main__":
    main()
