"""Training runs with known answers, as `convbench train` would leave them."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from bench.schema.case import Case
from bench.schema.record import Measurement, Record
from bench.schema.training_task import Recipe, TrainingTask
from tests.planted import planted_records

QUICK = Recipe(name="quick", epochs=4, lr=0.05, momentum=0.9, init="kaiming", normalise=True)
TEXTBOOK = Recipe(name="textbook", epochs=30, lr=0.05)
DIGITS = TrainingTask(dataset="digits", recipe=QUICK, target=0.9)
IMAGES = 1000
"""Of an epoch: one at `rate` images/s takes IMAGES / rate seconds."""
VGG = Case(
    model="vgg-small",
    workload="accuracy",
    batch=128,
    image=32,
    channels=1,
    classes=10,
    threads=2,
    task=DIGITS,
)
RISE = (0.5, 0.8, 0.95, 1.0)
"""The test accuracy of the four epochs over that of the last."""


def curve(metric: str, unit: str, samples: Sequence[float]) -> Measurement:
    return Measurement(phase="epoch", metric=metric, unit=unit, samples=list(samples))


def learned(
    case: Case,
    accuracies: Sequence[float],
    *,
    number: int = 1,
    rate: float = 100.0,
    joules: float | None = None,
) -> Record:
    """One seed with the test accuracy of each epoch: of training it is 0.02 more, losses are 2 x error."""
    seconds = IMAGES / rate
    epochs = len(accuracies)
    found = [
        curve("train_loss", "nat", [2 * (0.98 - a) + 0.2 for a in accuracies]),
        curve("train_accuracy", "share", [a - 0.02 for a in accuracies]),
        curve("test_loss", "nat", [2 * (1 - a) for a in accuracies]),
        curve("test_accuracy", "share", accuracies),
        *_speed(rate, epochs),
        curve("final_train_accuracy", "share", [accuracies[-1] + 0.005]),
    ]
    target = case.task.target if case.task else None
    reached = next((n for n, a in enumerate(accuracies, start=1) if target and a >= target), None)
    if reached:
        found.append(curve("time_to_target", "s", [reached * seconds]))
    if joules is not None:
        found.append(curve("energy", "J", [joules] * epochs))
    if joules is not None and reached:
        found.append(curve("energy_to_target", "J", [joules * reached]))
    return planted_records.record(structs.replace(case, replicate=number), *found)


def seeds(case: Case, finals: Sequence[float], rate: float = 100.0) -> list[Record]:
    """One seed for each final accuracy, numbered from 1."""
    return [
        learned(case, [share * final for share in RISE], number=number, rate=rate)
        for number, final in enumerate(finals, start=1)
    ]


def diverged(case: Case, number: int, step: int = 37) -> Record:
    """It has samples up to there, which no figure may have."""
    return planted_records.record(
        structs.replace(case, replicate=number),
        curve("test_accuracy", "share", [0.1]),
        curve("loop_rate", "image/s", [1.0]),
        status="diverged",
        reason=f"the loss was not finite at step {step} (epoch 2)",
    )


def synthetic(case: Case, rate: float) -> Record:
    """Speed only."""
    task = TrainingTask(dataset="synthetic", recipe=QUICK)
    return planted_records.record(structs.replace(case, task=task), *_speed(rate, QUICK.epochs))


def _speed(rate: float, epochs: int) -> list[Measurement]:
    seconds = IMAGES / rate
    return [
        planted_records.fact("model", "parameters", 50_000, "count"),
        curve("step_rate", "image/s", [1.25 * rate] * epochs),
        curve("loop_rate", "image/s", [rate] * epochs),
        curve("loop_time", "s", [seconds] * epochs),
        curve("training_time", "s", [seconds * epochs]),
        curve("skipped_steps", "count", [0]),
        curve("peak_resident", "bytes", [64 * 2**20]),
    ]


def example() -> list[Record]:
    """A small run of everything that a report says of training."""
    lenet = structs.replace(VGG, model="lenet5", image=28)
    bf16 = structs.replace(VGG, precision="amp-bf16")
    fp16 = structs.replace(VGG, precision="amp-fp16")
    compiled = structs.replace(bf16, engine="compile")
    textbook = structs.replace(VGG, task=structs.replace(DIGITS, recipe=TEXTBOOK, target=None))
    fashion = structs.replace(VGG, task=structs.replace(DIGITS, dataset="fashion-mnist", target=None))
    return [
        *seeds(lenet, (0.931, 0.936, 0.925), rate=4000.0),
        *seeds(VGG, (0.972, 0.969, 0.975), rate=100.0),
        *seeds(bf16, (0.971, 0.970, 0.975), rate=180.0),
        *seeds(compiled, (0.950, 0.951, 0.953), rate=240.0),
        *seeds(fp16, (0.89,), rate=160.0),
        diverged(fp16, 2),
        diverged(fp16, 3, step=41),
        *(learned(textbook, [0.1 + 0.001 * n for n in range(30)], number=n) for n in (1, 2)),
        *seeds(fashion, (0.912,), rate=110.0),
        synthetic(VGG, 120.0),
    ]
