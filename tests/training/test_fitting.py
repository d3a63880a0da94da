"""Loaders, precision, workers and Ctrl-C."""

import re
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import numpy as np
import pytest
import torch

from stages.core.errors import UserError
from stages.core.processor import Processor
from stages.store import dataset
from stages.training import fitting
from stages.training.segmenter import Segmenter
from tests.fixtures import trainings
from tests.fixtures.trainings import VOLUMES, Setup, same_weights


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> trainings.Setup:
    return Setup(trainings.blobs(tmp_path_factory.mktemp("store")), epochs=2, dropout=0.2)


def flat(batches: Iterator[Any] | list[list[int]]) -> list[int]:
    return [row for batch in batches for row in batch]


def rows(loader: Any, epoch: int = 0) -> list[list[int]]:
    loader.sampler.set_epoch(epoch)
    return [batch.rows.tolist() for batch in loader]


def test_an_epoch_has_every_slice_once_and_each_epoch_its_own_order(setup: trainings.Setup) -> None:
    train, validation = setup.loaders()
    first, second = rows(train, 0), rows(train, 1)
    assert sorted(flat(first)) == list(range(12))
    assert first != second
    assert first == rows(train, 0)
    assert flat(batch.rows.tolist() for batch in validation) == [12, 13, 14, 15]


def test_balanced_draws_as_many_without_tumour_as_with(tmp_path: Path) -> None:
    store = trainings.blobs(tmp_path)
    store.index.loc[store.index["slice"] < 3, "label_pixels"] = 0  # now most slices are without
    train, _ = Setup(store, sampling="balanced", batch_size=2).loaders()
    drawn = [Counter(store.index["label_pixels"][flat(rows(train, epoch))] > 0) for epoch in range(4)]
    assert drawn == [{True: 3, False: 3}] * 4
    assert len({tuple(sorted(flat(rows(train, epoch)))) for epoch in range(4)}) > 1


def test_an_incomplete_batch_is_dropped_only_where_others_remain(setup: trainings.Setup) -> None:
    assert [len(batch) for batch in rows(setup.with_(batch_size=5).loaders()[0])] == [5, 5]
    assert [len(batch) for batch in rows(setup.with_(batch_size=50).loaders()[0])] == [12]


@pytest.mark.parametrize("dims", [2, 3])
def test_workers_change_nothing(dims: int, setup: trainings.Setup, tmp_path: Path) -> None:
    setup = setup.with_(**VOLUMES) if dims == 3 else setup
    alone = setup.train(tmp_path / "alone")
    helped = setup.with_(workers=2).train(tmp_path / "helped")
    assert helped.history == alone.history
    assert same_weights(helped.kept_weights(), alone.kept_weights())


