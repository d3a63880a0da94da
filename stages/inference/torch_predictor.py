"""Probabilities of a trained network for the cases of a store."""

from collections.abc import Iterator

import numpy as np
import torch

from stages.networks.network import Network
from stages.store.dataset import Neighbours
from stages.store.shards import Store


@torch.inference_mode()
def by_case(
    network: Network, store: Store, rows: np.ndarray, context: int, tta: str, batch_size: int
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield (case_id, rows of the case, probabilities (S, R, H, W) float32), one case in memory at a time.

    tta "flip" averages the probabilities of a slice and of its mirror image; left and right of a head look
    alike.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = network.to(device).eval()
    neighbours = Neighbours(store.index, context)
    for case_id, case in store.index.iloc[rows].groupby("case_id", sort=False):
        members = case.index.to_numpy()
        parts = []
        for start in range(0, len(members), batch_size):
            images = torch.from_numpy(neighbours.images(store, members[start : start + batch_size])).to(
                device
            )
            probabilities = network(images).sigmoid()
            if tta == "flip":
                mirrored = network(images.flip(2)).sigmoid().flip(3)
                probabilities = (probabilities + mirrored) / 2
            parts.append(probabilities.cpu().numpy())
        yield str(case_id), members, np.concatenate(parts)
