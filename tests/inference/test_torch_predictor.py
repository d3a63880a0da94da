"""Probabilities case by case."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from stages.inference import cases
from stages.inference.torch_predictor import TorchPredictor
from stages.store.shards import Store
from tests.fixtures import trainings


class Lopsided(nn.Module):
    """Logits that differ between left and right; remembers what it was given."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(channels, 2, 5, padding=2)
        self.seen: list[np.ndarray] = []

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        self.seen.append(windows.numpy().copy())
        return self.conv(windows.permute(0, 1, 4, 2, 3).flatten(1, 2) / 100)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return trainings.blobs(tmp_path_factory.mktemp("store"), cases=3, slices=5)


def predict(
    net: Any,
    store: Store,
    rows: np.ndarray | None = None,
    context: int = 0,
    tta: Any = "none",
    batch_size: int = 4,
) -> list[Any]:
    rows = np.arange(len(store.index)) if rows is None else rows
    return list(cases.of(TorchPredictor(net, 2 * context + 1, batch_size), store, rows, tta))


def test_cases_in_order_with_their_rows_whatever_the_batch_size(store: Store) -> None:
    rows = np.array([0, 1, 2, 3, 4, 10, 12, 13])
    wide = predict(Lopsided(3), store, rows, batch_size=16)
    assert [case_id for case_id, _, _ in wide] == ["case00", "case02"]
    assert [members.tolist() for _, members, _ in wide] == [[0, 1, 2, 3, 4], [10, 12, 13]]
    assert wide[0][2].shape == (5, 2, 32, 32)
    assert wide[0][2].dtype == np.float32
    for one, other in zip(wide, predict(Lopsided(3), store, rows, batch_size=2), strict=True):
        np.testing.assert_allclose(one[2], other[2], atol=1e-6)


def test_probabilities_belong_to_their_rows(store: Store) -> None:
    net = Lopsided(3)
    ((_, members, found),) = predict(net, store, np.array([6, 8]))
    alone = torch.from_numpy(store.images(members[1:2])[:, None])
    np.testing.assert_allclose(found[1:], net(alone).sigmoid().detach().numpy(), atol=1e-6)


def test_flips_make_the_answer_symmetric(store: Store) -> None:
    net = Lopsided(3)
    mirrored = Store(
        store.meta, store.index, [shard[:, :, ::-1] for shard in store.image_shards], store.mask_shards
    )
    for tta, symmetric in (("flip", True), ("none", False)):
        for (_, _, one), (_, _, other) in zip(
            predict(net, store, tta=tta), predict(net, mirrored, tta=tta), strict=True
        ):
            assert np.allclose(one, other[..., ::-1], atol=1e-6) is symmetric


def test_flips_average_both_views(store: Store) -> None:
    net = Lopsided(3)
    images = torch.from_numpy(store.images(np.arange(5))[:, None])
    with torch.inference_mode():
        here, there = net(images).sigmoid(), net(images.flip(3)).sigmoid().flip(3)
    found = predict(net, store, np.arange(5), tta="flip")[0][2]
    np.testing.assert_allclose(found, ((here + there) / 2).numpy(), atol=1e-6)


def test_windows_are_never_of_another_case(store: Store) -> None:
    net = Lopsided(9)
    predict(net, store, np.arange(5, 10), context=1, batch_size=8)
    (given,) = net.seen
    for place in range(5):
        around = [5 + min(max(place + step, 0), 4) for step in (-1, 0, 1)]
        np.testing.assert_array_equal(given[place], store.images(np.array(around)))


def test_the_network_is_left_in_evaluation_mode(store: Store) -> None:
    net = Lopsided(3).train()
    predict(net, store, np.arange(2))
    assert not net.training
