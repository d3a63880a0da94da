"""Losses by name."""

import typing
from typing import Any

import pytest
import torch
from torch import nn

from stages.project.params import Train
from stages.training.losses import LOSSES

NAMES = tuple(LOSSES)


def sample(empty: bool = False) -> tuple[Any, Any]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 2, 8, 8, generator=generator)
    truth = (torch.rand(3, 2, 8, 8, generator=generator) > 0.7).float()
    return logits.requires_grad_(), torch.zeros_like(truth) if empty else truth


def test_params_may_name_each_of_them() -> None:
    assert typing.get_args(Train.model_fields["loss"].annotation) == NAMES


@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_finite_with_a_gradient(name: str, empty: bool) -> None:
    logits, truth = sample(empty)
    loss = LOSSES[name]()(logits, truth)
    assert loss.shape == ()
    assert torch.isfinite(loss)
    loss.backward()
    assert torch.isfinite(logits.grad).all()
    # smp leaves classes without tumour out of Dice and Tversky; the others must push false alarms down.
    if not empty or name in ("dice_bce", "bce", "focal", "combo", "lovasz"):
        assert logits.grad.abs().sum() > 0


@pytest.mark.parametrize("name", NAMES)
def test_falls_as_the_prediction_improves(name: str) -> None:
    _, truth = sample()
    right = (2 * truth - 1) * 6
    values = [float(LOSSES[name]()(share * right, truth)) for share in (-1.0, -0.2, 0.2, 1.0)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.2 * values[0]


def test_dice_bce_is_the_sum_of_its_parts() -> None:
    logits, truth = sample()
    parts = LOSSES["dice"]()(logits, truth) + LOSSES["bce"]()(logits, truth)
    torch.testing.assert_close(LOSSES["dice_bce"]()(logits, truth), parts)


def test_combo_by_its_equation() -> None:
    logits, truth = sample()
    p = logits.detach().sigmoid()
    entropy = -(0.5 * truth * p.log() + 0.5 * (1 - truth) * (1 - p).log()).mean()
    dice = 1 - LOSSES["dice"]()(logits, truth)
    torch.testing.assert_close(LOSSES["combo"]()(logits, truth), 0.5 * entropy + 0.5 * (1 - dice))


def test_soft_dice_and_tversky_by_hand() -> None:
    logits, truth = sample()
    p = logits.detach().sigmoid()
    tp, fp, fn = ((x).sum((0, 2, 3)) for x in (p * truth, p * (1 - truth), (1 - p) * truth))
    dice = 1 - (tp + 1) / (tp + (fp + fn) / 2 + 1)
    torch.testing.assert_close(LOSSES["dice"]()(logits, truth), dice.mean())
    tversky = 1 - (tp + 1) / (tp + 0.3 * fp + 0.7 * fn + 1)
    torch.testing.assert_close(LOSSES["tversky"]()(logits, truth), tversky.mean())
    found = LOSSES["focal_tversky"]()(logits, truth)
    torch.testing.assert_close(found, tversky.mean() ** 0.75)


def test_a_miss_costs_more_than_a_false_alarm_under_tversky() -> None:
    truth = torch.zeros(1, 1, 4, 4)
    truth[..., :2, :] = 1
    missing, extra = truth.clone(), truth.clone()
    missing[..., 0, :], extra[..., 2, :] = 0, 1
    loss = LOSSES["tversky"]()
    assert loss(missing * 20 - 10, truth) > loss(extra * 20 - 10, truth)


def test_every_name_of_params_builds_a_loss_of_its_own() -> None:
    logits, truth = sample()
    values = [round(LOSSES[name]()(logits, truth).item(), 5) for name in NAMES]
    assert len(set(values)) == len(NAMES)
    assert isinstance(LOSSES["bce"](), nn.BCEWithLogitsLoss)
