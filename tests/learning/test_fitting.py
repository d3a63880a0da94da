"""Loaders, precision, workers and Ctrl-C."""

import signal
from collections import Counter

import lightning.pytorch as L
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from stages.learning import fitting
from tests.fixtures import trainings
from tests.fixtures.trainings import Setup, same_weights


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    return Setup(trainings.blobs(tmp_path_factory.mktemp("store")), epochs=2, dropout=0.2)


def flat(batches):
    return [row for batch in batches for row in batch]


def rows(loader, epoch=0):
    loader.sampler.set_epoch(epoch)
    return [batch.rows.tolist() for batch in loader]


def test_an_epoch_has_every_slice_once_and_each_epoch_its_own_order(setup):
    train, validation = setup.loaders()
    first, second = rows(train, 0), rows(train, 1)
    assert sorted(flat(first)) == list(range(12))
    assert first != second
    assert first == rows(train, 0)
    assert flat(batch.rows.tolist() for batch in validation) == [12, 13, 14, 15]


def test_balanced_draws_as_many_without_tumour_as_with(tmp_path):
    store = trainings.blobs(tmp_path)
    store.index.loc[store.index["slice"] < 3, "label_pixels"] = 0  # now most slices are without
    train, _ = Setup(store, sampling="balanced", batch_size=2).loaders()
    drawn = [Counter(store.index["label_pixels"][flat(rows(train, epoch))] > 0) for epoch in range(4)]
    assert drawn == [{True: 3, False: 3}] * 4
    assert len({tuple(sorted(flat(rows(train, epoch)))) for epoch in range(4)}) > 1


def test_an_incomplete_batch_is_dropped_only_where_others_remain(setup):
    assert [len(batch) for batch in rows(setup.with_(batch_size=5).loaders()[0])] == [5, 5]
    assert [len(batch) for batch in rows(setup.with_(batch_size=50).loaders()[0])] == [12]


def test_workers_change_nothing(setup, tmp_path):
    alone = setup.train(tmp_path / "alone")
    datasets, (train, validation) = setup.datasets(), setup.loaders()
    served = [
        DataLoader(
            data,
            loader.batch_size,
            sampler=loader.sampler,
            drop_last=loader.drop_last,
            collate_fn=loader.collate_fn,
            num_workers=2,
        )
        for data, loader in zip(datasets, (train, validation), strict=True)
    ]
    helped = setup.train(tmp_path / "helped", loaders=served)
    assert helped.history == alone.history
    assert same_weights(helped.best_weights(), alone.best_weights())


def test_precision_by_name(monkeypatch):
    assert fitting.precision("fp32") == "32-true"
    assert fitting.precision("bf16") == "bf16-mixed"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for tiles, expected in ((True, "bf16-mixed"), (False, "32-true")):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda tiles=tiles: tiles)
        assert fitting.precision("auto") == expected


def test_bf16_multiplies_in_bf16(setup, tmp_path):
    seen = set()
    for precision in ("fp32", "bf16"):
        wanted = setup.with_(precision=precision, epochs=1)
        segmenter = wanted.segmenter()
        segmenter.network.get_submodule(trainings.FIRST_CONVOLUTION).register_forward_hook(
            lambda *given, precision=precision: seen.add((precision, given[2].dtype))
        )
        wanted.train(tmp_path / precision, segmenter=segmenter)
    assert seen == {("fp32", torch.float32), ("bf16", torch.bfloat16)}


class CtrlC(L.Callback):
    def on_train_batch_end(self, *_):
        raise KeyboardInterrupt


def test_ctrl_c_comes_through(setup, tmp_path):
    """Lightning makes SystemExit(1) of it; a command ends with 130."""
    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(KeyboardInterrupt):
            setup.train(tmp_path, callbacks=[CtrlC()])
    finally:
        signal.signal(signal.SIGINT, before)  # Lightning leaves it ignored


def test_seeding_sets_the_networks_first_weights(setup):
    first, again, other = (setup.with_(seed=seed).segmenter().network.state_dict() for seed in (0, 0, 1))
    np.random.default_rng().random()
    assert same_weights(first, again)
    assert not same_weights(first, other)
