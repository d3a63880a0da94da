"""Assign every patient to train, validation or test so that nothing that belongs together is torn apart.

python -m stages.split           # what `dvc repro split` runs; about 2 s
"""

import sys
from typing import Any

import typer

from stages.core import atomic, errors, tables
from stages.figures import figures
from stages.project.params import Split, load
from stages.project.paths import Paths
from stages.splits import corrections, grouping

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main() -> None:
    """Assign every patient to train, validation or test."""
    run(load(Split), Paths())


def run(params: Split, paths: Paths) -> dict[str, Any]:
    """Write data/splits.csv with its proof and a figure; returns the proof."""
    index = tables.read(tables.MANIFEST, paths.index)
    groups = tables.read(tables.MANIFEST, paths.validated).set_index("sample_id")["group"]
    index = index.assign(group=index["sample_id"].map(groups))
    ratios = (params.ratios.train, params.ratios.val, params.ratios.test)
    own = index[~tables.joined(index)]
    splits = grouping.assign(own, params.strategy, ratios, params.seed, params.folds, params.fold)
    counts = None
    if len(own) < len(index):
        splits = corrections.joined(splits, index, params.strategy)
        counts = corrections.counted(splits, index)
    proof = grouping.proof(splits, index, params.strategy)
    if counts:
        proof["corrections"] = counts
        print(f"note: {corrections.sentence(counts)}", file=sys.stderr)
    used = index[index["sample_id"].isin(splits["sample_id"])]
    atomic.metrics(proof, paths.split_metrics)
    with atomic.file(paths.split_figure) as part:
        figures.burden(splits, used, part)
    tables.write(splits, paths.splits)
    return proof


if __name__ == "__main__":
    errors.run(app)
