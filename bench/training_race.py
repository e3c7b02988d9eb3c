"""Training loops that take turns: the textbook's plain one and ours, for the same steps on the same images.

bench/test_training.py runs the race as a benchmark.
"""

from __future__ import annotations

import contextlib
import math
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bench import datasets
from bench.contracts.device import Device, Scale
from bench.host import cpu_cores
from bench.pytest_plugin.torch_settings import torch_unchanged
from bench.schema.case import LAYOUTS, Case, Precision
from bench.schema.training_task import Recipe, TrainingTask
from bench.stats import estimates

if TYPE_CHECKING:
    from bench.child.training.learner import Learner
    from bench.contracts.dataset import Images, Split
    from bench.plain_training import Lap

DATA_DIR = os.environ.get("CONVBENCH_DATA")

PLAIN = "plain"
PRECISIONS: tuple[Precision, ...] = ("fp32", "amp-bf16", "bf16")
OURS = {f"{precision}-{layout}": (precision, layout) for precision in PRECISIONS for layout in LAYOUTS}


@dataclass(frozen=True)
class Course:
    """How far every loop goes with which network: laps, the first of them a warm-up, of so many steps."""

    model: str
    image: int
    laps: int
    steps: int
    batch: int
    test_images: int


COURSES: Mapping[Scale, Course] = {
    "small": Course("alexnet-96", 224, laps=9, steps=12, batch=32, test_images=360),
    "large": Course("alexnet-96", 224, laps=9, steps=50, batch=128, test_images=10_000),
}
SMALL = Course("lenet5", 28, laps=2, steps=1, batch=2, test_images=4)
"""For a plain `pytest`: AlexNet's 47 million weights alone would take it a minute."""


def chosen(course: Course, images: int) -> list[list[int]]:
    """The training images of each lap, out of so many: every image once before any comes again."""
    rng = random.Random(0)
    size = course.steps * course.batch
    order: list[int] = []
    while len(order) < course.laps * size:
        order += rng.sample(range(images), images)
    return [order[lap * size : (lap + 1) * size] for lap in range(course.laps)]


def case_of(loop: str, device: str, course: Course) -> Case:
    """What a loop trains, and how."""
    precision, layout = OURS.get(loop, OURS["fp32-nchw"])
    recipe = Recipe(
        name="few steps",
        epochs=course.laps,
        lr=0.005,
        momentum=0.9,
        warmup_epochs=course.laps / 3,  # without it the same steps teach one precision and not another
        schedule="cosine",
        init="he",
        normalise=True,
    )
    return Case(
        model=course.model,
        workload="accuracy",
        device=device,
        precision=precision,
        layout=layout,
        batch=course.batch,
        image=course.image,
        channels=1,
        classes=10,
        threads=cpu_cores.usable_cores(),
        task=TrainingTask(dataset="digits" if DATA_DIR is None else "fashion-mnist", recipe=recipe),
    )


class Loop(Protocol):
    """One network in training: `bench.plain_training.PlainLoop`, or Ours."""

    def lap(self, number: int, indices: Sequence[int]) -> Lap: ...

    def accuracy(self) -> float: ...


class Ours:
    """The Learner. Each lap is an epoch of one that goes on where the last one's stopped."""

    def __init__(self, case: Case, device: Device, split: Split) -> None:
        import torch

        from bench.tensors import memory_format, weight_dtype
        from models.load import load

        assert case.task is not None
        self._case, self._device, self._split = case, device, split
        torch.manual_seed(case.learning_seed)
        network = load(
            case.model,
            channels=case.channels,
            image=case.image,
            classes=case.classes,
            init=case.task.recipe.init,
            device=device.torch_name(),
        )
        self.module = network.module.to(weight_dtype(case.precision)).to(memory_format=memory_format(case))
        self._state: dict[str, Any] | None = None

    def lap(self, number: int, indices: Sequence[int]) -> Lap:
        from bench.contracts.dataset import Images
        from bench.plain_training import Lap

        train, test = self._split.train, self._split.test
        learner = self._learner(
            Images(train.images[indices], train.labels[indices]),
            Images(test.images[:1], test.labels[:1]),  # the accuracy is asked for in the end
        )
        with self._prepared():
            epoch = learner.epoch(number, lambda step, steps: None, lambda: None)
        self._state = learner.state()
        return Lap(epoch.images, epoch.loop_seconds, epoch.loop_seconds - epoch.step_seconds)

    def accuracy(self) -> float:
        test = self._split.test
        with self._prepared():
            return self._learner(test, test).train_accuracy(len(test.labels))

    def _learner(self, train: Images, test: Images) -> Learner:
        from bench.child.training.learner import Learner
        from bench.contracts.dataset import Split

        assert self._case.task is not None
        dataset = datasets.get(self._case.task.dataset)
        learner = Learner(self._case, self._device, self.module, self.module, dataset, Split(train, test))
        if self._state is not None:
            learner.resume(self._state)
        return learner

    @contextlib.contextmanager
    def _prepared(self) -> Iterator[None]:
        """The case's flags, and after it torch's own again: in those the plain loop runs."""
        with torch_unchanged(self._case):
            self._device.prepare(self._case)
            yield


@dataclass(frozen=True)
class Result:
    """What one loop did: its laps without the warm-up, and the test accuracy in the end."""

    case: Case
    laps: tuple[Lap, ...]
    accuracy: float

    @property
    def images_per_second(self) -> float:
        return sum(lap.images for lap in self.laps) / math.fsum(lap.seconds for lap in self.laps)

    @property
    def loading_share(self) -> float:
        """Of the time: without a batch to learn from."""
        return math.fsum(lap.loading_seconds for lap in self.laps) / math.fsum(
            lap.seconds for lap in self.laps
        )


def times_as_fast(own: Result, plain: Result) -> estimates.Ratio:
    """The plain loop's seconds over its own, lap by lap, with the interval that this one process gives."""
    shift = estimates.mean_shift(
        [math.log(base.seconds / lap.seconds) for lap, base in zip(own.laps, plain.laps, strict=True)]
    )
    low, high = shift.around(estimates.LEVEL)
    return estimates.Ratio(shift.ratio, estimates.Interval(low, high, "within-process"))


def race(loops: Mapping[str, Loop], laps: Sequence[Sequence[int]]) -> dict[str, list[Lap]]:
    """All laps of all loops, lap 1 of every loop before lap 2 of any."""
    taken: dict[str, list[Lap]] = {name: [] for name in loops}
    for number, indices in enumerate(laps, start=1):
        for name in random.Random(number).sample(list(loops), len(loops)):
            taken[name].append(loops[name].lap(number, indices))
    return taken


def run_all(cases: Mapping[str, Case], device: Device, course: Course) -> dict[str, Result]:
    """What each loop did, PLAIN among them; without each loop's first lap."""
    import torch

    from bench.contracts.dataset import Images, Split
    from bench.plain_training import PlainLoop

    plain = cases[PLAIN]
    assert plain.task is not None
    torch.set_num_threads(plain.threads)
    split = datasets.get(plain.task.dataset).load(None if DATA_DIR is None else Path(DATA_DIR))
    test = Images(split.test.images[: course.test_images], split.test.labels[: course.test_images])
    split = Split(split.train, test)
    loops: dict[str, Loop] = {
        name: Ours(case, device, split) for name, case in cases.items() if name != PLAIN
    }
    loops[PLAIN] = PlainLoop(plain, device.torch_name(), split, workers=plain.threads)
    taken = race(loops, chosen(course, len(split.train.labels)))
    return {
        name: Result(case, tuple(taken[name][1:]), loops[name].accuracy()) for name, case in cases.items()
    }
