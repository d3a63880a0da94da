"""What a training is said to take."""

import copy
from typing import Any

import pytest
import torch

from stages.core import memory
from stages.core.errors import UserError
from stages.training import estimate
from stages.training.segmenter import Segmenter
from tests.fixtures import trainings
from tests.fixtures.trainings import SIZE, VOLUMES, Setup, same_weights


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> trainings.Setup:
    return Setup(trainings.blobs(tmp_path_factory.mktemp("store")), dropout=0.2)


def measured(segmenter: Segmenter, batch: int = 4, batches: int = 10, validated: float = 3.0) -> Any:
    shape = (batch, 1, SIZE, SIZE, 3)
    return estimate.measure(segmenter, "fp32", shape, batches, validated)


def test_it_leaves_the_training_as_it_was(setup: trainings.Setup) -> None:
    segmenter = setup.segmenter()
    before = copy.deepcopy(segmenter.network.state_dict())
    state = torch.get_rng_state()
    measured(segmenter)
    assert same_weights(segmenter.network.state_dict(), before)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in segmenter.parameters())


def test_its_numbers(setup: trainings.Setup) -> None:
    segmenter = setup.segmenter()
    parameters = sum(p.numel() for p in segmenter.network.parameters())
    small, large = measured(segmenter, batch=2), measured(segmenter, batch=32)
    assert small.parameters == large.parameters == parameters
    # Weights, gradients and AdamW's two moments; the rest grows with the batch.
    fixed = 16 * parameters
    assert small.bytes > fixed
    assert 12 < (large.bytes - fixed) / (small.bytes - fixed) < 20
    assert measured(setup.with_(optimizer="sgd").segmenter(), batch=2).bytes == small.bytes - 4 * parameters
    assert measured(setup.with_(ema=0.9).segmenter(), batch=2).bytes == small.bytes + 4 * parameters
    assert small.epoch_seconds > 0


def test_its_sentence() -> None:
    told = estimate.Estimate("cpu (2 threads), fp32", 11_240_000, 3 * 2**29, 9.4).sentence()
    assert told == "training on cpu (2 threads), fp32: 11.2 M parameters, about 1.5 GiB, 9 s an epoch"


@pytest.mark.parametrize("settings", [{}, VOLUMES, VOLUMES | {"arch": "segresnet", "window": (8, 16, 16)}])
def test_memory_is_foreseen_without_a_step(setup: trainings.Setup, settings: dict[str, Any]) -> None:
    segmenter = setup.with_(**settings).segmenter()
    window = settings.get("window", (1, SIZE, SIZE))
    for batch in (2, 8):
        shape = (batch, *window, 3)
        foreseen = estimate.held_for_backward(segmenter, shape)
        parameters = sum(p.numel() for p in segmenter.network.parameters())
        measured_bytes = estimate.measure(segmenter, "fp32", shape, 1, 0).bytes - 16 * parameters
        assert foreseen == pytest.approx(measured_bytes, rel=0.1)


def test_a_step_that_does_not_fit_is_refused(setup: trainings.Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    volumes = setup.with_(**VOLUMES).segmenter()
    estimate.refuse_too_large(volumes, "fp32", (2, 4, 16, 16, 3))
    monkeypatch.setattr(memory, "granted", lambda: 2**34)
    with pytest.raises(UserError) as error:
        estimate.refuse_too_large(volumes, "fp32", (4, 256, 512, 512, 3))
    assert str(error.value).startswith("a step with batches of 4 times 256 x 512 x 512 needs about ")
    assert str(error.value).endswith(
        " GiB, and this machine has 16.0; make train.batch_size or train.window smaller"
    )
    with pytest.raises(UserError, match=r"make train\.batch_size or preprocess\.size smaller"):
        estimate.refuse_too_large(setup.segmenter(), "bf16", (2**16, 1, 512, 512, 3))
