"""Optimisers and the shapes of schedules."""

import typing
from typing import Any

import pytest
import torch
from torch import nn

from stages.project.params import Train
from stages.training import optimisation
from stages.training.optimisation import Course

STEPS = 100


def network() -> Any:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 1))


def rates(name: str, steps: int = STEPS, lr: float = 0.1) -> list[float]:
    """Learning rate used by each step."""
    chosen = optimisation.optimizer("sgd", network(), lr, 0.0)
    described = optimisation.SCHEDULES[name](chosen, Course(lr, steps, 10, 9))
    assert described is not None
    schedule = described["scheduler"]
    used = []
    for _ in range(steps):
        used.append(chosen.param_groups[0]["lr"])
        chosen.step()
        schedule.step()
    return used


def test_params_may_name_each_of_them() -> None:
    for key, names in (("optimizer", optimisation.OPTIMIZERS), ("schedule", optimisation.SCHEDULES)):
        assert set(typing.get_args(Train.model_fields[key].annotation)) == set(names)


def test_onecycle_rises_to_lr_and_ends_near_nothing() -> None:
    used = rates("onecycle")
    assert max(used) == pytest.approx(0.1)
    assert 0.2 < used.index(max(used)) / STEPS < 0.4
    assert used[0] == pytest.approx(0.1 / 25)
    assert used[-1] < 1e-4


def test_cosine_warms_up_over_a_twentieth_and_ends_near_nothing() -> None:
    used = rates("cosine")
    assert used[0] == pytest.approx(0.001)
    assert used[:6] == sorted(used[:6])
    assert used[5] == pytest.approx(0.1)
    assert used[5:] == sorted(used[5:], reverse=True)
    half = 5 + (STEPS - 5) // 2
    assert used[half] == pytest.approx(0.05, rel=0.05)
    assert used[-1] < 1e-3


@pytest.mark.parametrize("name", ["onecycle", "cosine"])
@pytest.mark.parametrize("steps", [2, 3, 7])
def test_short_trainings_have_a_schedule_too(name: str, steps: int) -> None:
    assert all(0 < rate <= 0.1 + 1e-9 for rate in rates(name, steps))


def test_constant_is_no_schedule() -> None:
    chosen = optimisation.optimizer("adamw", network(), 0.1, 0.0)
    assert optimisation.SCHEDULES["constant"](chosen, Course(0.1, STEPS, 10, 9)) is None


def test_plateau_watches_validation_dice_once_an_epoch() -> None:
    chosen = optimisation.optimizer("sgd", network(), 0.1, 0.0)
    described = optimisation.SCHEDULES["plateau"](chosen, Course(0.1, STEPS, 10, 6))
    assert described is not None
    assert described["monitor"] == "val_dice"
    assert (described["interval"], described["frequency"]) == ("step", 10)
    seen = []
    for dice in (0.5, 0.6, 0.6, 0.6, 0.6, 0.7):  # a third of patience: two epochs may stall, the third falls
        described["scheduler"].step(dice)
        seen.append(chosen.param_groups[0]["lr"])
    assert seen == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.01, 0.01])


@pytest.mark.parametrize(
    ("name", "kind"), [("adamw", torch.optim.AdamW), ("adam", torch.optim.Adam), ("sgd", torch.optim.SGD)]
)
def test_biases_and_normalisation_do_not_decay(name: str, kind: type[Any]) -> None:
    net = network()
    chosen = optimisation.optimizer(name, net, 0.1, 0.5)
    assert type(chosen) is kind
    before = {n: p.detach().clone() for n, p in net.named_parameters()}
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    chosen.step()
    moved = {n for n, p in net.named_parameters() if not torch.equal(p, before[n])}
    assert moved == {"0.weight", "2.weight"}
