"""Tables as Markdown, as results of experiments are printed."""

from collections.abc import Sequence

import pandas as pd


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells under their columns' names, which may come twice; cells are written as they are."""
    table = pd.DataFrame([list(row) for row in rows], columns=list(columns), dtype=object)
    return table.to_markdown(index=False, disable_numparse=True)
