"""What a training is said to take."""

import copy

import pytest
import torch

from stages.training import estimate
from tests.fixtures import trainings
from tests.fixtures.trainings import SIZE, Setup, same_weights


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    return Setup(trainings.blobs(tmp_path_factory.mktemp("store")), dropout=0.2)


def measured(segmenter, batch=4, batches=10, validated=3.0):
    shape = (batch, 1, SIZE, SIZE, 3)
    return estimate.measure(segmenter, "fp32", shape, batches, validated)


def test_it_leaves_the_training_as_it_was(setup):
    segmenter = setup.segmenter()
    before = copy.deepcopy(segmenter.network.state_dict())
    state = torch.get_rng_state()
    measured(segmenter)
    assert same_weights(segmenter.network.state_dict(), before)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in segmenter.parameters())


def test_its_numbers(setup):
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


def test_its_sentence():
    told = estimate.Estimate("cpu (2 threads), fp32", 11_240_000, 3 * 2**29, 9.4).sentence()
    assert told == "training on cpu (2 threads), fp32: 11.2 M parameters, about 1.5 GiB, 9 s an epoch"
