"""Put everything that was measured on one page, reports/index.html.

python -m stages.report          # what `dvc repro report` runs; about 1 s
"""

import typer

from stages import atomic, errors, layout
from stages.reporting import page

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main() -> None:
    """Put everything that was measured on one page."""
    card = layout.CARD.read_text(encoding="utf-8")
    atomic.text(page.render(layout.REPORT.parent, card), layout.REPORT)


if __name__ == "__main__":
    errors.run(app)
