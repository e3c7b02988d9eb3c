"""What is measured (Case) and how carefully (Protocol): frozen, canonical, with a stable id."""

from __future__ import annotations

import hashlib
import re
from typing import Literal

from msgspec import Struct, structs

from bench.schema.training_task import TrainingTask

ARITHMETIC: dict[Precision, Precision] = {
    "fp32": "fp32",
    "tf32": "tf32",
    "amp-bf16": "bf16",
    "amp-fp16": "fp16",
    "bf16": "bf16",
    "fp16": "fp16",
}
"""In which precision convolutions and linear layers multiply; its ceiling is theirs, whatever the weights."""

Workload = Literal["inference", "training", "accuracy", "ceiling"]
Precision = Literal["fp32", "tf32", "amp-bf16", "amp-fp16", "bf16", "fp16"]
Layout = Literal["nchw", "channels-last"]

Caches = Literal["warm", "cold L2"]
"""What a timed step finds: in the L2 (of a CPU the last cache) what the steps before left, or nothing of it.
The allocator's cache is warm either way."""

TIMED: tuple[Workload, ...] = ("inference", "training")
"""The workloads whose steps are timed; `accuracy` is a training run, `ceiling` what a machine can do."""
PRECISIONS: tuple[Precision, ...] = ("fp32", "tf32", "amp-bf16", "amp-fp16", "bf16", "fp16")
LAYOUTS: tuple[Layout, ...] = ("nchw", "channels-last")


class Case(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing to measure, once, in one process.

    `model` is a name of the catalogue; `image` is the side of a square input in pixels; `threads` are
    the CPU threads of torch; `replicate` counts from 1 and is the process's number. A training run
    (workload `accuracy`) has a `task`, and its replicates differ in their seed: `learning_seed`.
    `tuning` names what else was switched on, `fused-optimizer+freezing`: names of `bench.schema.tuning`,
    sorted.
    `input` is the shape of one input that is no square image, `3x64x80`, without the batch: `image` then
    means nothing, and `channels` is the first of its sizes. It is "" for a square image.
    `ranks` are the processes that one job is spread over, by `strategy`, a name of `bench.strategies`; it is
    "" for a job of one process. `batch` is then the batch of the whole job, and `threads` those of each rank.
    """

    model: str
    workload: Workload = "inference"
    device: str = "cpu"
    precision: Precision = "fp32"
    engine: str = "eager"
    layout: Layout = "nchw"
    batch: int = 1
    image: int = 224
    channels: int = 3
    classes: int = 1000
    threads: int = 1
    seed: int = 0
    replicate: int = 1
    task: TrainingTask | None = None
    tuning: str = ""
    input: str = ""
    ranks: int = 1
    strategy: str = ""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one input, without the batch."""
        return shape_of(self.input) if self.input else (self.channels, self.image, self.image)

    @property
    def learning_seed(self) -> int:
        """The seed of a training run's weights, order and augmentation: another one for each replicate."""
        return self.seed + self.replicate - 1

    @property
    def id(self) -> str:
        """Readable and stable: the axes in order, then what is not 224 pixels, 3 channels, 1000 classes."""
        parts = [
            self.model,
            self.workload,
            self.device,
            self.precision,
            self.engine,
            self.layout,
            f"b{self.batch}",
            f"t{self.threads}",
        ]
        square = (("i", self.image, 224), ("c", self.channels, 3))
        for letter, value, usual in (
            *((("i", self.input, ""),) if self.input else square),
            ("k", self.classes, 1000),
            ("s", self.seed, 0),
        ):
            if value != usual:
                parts.append(f"{letter}{value}")
        if self.tuning:
            parts.append(self.tuning)
        if self.strategy or self.ranks != 1:
            parts.append(f"x{self.ranks}-{self.strategy}")
        if self.task is not None:
            parts += _task_parts(self.task)
        return "/".join(parts)

    @property
    def file_name(self) -> str:
        """A name for this case's files that no model name can make leave its folder."""
        key = f"{self.id}/r{self.replicate}"
        readable = re.sub(r"[^A-Za-z0-9-]+", "_", key).strip("_")[:120]
        return f"{readable}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"

    @property
    def inputs(self) -> tuple[object, ...]:
        """What decides which network is built: for another image a factory may well build another one."""
        return self.model, self.input, self.image, self.channels, self.classes

    def without_replicate(self) -> Case:
        """The same work whatever the process: replicates of one case are equal under this."""
        return structs.replace(self, replicate=0)


def shape_of(text: str) -> tuple[int, ...]:
    """`3x64x80` as numbers."""
    return tuple(map(int, text.split("x")))


def _task_parts(task: TrainingTask) -> list[str]:
    parts = [task.dataset, task.recipe.name]
    if task.target is not None:
        parts.append(f"to-{task.target:g}")
    return parts + (["deterministic"] if task.deterministic else [])


class MeasurementProtocol(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How carefully a case is measured: the numbers of docs/method.md, "Warm-up" and "Sampling"."""

    warmup_steps: int = 3
    """Warm-up ends when at least this many steps ..."""
    warmup_seconds: float = 1.0
    """... and this many seconds have passed, and two successive windows agree ..."""
    warmup_limit_seconds: float = 20.0
    """... or here, and then the record says `not-stationary`."""
    target_ci: float = 0.01
    """Sampling stops when the median's 95% interval is at most this wide on either side (relative)."""
    min_samples: int = 20
    """Stopping earlier moved medians by up to 5%. On a GPU fewer do, where steps are too long for so many."""
    max_samples: int = 2000
    """A pass's raw samples stay a few kilobytes. 0: nothing is timed."""
    sampling_seconds: float = 10.0
    """A pass stops here once it holds `min_samples`, target reached or not."""
    energy_seconds: float = 10.0
    """Energy is counted over at least this, from one tick of its counter to another; 0 leaves it out."""
    time_limit_seconds: float = 600.0
    """The whole child, from launch to record; past it the case is a `timeout`."""
    give_up_seconds: float | None = None
    """A pass also stops where the whole step is surely slower than this: a search has a better one then."""
    fewest_samples: int | None = None
    """Where given, slow steps need fewer than `min_samples`, though never fewer than these: other processes
    then tell more than samples do. None: `min_samples`, however long a step takes."""
    flush_l2: bool = False
    """The L2 (of a CPU the last cache) is written over before each sample, which is then one step."""

    @property
    def caches(self) -> Caches:
        """What a timed step finds."""
        return "cold L2" if self.flush_l2 else "warm"
