"""One training: every mode, its effect, and what validation measures."""

from pathlib import Path
from typing import Any

import lightning.pytorch as L
import numpy as np
import pytest
import torch

from stages.core.errors import UserError
from stages.inference import cases
from stages.inference.torch_predictor import TorchPredictor
from stages.scoring import overlap
from stages.training.checkpoint import Keeper
from stages.training.segmenter import Segmenter, volume_dice
from tests.fixtures import trainings
from tests.fixtures.trainings import Setup, same_weights

REGIONS = {"whole": [1, 2, 3], "core": [2, 3], "enhancing": [3]}


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> trainings.Setup:
    return Setup(trainings.blobs(tmp_path_factory.mktemp("store")), epochs=1)


@pytest.fixture(scope="module")
def plain(setup: trainings.Setup, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return setup.train(tmp_path_factory.mktemp("plain"))


MODES: dict[str, dict[str, Any]] = {
    "ema": {"ema": 0.9},
    "dropout": {"dropout": 0.4},
    "bf16": {"precision": "bf16"},
    "adam": {"optimizer": "adam"},
    "sgd": {"optimizer": "sgd"},
    "constant": {"schedule": "constant"},
    "cosine": {"schedule": "cosine"},
    "no augmentation": {"policy": "none"},
    "focal": {"loss": "focal"},
    "another seed": {"seed": 1},
    "no decay": {"weight_decay": 0.0},
    "combo": {"loss": "combo"},
    "accumulated": {"accumulate": 2},
    "clipped": {"clip": 0.1},
}


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_trains_and_acts(mode: str, setup: trainings.Setup, plain: Keeper, tmp_path: Path) -> None:
    keeper = setup.with_(**MODES[mode]).train(tmp_path)
    found = keeper.kept_weights()
    assert all(torch.isfinite(tensor).all() for tensor in found.values())
    assert all(tensor.dtype in (torch.float32, torch.int64) for tensor in found.values())
    assert not same_weights(found, plain.kept_weights())
    assert np.isfinite(list(keeper.history[0].values())).all()
    fresh = setup.with_(**MODES[mode]).segmenter().network.state_dict()
    assert not torch.equal(found["body.segmentation_head.1.weight"], fresh["body.segmentation_head.1.weight"])


def test_the_same_seed_gives_the_same_weights(setup: trainings.Setup, plain: Keeper, tmp_path: Path) -> None:
    again = setup.train(tmp_path)
    assert same_weights(again.kept_weights(), plain.kept_weights())
    assert again.history == plain.history


@pytest.mark.parametrize(
    ("arch", "encoder"), [("fpn", trainings.ENCODER), ("deeplabv3plus", "resnet18"), ("segformer", "mit_b0")]
)
def test_other_architectures_train_deterministically(
    arch: str, encoder: str, setup: trainings.Setup, tmp_path: Path
) -> None:
    wanted = setup.with_(arch=arch, encoder=encoder)
    one, other = (wanted.train(tmp_path / name) for name in "ab")
    assert same_weights(one.kept_weights(), other.kept_weights())
    assert np.isfinite(one.history[0]["train_loss"])


def test_context_sees_the_neighbours(setup: trainings.Setup, tmp_path: Path) -> None:
    keeper = setup.with_(context=1).train(tmp_path)
    name = f"{trainings.FIRST_CONVOLUTION}.weight"
    weight = keeper.kept_weights()[name]
    assert weight.shape[1] == 9
    fresh = setup.with_(context=1).segmenter().network.state_dict()[name]
    moved = (weight - fresh).abs().sum(dim=(0, 2, 3))
    assert (moved > 0).all()


def test_training_learns_the_blobs(setup: trainings.Setup, tmp_path: Path) -> None:
    keeper = setup.with_(epochs=8, batch_size=3, lr=5e-3).train(tmp_path)
    assert keeper.history[-1]["train_loss"] < 0.5 * keeper.history[0]["train_loss"]
    assert keeper.kept_dice > 0.6


class Losses(L.Callback):
    """The loss of every batch, by epoch."""

    def __init__(self) -> None:
        self.epochs: list[Any] = []

    def on_train_batch_end(
        self, trainer: Any, module: Segmenter, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx == 0:
            self.epochs.append([])
        self.epochs[-1].append(float(outputs["loss"]) * module.recipe.accumulate)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_training_loss_is_the_mean_over_the_batches_of_an_epoch(
    accumulate: int, setup: trainings.Setup, tmp_path: Path
) -> None:
    losses = Losses()
    keeper = setup.with_(batch_size=3, accumulate=accumulate).train(tmp_path, callbacks=[losses])
    assert len(losses.epochs[0]) > 2
    told = [epoch["train_loss"] for epoch in keeper.history]
    assert told == pytest.approx([np.mean(epoch) for epoch in losses.epochs], rel=1e-5)


@pytest.mark.parametrize("ema", [0.0, 0.5])
def test_validation_dice_is_the_evaluations_at_a_half(ema: float, tmp_path: Path) -> None:
    """By an independent road: the kept weights, `inference.cases`, and counts of `scoring.overlap`."""
    store = trainings.blobs(tmp_path / "store", cases=5, regions=REGIONS)
    setup = Setup(store, epochs=3, batch_size=3).with_(ema=ema, lr=3e-3)
    _, validation = setup.datasets()
    validation.rows = np.arange(8, 20)  # three cases, also trained on: their Dice is not 0
    train, _ = setup.loaders()
    held = torch.utils.data.DataLoader(
        validation,
        5,
        sampler=trainings.dataset.InOrder(len(validation)),
        collate_fn=train.collate_fn,
    )
    keeper = setup.train(tmp_path / "run", loaders=(train, held))
    net = setup.segmenter().network
    net.load_state_dict(keeper.kept_weights())
    scores = []
    for _, rows, probabilities in cases.of(TorchPredictor(net, 1, 8), store, validation.rows, "none"):
        labels = store.masks(rows)
        for number, values in enumerate(REGIONS.values()):
            truth = np.isin(labels, values)
            scores.append(overlap.dice(overlap.count(probabilities[:, number] > 0.5, truth)))
    assert len(scores) == 9
    assert 0 < np.mean(scores) < 1
    assert keeper.kept_dice == pytest.approx(np.mean(scores), abs=1e-4)


def test_volume_dice_pools_and_empty_is_one() -> None:
    counts = torch.tensor([[3.0, 4, 6], [0, 0, 0], [0, 5, 0]], dtype=torch.float64)
    assert volume_dice(counts).tolist() == pytest.approx([0.6, 1, 0])


def test_region_truth(tmp_path: Path) -> None:
    segmenter = Setup(trainings.blobs(tmp_path, regions=REGIONS)).segmenter()
    labels = torch.tensor([[[0, 1], [2, 3]]], dtype=torch.uint8)
    assert segmenter.truth(labels)[0].tolist() == [
        [[0, 1], [1, 1]],
        [[0, 0], [1, 1]],
        [[0, 0], [0, 1]],
    ]


class Steps(L.Callback):
    """The network's weights after each optimiser step."""

    def __init__(self) -> None:
        self.seen: list[list[torch.Tensor]] = []

    def on_train_batch_end(self, trainer: Any, module: Segmenter, *_: Any) -> None:
        self.seen.append([p.detach().clone() for p in module.network.parameters()])


def test_the_average_is_that_of_the_weights_of_the_steps(setup: trainings.Setup, tmp_path: Path) -> None:
    steps, wanted = Steps(), setup.with_(ema=0.3, epochs=2)
    segmenter = wanted.segmenter()
    wanted.train(tmp_path, segmenter=segmenter, callbacks=[steps])
    average = steps.seen[0]
    for number, weights in enumerate(steps.seen[1:], start=1):
        decay = min(0.3, (1 + number) / (10 + number))
        average = [decay * old + (1 - decay) * new for old, new in zip(average, weights, strict=True)]
    assert len(steps.seen) == 6
    # Lightning leaves the average in the network at the end.
    for found, expected in zip(segmenter.network.parameters(), average, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_a_loss_that_is_no_number_ends_the_training(setup: Any, tmp_path: Path) -> None:
    segmenter = setup.segmenter()
    segmenter.loss.forward = lambda logits, truth: logits.sum() * float("nan")
    with pytest.raises(UserError) as error:
        setup.train(tmp_path, segmenter=segmenter)
    loader, _ = setup.loaders()
    loader.sampler.set_epoch(0)
    names = setup.store.index["sample_id"][next(iter(loader)).rows.numpy()]
    assert str(error.value) == (
        f"the loss became nan in epoch 0 at the slices {', '.join(names)}; "
        "lower train.lr or set train.precision: fp32"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_step_on_a_gpu(setup: Any, tmp_path: Path) -> None:
    segmenter = setup.segmenter()
    devices = []
    segmenter.network.register_forward_hook(lambda *given: devices.append(given[2].device.type))
    keeper = setup.with_(precision="bf16", ema=0.9).train(tmp_path, segmenter=segmenter)
    assert set(devices) == {"cuda"}
    assert np.isfinite(list(keeper.history[0].values())).all()
