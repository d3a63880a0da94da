"""Offline augmentation: whole training cases, augmented once and kept as a store of their own."""

import math
from collections.abc import Iterator
from pathlib import Path

import albumentations as A
import numpy as np
import pandas as pd

from stages.augmentation import policies
from stages.store import shards
from stages.store.shards import Slices, Store


def write(store: Store, rows: np.ndarray, policy: A.Compose, copies: int, folder: Path) -> None:
    """Write `copies` augmented copies of the cases that `rows` of `store` belong to, as a store in `folder`.

    All slices of a copied case share one draw, so that neighbouring slices still fit together.
    """
    cases = [
        (copy, number, str(case_id), case)
        for copy in range(1, copies + 1)
        for number, (case_id, case) in enumerate(store.index.iloc[rows].groupby("case_id", sort=False))
    ]
    parts = []

    def copied() -> Iterator[Slices]:
        for copy, number, case_id, case in cases:
            members = case.index.to_numpy()
            pairs = [
                policies.apply(policy, image[None], mask, (0, copy, number))
                for image, mask in zip(store.images(members), store.masks(members), strict=True)
            ]
            masks = np.stack([mask for _, mask in pairs])
            parts.append(
                case.assign(
                    sample_id=case["sample_id"] + f"~{copy}",
                    case_id=f"{case_id}~{copy}",
                    label_pixels=(masks > 0).sum(axis=(1, 2)),
                )
            )
            yield np.concatenate([window for window, _ in pairs]), masks

    lengths = [len(case) for *_, case in cases]
    shards.write(folder, lengths, math.prod(store.shape), copied())
    metas = {f"{case_id}~{copy}": store.meta.cases[case_id] for copy, _, case_id, _ in cases}
    meta = store.meta.model_copy(update={"cases": metas})
    shards.close(folder, meta, pd.concat(parts, ignore_index=True))
