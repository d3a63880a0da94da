"""Pictures of what a model reached on the patients it was tested on: curves, and films of the worst."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from stages.core import atomic
from stages.figures import curves, films
from stages.masks.rule import Rule
from stages.scoring.decision import Scored
from stages.scoring.scores import Scores
from stages.store.shards import Store


def write(
    scored: Scores, store: Store, test: Iterable[Scored], chosen: Rule, folder: Path, overlays: Path
) -> pd.DataFrame:
    """Write the curves of the test cases into a folder that is there, and films into `overlays`, which is
    made; returns what the films' frames show (`films.write`).
    """
    regions = list(scored.histograms)
    curves.write(scored, regions, folder)
    with atomic.directory(overlays) as pictures:
        return films.write(store, test, chosen, regions[0], scored.per_case, pictures)
