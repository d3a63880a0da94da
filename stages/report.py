"""Put everything that was measured on one page, reports/index.html.

python -m stages.report          # what `dvc repro report` runs; about 2 s
"""

import hashlib
import json
from typing import Any

import typer

from stages.core import atomic, errors, tables
from stages.project.paths import Paths
from stages.reporting import page
from stages.reporting.page import Lineage
from stages.scoring import sites

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main() -> None:
    """Put everything that was measured on one page."""
    run(Paths())


def run(paths: Paths) -> None:
    """Write reports/index.html from the reports of all stages; this stage has no params and no metrics."""
    card = paths.card.read_text(encoding="utf-8")
    spec = json.loads(paths.spec.read_text(encoding="utf-8"))
    made_from = lineage(paths, spec)
    patients = tables.read(tables.SPLITS, paths.splits)["patient_id"]
    unseen = sites.read(paths.sites, patients, made_from.params)
    html = page.render(paths, card, made_from, spec["output"]["noun"], unseen)
    atomic.text(html, paths.report)


def lineage(paths: Paths, spec: dict[str, Any]) -> Lineage:
    """What the model was made from and what it became, by SHA-256; no time and no revision of git.

    spec: what the export says of itself.
    """
    model = json.loads(paths.model.read_text(encoding="utf-8"))
    hashes = {
        "slices, split and augmentation policy": model["data_hash"],
        "split": hashlib.sha256(paths.splits.read_bytes()).hexdigest(),
        "weights": model["weights_hash"],
        **spec["files"],
    }
    return Lineage(hashes, model["params"])


if __name__ == "__main__":
    errors.run(app)
