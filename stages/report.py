"""Put everything that was measured on one page, reports/index.html.

python -m stages.report          # what `dvc repro report` runs; about 2 s
"""

import hashlib
import json

import typer

from stages import atomic, errors, layout
from stages.reporting import page
from stages.reporting.page import Lineage

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main() -> None:
    """Put everything that was measured on one page."""
    card = layout.CARD.read_text(encoding="utf-8")
    atomic.text(page.render(layout.REPORT.parent, card, lineage()), layout.REPORT)


def lineage() -> Lineage:
    """What the model was made from and what it became, by SHA-256; no time and no revision of git."""
    model = json.loads(layout.MODEL.read_text(encoding="utf-8"))
    spec = json.loads(layout.SPEC.read_text(encoding="utf-8"))
    hashes = {
        "slices, split and augmentation policy": model["data_hash"],
        "split": hashlib.sha256(layout.SPLITS.read_bytes()).hexdigest(),
        "weights": model["weights_hash"],
        **spec["files"],
    }
    return Lineage(hashes, model["params"])


if __name__ == "__main__":
    errors.run(app)
