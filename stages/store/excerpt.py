"""The slices of a case as another process is handed them: where they lie, not what they are."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from stages.store.shards import Meta, Store


@dataclass(frozen=True)
class Excerpt:
    """Of a store: what `meta.json` says with this case alone, the case's part of the index, the files of its
    shard, and where in them it begins.
    """

    meta: Meta
    index: pd.DataFrame
    images: Path
    masks: Path
    first: int

    def open(self) -> Store:
        """A store of these slices alone; its files are open no longer than it is used."""
        own = slice(self.first, self.first + len(self.index))
        images, masks = (
            np.load(path, mmap_mode="r", allow_pickle=False)[own] for path in (self.images, self.masks)
        )
        return Store(self.meta, self.index, [images], [masks])


def of(store: Store, case_id: str, rows: np.ndarray) -> tuple[Excerpt, np.ndarray]:
    """The part of an open store from the first to the last of a case's rows (S,), in order, and these rows
    (S,) as they are counted there.
    """
    first, end = int(rows[0]), int(rows[-1]) + 1
    begins = np.cumsum([0, *(len(shard) for shard in store.image_shards)])
    number = int(np.searchsorted(begins, first, side="right")) - 1
    images, masks = store.image_shards[number], store.mask_shards[number]
    assert isinstance(images, np.memmap)
    assert isinstance(masks, np.memmap)
    meta = store.meta.model_copy(update={"cases": {case_id: store.meta.cases[case_id]}})
    places = Path(str(images.filename)), Path(str(masks.filename))
    return Excerpt(meta, store.index.iloc[first:end], *places, first - int(begins[number])), rows - first
