"""Assign every patient to train, validation or test so that nothing that belongs together is torn apart.

python -m stages.split           # what `dvc repro split` runs; about 2 s
"""

import typer

from stages import atomic, errors, layout, params
from stages.reporting import figures
from stages.slices import grouping, manifest

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main() -> None:
    """Assign every patient to train, validation or test."""
    wanted = params.load(params.Split)
    index = manifest.read(layout.INDEX)
    groups = manifest.read(layout.VALIDATED).set_index("sample_id")["group"]
    index = index.assign(group=index["sample_id"].map(groups))
    ratios = (wanted.ratios.train, wanted.ratios.val, wanted.ratios.test)
    splits = grouping.assign(index, wanted.strategy, ratios, wanted.seed, wanted.folds, wanted.fold)
    proof = grouping.proof(splits, index, wanted.strategy)
    atomic.metrics(proof, layout.SPLIT_METRICS)
    with atomic.file(layout.SPLIT_FIGURE) as part:
        figures.burden(splits, index, part)
    manifest.write(splits, layout.SPLITS)


if __name__ == "__main__":
    errors.run(app)
