"""Resume: an interrupted training ends with the weights and the history of an uninterrupted one."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.store.dataset import Batch
from stages.training import fitting
from stages.training.checkpoint import Keeper
from tests.fixtures import trainings
from tests.fixtures.trainings import VOLUMES, Setup, same_weights

ROOT = Path(__file__).resolve().parents[2]


class Killed(Exception):
    """Stands for a process that ends without warning."""


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> trainings.Setup:
    return Setup(trainings.blobs(tmp_path_factory.mktemp("store")), epochs=3).with_(lr=3e-3)


def dies(segmenter: Any, epoch: int, batch: int) -> Any:
    """Make a segmenter fail in the middle of an epoch."""
    step = segmenter.training_step

    def training_step(batch_: Batch, batch_idx: int) -> torch.Tensor:
        if (segmenter.current_epoch, batch_idx) == (epoch, batch):
            raise Killed
        return step(batch_, batch_idx)

    segmenter.training_step = training_step
    return segmenter


def assert_equal(found: Keeper, expected: Keeper) -> None:
    assert found.history == expected.history
    assert (found.kept_epoch, found.kept_dice) == (expected.kept_epoch, expected.kept_dice)
    assert same_weights(found.kept_weights(), expected.kept_weights())
    # Of the last epoch too: the best may be an early one that no resume has touched.
    ends = [torch.load(keeper.last, weights_only=True)["state_dict"] for keeper in (found, expected)]
    assert same_weights(*ends)


MODES: dict[str, dict[str, Any]] = {
    "cosine ema dropout": {"schedule": "cosine", "ema": 0.7, "dropout": 0.3},
    "onecycle sgd balanced bf16": {"optimizer": "sgd", "sampling": "balanced", "precision": "bf16"},
    "volumes balanced dropout": VOLUMES | {"sampling": "balanced", "dropout": 0.3},
}
"""All that has a state to lose, in few trainings: whatever is lost, the weights are others."""


@pytest.mark.parametrize("mode", MODES)
def test_an_interruption_leaves_no_trace(mode: str, setup: trainings.Setup, tmp_path: Path) -> None:
    wanted = setup.with_(**MODES[mode])
    whole = wanted.train(tmp_path / "whole")
    for epoch, batch in ((0, 1), (1, 1), (2, 0)):  # before there is a checkpoint, in an epoch, at its start
        with pytest.raises(Killed):
            wanted.train(tmp_path / "torn", segmenter=dies(wanted.segmenter(), epoch, batch))
    torn = wanted.train(tmp_path / "torn")
    assert_equal(torn, whole)
    assert [row["epoch"] for row in torn.history] == list(range(len(torn.history)))


def test_a_run_that_moves_to_another_machine_says_so(setup: Setup, tmp_path: Path) -> None:
    """Threads that share out a sum otherwise make other weights; a training is not thrown away for that."""

    def killed(machine: Any, epoch: int) -> None:
        segmenter = dies(setup.segmenter(), epoch, 0)
        with pytest.raises(Killed):
            fitting.fit(segmenter, *setup.loaders(), Keeper(tmp_path, None, machine), setup.machine, 3, None)

    def going_on(machine: Any) -> Any:
        keeper = Keeper(tmp_path, None, machine)
        assert keeper.resume() == keeper.resume() == keeper.last
        return keeper.sentence(3)

    killed("one", 1)
    moved = "it was begun on one: no run on one machine repeats it bit for bit"
    assert going_on("one") == "going on after epoch 1 of 3"
    assert going_on("two") == f"going on after epoch 1 of 3; {moved}"
    assert going_on("one") == "going on after epoch 1 of 3"  # nothing was trained on the other
    killed("two", 2)
    assert going_on("two") == going_on("one") == f"going on after epoch 2 of 3; {moved}"


def planned(segmenter: Any, dice: list[float]) -> Any:
    """Make validation tell a Dice by epoch."""
    segmenter.on_validation_epoch_end = lambda: segmenter.log("val_dice", dice[segmenter.current_epoch])
    return segmenter


def test_plateau_lowers_the_rate_at_the_same_epoch_after_a_resume(
    setup: trainings.Setup, tmp_path: Path
) -> None:
    wanted = setup.with_(schedule="plateau", patience=6, epochs=5, lr=1e-2)
    dice = [0.5, 0.4, 0.4, 0.4, 0.4]  # a third of patience: the rate falls after the third bad epoch
    whole = wanted.train(tmp_path / "whole", segmenter=planned(wanted.segmenter(), dice))
    with pytest.raises(Killed):
        wanted.train(tmp_path / "torn", segmenter=dies(planned(wanted.segmenter(), dice), 2, 1))
    torn = wanted.train(tmp_path / "torn", segmenter=planned(wanted.segmenter(), dice))
    assert [row["lr"] for row in whole.history] == pytest.approx([1e-2, 1e-2, 1e-2, 1e-3, 1e-3])
    assert_equal(torn, whole)


@pytest.mark.parametrize("killed", [None, 2])
def test_stops_once_patience_brought_no_better_and_keeps_the_first_best(
    killed: int | None, setup: trainings.Setup, tmp_path: Path
) -> None:
    wanted = setup.with_(patience=2, epochs=9)
    dice = [0.1, 0.3, 0.2, 0.3, 0.9, 0.9, 0.9, 0.9, 0.9]
    if killed is not None:
        with pytest.raises(Killed):
            wanted.train(tmp_path, segmenter=dies(planned(wanted.segmenter(), dice), killed, 0))
    keeper = wanted.train(tmp_path, segmenter=planned(wanted.segmenter(), dice))
    assert (keeper.kept_epoch, keeper.finished) == (1, True)
    assert keeper.kept_dice == pytest.approx(0.3)
    assert keeper.table()["epoch"].tolist() == [0, 1, 2, 3]
    assert list(keeper.table().columns) == ["epoch", "train_loss", "val_loss", "val_dice", "lr"]


def test_without_patience_trains_to_the_end(setup: trainings.Setup, tmp_path: Path) -> None:
    wanted = setup.with_(patience=None, epochs=4)
    keeper = wanted.train(tmp_path, segmenter=planned(wanted.segmenter(), [0.3, 0.2, 0.1, 0.0]))
    assert (keeper.kept_epoch, len(keeper.history)) == (0, 4)


def test_a_finished_training_is_not_trained_again(setup: trainings.Setup, tmp_path: Path) -> None:
    wanted = setup.with_(epochs=2)
    done = wanted.train(tmp_path)
    again = wanted.train(tmp_path, segmenter=dies(wanted.segmenter(), 0, 0))
    assert_equal(again, done)
    assert again.finished


def test_a_kill_between_best_and_last_repeats_the_epoch(
    setup: trainings.Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = setup.with_(epochs=3)
    dice = [0.1, 0.2, 0.3]
    whole = wanted.train(tmp_path / "whole", segmenter=planned(wanted.segmenter(), dice))
    part = Keeper._part

    def killed(self: Any, name: str) -> Any:
        if name == "last.ckpt" and len(self.history) == 2:
            raise Killed
        return part(self, name)

    with monkeypatch.context() as patched:
        patched.setattr(Keeper, "_part", killed)
        with pytest.raises(Killed):
            wanted.train(tmp_path / "torn", segmenter=planned(wanted.segmenter(), dice))
    newer = Keeper(tmp_path / "torn", 9)
    assert newer.resume() == newer.last
    assert [row["epoch"] for row in newer.history] == [0]
    torn = wanted.train(tmp_path / "torn", segmenter=planned(wanted.segmenter(), dice))
    assert_equal(torn, whole)


def test_best_weights_are_those_of_the_best_epoch(setup: trainings.Setup, tmp_path: Path) -> None:
    dice = [0.1, 0.9, 0.2]
    wanted = setup.with_(epochs=9, patience=1, schedule="constant")
    long = wanted.train(tmp_path / "long", segmenter=planned(wanted.segmenter(), dice))
    wanted = setup.with_(epochs=2, schedule="constant")
    short = wanted.train(tmp_path / "short", segmenter=planned(wanted.segmenter(), dice))
    assert (len(long.history), len(short.history)) == (3, 2)
    assert same_weights(long.kept_weights(), short.kept_weights())
    end = torch.load(long.last, weights_only=True)["state_dict"]
    assert any(
        not torch.equal(tensor, end[f"network.{name}"]) for name, tensor in long.kept_weights().items()
    )


def test_the_last_epoch_is_kept_where_that_is_asked_for(setup: trainings.Setup, tmp_path: Path) -> None:
    dice = [0.1, 0.9, 0.2]
    asked = setup.with_(keep="last")
    whole = asked.train(tmp_path / "whole", segmenter=planned(asked.segmenter(), dice))
    assert whole.kept_epoch == 2
    assert whole.kept_dice == pytest.approx(0.2)
    end = torch.load(whole.last, weights_only=True)["state_dict"]
    assert all(torch.equal(tensor, end[f"network.{name}"]) for name, tensor in whole.kept_weights().items())
    with pytest.raises(Killed):
        asked.train(tmp_path / "torn", segmenter=dies(planned(asked.segmenter(), dice), 2, 0))
    torn = asked.train(tmp_path / "torn", segmenter=planned(asked.segmenter(), dice))
    assert_equal(torn, whole)


def test_half_written_files_are_not_taken_for_checkpoints(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, 3)
    (tmp_path / "last.ckpt.part").write_bytes(b"half")
    (tmp_path / "kept.safetensors").write_bytes(b"whole")
    assert keeper.resume() is None


def test_discard_removes_the_folder(setup: trainings.Setup, tmp_path: Path) -> None:
    keeper = setup.with_(epochs=1).train(tmp_path / "run")
    assert keeper.last.exists()
    keeper.discard()
    assert not (tmp_path / "run").exists()
    keeper.discard()


CHILD = """
import sys
from pathlib import Path
from stages.store.shards import open_store
from tests.fixtures.trainings import Setup
setup = Setup(open_store(Path(sys.argv[1])), epochs=12, dropout=0.2).with_(lr=3e-3, ema=0.7)
setup.train(Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_sigkill_at_a_random_moment(tmp_path: Path) -> None:
    """A real process, really killed, three times, wherever it happens to be."""
    store = trainings.blobs(tmp_path / "store")
    wanted = Setup(store, epochs=12, dropout=0.2).with_(lr=3e-3, ema=0.7)
    whole = wanted.train(tmp_path / "whole")
    command = [sys.executable, "-c", CHILD, str(tmp_path / "store"), str(tmp_path / "torn")]
    last, survived = tmp_path / "torn/last.ckpt", 0
    for _ in range(3):
        before = last.stat().st_mtime_ns if last.exists() else 0
        child = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
        while child.poll() is None and (not last.exists() or last.stat().st_mtime_ns == before):
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.6))
        child.send_signal(signal.SIGKILL)
        survived += child.wait() == 0
    assert survived < 3
    torn = wanted.train(tmp_path / "torn")
    assert_equal(torn, whole)
