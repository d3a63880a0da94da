"""Assign every patient to train, validation or test so that nothing that belongs together is torn apart.

python -m stages.split           # what `dvc repro split` runs; about 2 s
"""

from typing import Any

import typer

from stages.core import atomic, errors, tables
from stages.figures import figures
from stages.project.params import Split, load
from stages.project.paths import Paths
from stages.splits import grouping

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
    splits = grouping.assign(index, params.strategy, ratios, params.seed, params.folds, params.fold)
    proof = grouping.proof(splits, index, params.strategy)
    atomic.metrics(proof, paths.split_metrics)
    with atomic.file(paths.split_figure) as part:
        figures.burden(splits, index, part)
    tables.write(splits, paths.splits)
    return proof


if __name__ == "__main__":
    errors.run(app)