@pytest.mark.parametrize(
    ("devices", "nodes", "gpus", "expected"),
    [(1, 1, 0, 1), (2, 3, 0, 6), ("auto", 1, 0, 1), ("auto", 2, 4, 8), (1, 1, 4, 1)],
)
def test_how_many_processes_train(
    devices: int | str, nodes: int, gpus: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert fitting.Machine("fp32", devices, nodes).processes == expected


@pytest.mark.parametrize("processes", [3, 8])
def test_a_batch_that_the_processes_cannot_share(setup: Setup, processes: int) -> None:
    machine = fitting.Machine("fp32", processes, 1)
    with pytest.raises(UserError) as error:
        fitting.loaders(*setup.datasets(), "all", 8, 0, machine)
    assert str(error.value) == (
        f"train.batch_size 8 and 4 validation slices cannot be shared by {processes} processes; "
        "make the batch a multiple of train.devices x train.nodes"
    )


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_every_batch_and_all_of_validation(
    setup: Setup, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = rows(setup.with_(batch_size=6).loaders()[0], 1)
    parts, validated = [], []
    for rank in range(processes):
        monkeypatch.setattr(dataset, "_share", lambda rank=rank: (rank, processes))
        machine = fitting.Machine("fp32", processes, 1)
        mine, others = fitting.loaders(*setup.datasets(), "all", 6, 0, machine)
        parts.append(rows(mine, 1))
        validated += flat(batch.rows.tolist() for batch in others)
    assert len({len(part) for part in parts}) == 1
    for number, batch in enumerate(whole):
        assert sorted(batch) == sorted(row for part in parts for row in part[number])
    assert sorted(validated) == [12, 13, 14, 15]


def test_processes_share_the_windows_of_volumes(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = setup.with_(**VOLUMES, batch_size=2)
    (whole,) = setup.with_(batch_size=12).loaders()[0]
    parts = []
    for rank in range(2):
        monkeypatch.setattr(dataset, "_share", lambda rank=rank: (rank, 2))
        mine, _ = fitting.loaders(*setup.datasets(), "all", 2, 0, fitting.Machine("fp32", 2, 1))
        parts += [batch.images for batch in mine]
    together = torch.cat(parts)
    assert together.shape == whole.images.shape
    assert sorted(each.sum().item() for each in together.double()) == sorted(
        each.sum().item() for each in whole.images.double()
    )


class Steps(L.Callback):
    """Counts the optimiser's steps and keeps the largest norm of the gradients it saw."""

    def __init__(self) -> None:
        self.count, self.norm = 0, 0.0

    def on_before_optimizer_step(self, _: Any, module: Segmenter, __: Any) -> None:
        self.count += 1
        gradients = [p.grad.norm() for p in module.network.parameters() if p.grad is not None]
        self.norm = max(self.norm, float(torch.stack(gradients).norm()))

    def on_before_zero_grad(self, _: Any, module: Segmenter, __: Any) -> None:
        gradients = [p.grad.norm() for p in module.network.parameters() if p.grad is not None]
        if gradients:
            self.after = float(torch.stack(gradients).norm())


@pytest.mark.parametrize(("accumulate", "steps"), [(1, 6), (2, 4), (3, 2), (50, 2)])
def test_accumulation_makes_fewer_steps(
    setup: trainings.Setup, accumulate: int, steps: int, tmp_path: Path
) -> None:
    seen = Steps()
    setup.with_(accumulate=accumulate).train(tmp_path, callbacks=[seen])
    assert seen.count == steps  # of 2 epochs with 3 batches each


def test_gradients_are_clipped(setup: trainings.Setup, tmp_path: Path) -> None:
    for clip in (0.0, 1e-3):
        seen = Steps()
        setup.with_(clip=clip, epochs=1).train(tmp_path / str(clip), callbacks=[seen])
        assert seen.norm > 1e-3
        assert (seen.after <= 1.001e-3) == (clip > 0)


def test_precision_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fitting.precision("fp32", "unet") == "fp32"
    assert fitting.precision("bf16", "unet") == "bf16"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for flags, *expected in (
        ({"amx_tile", "amx_bf16"}, "bf16", "fp32"),
        ({"avx512_bf16"}, "fp32", "fp32"),
        ({"avx2"}, "fp32", "fp32"),
    ):
        cpu = Processor("GenuineIntel", frozenset(flags))
        monkeypatch.setattr(Processor, "here", lambda cpu=cpu: cpu)
        assert [fitting.precision("auto", "any", dims) for dims in (2, 3)] == expected
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for native, name in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda native=native: native)
        assert fitting.precision("auto", "any") == name


@pytest.mark.parametrize("arch", ["segresnet", "basicunet", "unetr"])
def test_bf16_is_refused_where_it_is_not_the_same_twice(monkeypatch: pytest.MonkeyPatch, arch: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=f"train.precision bf16 is not the same twice for {arch} on a CPU"):
        fitting.precision("bf16", arch, 3)
    assert fitting.precision("fp32", arch, 3) == "fp32"
    assert fitting.precision("bf16", "dynunet", 3) == "bf16"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert fitting.precision("bf16", arch, 3) == "bf16"


def test_bf16_multiplies_in_bf16(setup: trainings.Setup, tmp_path: Path) -> None:
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
    def on_train_batch_end(self, *_: Any) -> None:
        raise KeyboardInterrupt


def test_ctrl_c_comes_through(setup: trainings.Setup, tmp_path: Path) -> None:
    """Lightning makes SystemExit(1) of it; a command ends with 130."""
    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(KeyboardInterrupt):
            setup.train(tmp_path, callbacks=[CtrlC()])
    finally:
        signal.signal(signal.SIGINT, before)  # Lightning leaves it ignored


def test_seeding_sets_the_networks_first_weights(setup: trainings.Setup) -> None:
    first, again, other = (setup.with_(seed=seed).segmenter().network.state_dict() for seed in (0, 0, 1))
    np.random.default_rng().random()
    assert same_weights(first, again)
    assert not same_weights(first, other)


def test_a_terminal_shows_loss_and_dice(
    setup: trainings.Setup,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    keeper = setup.train(tmp_path)
    bars = re.split(r"[\r\n]", capsys.readouterr().out)
    assert any(re.search(r"^Epoch 0: .* loss=\d\.\d{3}\]", bar) for bar in bars)  # before there is a Dice
    last = [bar for bar in bars if bar.startswith("Epoch 1: 100%")][-1]
    assert (
        f"loss={keeper.history[1]['train_loss']:.3f}, val_dice={keeper.history[1]['val_dice']:.3f}]" in last
    )


def test_no_bar_in_a_log(setup: trainings.Setup, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    setup.train(tmp_path)
    assert capsys.readouterr().out == ""
