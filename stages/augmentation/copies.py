"""Offline augmentation: whole training cases, augmented once and kept as a store of their own."""

from pathlib import Path

import albumentations as A
import numpy as np
import pandas as pd

from stages.augmentation import policies
from stages.store.shards import Meta, Store, Writer


def write(store: Store, rows: np.ndarray, policy: A.Compose, copies: int, folder: Path) -> None:
    """Write `copies` augmented copies of the cases that `rows` of `store` belong to, as a store in `folder`.

    All slices of a copied case share one draw, so that neighbouring slices still fit together.
    """
    size, channels = store.meta.size, len(store.meta.channels)
    index = store.index.iloc[rows]
    writer = Writer(folder, len(rows) * copies, size, channels)
    parts, metas = [], {}
    for copy in range(1, copies + 1):
        for number, (case_id, case) in enumerate(index.groupby("case_id", sort=False)):
            key = (0, copy, number)
            pairs = [
                policies.apply(policy, image[None], mask, key)
                for image, mask in zip(
                    store.images(case.index.values), store.masks(case.index.values), strict=True
                )
            ]
            masks = np.stack([mask for _, mask in pairs])
            writer.add(np.concatenate([window for window, _ in pairs]), masks)
            parts.append(
                case.assign(
                    sample_id=case["sample_id"] + f"~{copy}",
                    case_id=f"{case_id}~{copy}",
                    label_pixels=(masks > 0).sum(axis=(1, 2)),
                )
            )
            metas[f"{case_id}~{copy}"] = store.meta.cases[str(case_id)]
    meta: Meta = store.meta.model_copy(update={"cases": metas})
    writer.close(meta, pd.concat(parts, ignore_index=True))
