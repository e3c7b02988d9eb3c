"""The gradient norms of a training run: those of its first step, and no trace of having been taken."""

from __future__ import annotations

import pytest
import torch
from msgspec import structs

from bench import datasets, devices
from bench.child.training.learner import Learner
from bench.contracts.dataset import Images, Split
from bench.schema.case import Case
from bench.schema.epochs import History, measurements
from bench.schema.training_task import Recipe, TrainingTask
from models.load import load

pytestmark = pytest.mark.slow

RATE = 0.01
PLAIN = Recipe(name="plain", epochs=1, lr=RATE)
IMAGES = 16


def learner(model: str, recipe: Recipe = PLAIN, batch: int = IMAGES) -> Learner:
    """On the first few digits, with the first weights of seed 0."""
    case = Case(
        model=model,
        workload="accuracy",
        batch=batch,
        image=32,
        channels=1,
        classes=10,
        task=TrainingTask(dataset="digits", recipe=recipe),
    )
    torch.manual_seed(0)
    module = load(model, channels=1, image=32, classes=10).module
    dataset = datasets.get("digits")
    split = dataset.load(None)
    few = Split(*(Images(part.images[:IMAGES], part.labels[:IMAGES]) for part in (split.train, split.test)))
    return Learner(case, devices.get("cpu"), module, module, dataset, few)


def weights(learner: Learner) -> list[torch.Tensor]:
    return [v.clone() for name, v in learner.state()["module"].items() if name.endswith("weight")]


def one_epoch(learner: Learner) -> None:
    learner.epoch(1, lambda step, steps: None, lambda: None)


def test_the_first_step_moves_the_weights_by_the_rate_times_these_norms() -> None:
    norms = learner("lenet5").gradient_norms()
    taught = learner("lenet5")
    before = weights(taught)
    one_epoch(taught)  # one step, as all images are one batch
    moved = [float((new - old).norm()) for new, old in zip(weights(taught), before, strict=True)]
    assert norms == pytest.approx((moved[0] / RATE, moved[-1] / RATE), rel=1e-3)


def test_an_epoch_does_not_notice_that_they_were_taken() -> None:
    model = "lenet5+norm=bn+dropout=0.5"
    recipe = structs.replace(PLAIN, augment=("crop",), momentum=0.9)
    with_norms, without = learner(model, recipe, batch=8), learner(model, recipe, batch=8)
    assert with_norms.gradient_norms() is not None
    one_epoch(with_norms)
    one_epoch(without)
    ours, theirs = with_norms.state()["module"], without.state()["module"]
    assert any("running_mean" in name for name in ours)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_they_are_measured_once_and_not_of_noise() -> None:
    history = History(gradient_norms=(0.25, 4.0))
    found = {m.metric: m.samples for m in measurements(history, None, learns=True)}
    assert found["gradient_norm_first"] == [0.25]
    assert found["gradient_norm_last"] == [4.0]
    assert not any("gradient" in m.metric for m in measurements(history, None, learns=False))
