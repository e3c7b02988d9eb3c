"""The learning rate of each step: closed forms, edges, and torch's own schedulers."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from bench.child.training.schedule import rate
from bench.schema.training_task import SCHEDULES, Recipe, Schedule


def recipe(schedule: Schedule, epochs: int, warmup: float = 0.0, lr: float = 0.4) -> Recipe:
    return Recipe(name="planted", epochs=epochs, lr=lr, warmup_epochs=warmup, schedule=schedule)


def rates(planted: Recipe, steps_per_epoch: int) -> list[float]:
    return [rate(planted, step, steps_per_epoch) for step in range(planted.epochs * steps_per_epoch)]


def test_a_constant_rate_without_warm_up_is_the_recipes_at_every_step() -> None:
    assert rates(recipe("constant", 3), 5) == [0.4] * 15


def test_the_warm_up_rises_by_equal_parts_and_reaches_the_rate_at_its_last_step() -> None:
    assert rates(recipe("constant", 2, warmup=1), 4) == pytest.approx([0.1, 0.2, 0.3, 0.4] + [0.4] * 4)


def test_a_warm_up_may_end_within_an_epoch() -> None:
    assert rates(recipe("constant", 1, warmup=0.5), 4) == pytest.approx([0.2, 0.4, 0.4, 0.4])


def test_a_warm_up_lasts_whole_steps() -> None:
    # 0.29 * 100 is 28.999999999999996 in floating point.
    found = rates(recipe("constant", 1, warmup=0.29), 100)
    assert found[27] < found[28] == 0.4
    assert found[14] == pytest.approx(0.4 * 15 / 29)


def test_the_cosine_is_at_its_top_half_and_quarter_where_it_should_be() -> None:
    # cos 0 = 1, cos 60 = 1/2, cos 90 = 0, cos 120 = -1/2 degrees, over 6 steps; 180 is the training's end.
    found = rates(recipe("cosine", 2, lr=1.0), 3)
    assert [found[0], found[2], found[3], found[4]] == pytest.approx([1.0, 0.75, 0.5, 0.25])
    assert found[5] == pytest.approx((1 - math.sqrt(3) / 2) / 2)


def test_the_cosine_starts_from_the_rate_after_the_warm_up() -> None:
    found = rates(recipe("cosine", 3, warmup=1, lr=1.0), 2)
    assert found == pytest.approx([0.5, 1.0, 1.0, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2])


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_warm_up_longer_than_the_training_never_reaches_the_rate(schedule: Schedule) -> None:
    assert rates(recipe(schedule, 2, warmup=4), 2) == pytest.approx([0.05, 0.1, 0.15, 0.2])


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("warmup", [0.0, 1.0])
def test_a_training_of_one_step_learns_at_the_recipes_rate(schedule: Schedule, warmup: float) -> None:
    assert rates(recipe(schedule, 1, warmup), 1) == [0.4]


@pytest.mark.parametrize("step", [-1, 6])
def test_a_step_outside_the_training_is_refused(step: int) -> None:
    with pytest.raises(ValueError, match="training of 6 steps"):
        rate(recipe("cosine", 2), step, 3)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("warmup", [0, 1, 3])
def test_torchs_schedulers_give_the_same_rates(schedule: Schedule, warmup: int) -> None:
    planted, steps_per_epoch = recipe(schedule, 5, warmup), 7
    steps, rising = 5 * steps_per_epoch, warmup * steps_per_epoch
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=planted.lr)
    after: lr_scheduler.LRScheduler = (
        lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps - rising)
        if schedule == "cosine"
        else lr_scheduler.ConstantLR(optimizer, factor=1.0)
    )
    scheduler = after
    if rising:
        warm = lr_scheduler.LinearLR(optimizer, start_factor=1 / rising, total_iters=rising - 1)
        scheduler = lr_scheduler.SequentialLR(optimizer, [warm, after], milestones=[rising])
    theirs = []
    for _ in range(steps):
        theirs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates(planted, steps_per_epoch) == pytest.approx(theirs)


@given(
    schedule=st.sampled_from(SCHEDULES),
    epochs=st.integers(1, 8),
    warmup=st.floats(0, 10),
    steps_per_epoch=st.integers(1, 20),
)
def test_every_step_learns_at_no_more_than_the_rate_and_none_rises_after_the_warm_up(
    schedule: Schedule, epochs: int, warmup: float, steps_per_epoch: int
) -> None:
    found = rates(recipe(schedule, epochs, warmup), steps_per_epoch)
    assert all(0 < value <= 0.4 for value in found)
    top = found.index(max(found))
    assert found[: top + 1] == sorted(found[: top + 1])
    assert found[top:] == sorted(found[top:], reverse=True)
