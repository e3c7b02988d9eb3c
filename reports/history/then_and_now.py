"""Measured latency and published tables of 2015 to 2017: the same network, batch size and work."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct, structs

from bench import devices
from bench.contracts.device import Scale
from bench.plan import expand
from bench.schema.case import Case, Precision
from bench.stats.estimates import Interval, Ratio, centre
from models import catalogue
from models.closed_form import cost
from reports.summary.figures import Figure, Summary
from reports.summary.moderated_figures import interval_like
from reports.summary.subjects import Figures, Subject, by_subject

OURS = {
    "alexnet-owt": "alexnet+dropout=0",
    "alexnet-grouped": "alexnet-grouped+dropout=0",
    "vgg-a": "vgg11+dropout=0",
    "vgg16": "vgg16+dropout=0",
    "vgg19": "vgg19+dropout=0",
}
"""Their names -> ours, without dropout, which most of their tables leave out."""
PRECISIONS_AT: Mapping[Scale, tuple[Precision, ...]] = {
    "small": ("fp32",),
    "large": ("fp32", "tf32", "amp-fp16", "amp-bf16"),
}
"""Of those that the device has; on a CPU the rest would take too long."""
LONG_STEP_FLOPS = 1.6e12
"""A training step of more than this takes a CPU half a minute: only GPUs measure it."""


PublishedPrecision = Literal["fp32", "fp16"]
_ALIKE: dict[PublishedPrecision, tuple[Precision, ...]] = {"fp32": ("fp32",), "fp16": ("fp16", "amp-fp16")}
"""Theirs -> ours: IEEE fp32, or half precision whose sums are in fp32."""

Work = tuple[str, int, int]
"""Their name of the model, the batch, the side of the image in pixels."""


class Published(Struct, frozen=True, kw_only=True):
    """A row of the file: who measured what, when and on which device, in milliseconds.

    `precision` is that of the tensors; the sums are fp32 either way.
    """

    source: str
    year: int
    model: str
    batch: int
    image: int
    device: str
    library: str
    forward_ms: float
    backward_ms: float | None
    total_ms: float
    precision: PublishedPrecision
    note: str

    @property
    def work(self) -> Work:
        return self.model, self.batch, self.image


class MeasuredToday(Struct, frozen=True, kw_only=True):
    """The same work measured: wall times in seconds, of each process.

    step   the whole step, whose scatter within and prior stand for those of its two phases together
    """

    subject: Subject
    forward: tuple[float, ...]
    backward: tuple[float, ...]
    step: Figure | None = None

    @property
    def totals(self) -> list[float]:
        """Forward and backward of each process."""
        return [sum(parts) for parts in zip(self.forward, self.backward, strict=True)]

    @property
    def total(self) -> float:
        return centre(self.totals)

    @property
    def name(self) -> str:
        """`amp-bf16` or `fp32, compile, channels-last`"""
        case = self.subject.case
        usual = {"eager", "nchw"}
        return ", ".join(
            [case.precision, *(each for each in (case.engine, case.layout) if each not in usual)]
        )

    @property
    def interval(self) -> Interval | None:
        """Of the total; None for one process."""
        return interval_like(self.step, self.totals)

    def speed_up(self, than: Published) -> Ratio:
        """The published time over ours."""
        found = self.interval
        seconds = than.total_ms / 1e3
        return Ratio(
            seconds / self.total,
            structs.replace(found, low=seconds / found.high, high=seconds / found.low) if found else None,
        )


@cache
def published() -> tuple[Published, ...]:
    """Every row of the file, in its order."""
    with Path(__file__).with_name("published_latencies.csv").open(newline="", encoding="utf-8") as lines:
        return tuple(
            msgspec.convert({key: value or None for key, value in row.items()}, Published, strict=False)
            for row in csv.DictReader(lines)
        )


def case_of(row: Published, device: str, precision: Precision, threads: int) -> Case:
    """The same work here."""
    model = OURS[row.model]
    own = catalogue.defaults(model)
    return Case(
        model=model,
        workload="training",
        device=device,
        precision=precision,
        batch=row.batch,
        image=row.image,
        channels=own.channels,
        classes=own.classes,
        threads=threads,
    )


def processes(device: str, threads: int, replicates: int) -> list[Case]:
    """The processes that measure it, shortest steps first; on a CPU without those that take too long."""
    traits = devices.traits(device)
    precisions = [each for each in PRECISIONS_AT[traits.scale] if each in traits.precisions]
    cases = [case_of(row, device, precision, threads) for row in published() for precision in precisions]
    once = [case for case in dict.fromkeys(cases) if not too_long(case)]
    rounds = expand.interleave_replicates(once, replicates)
    return sorted(rounds, key=lambda case: (case.replicate, step_flops(case)))


def too_long(case: Case) -> bool:
    return devices.traits(case.device).is_host and step_flops(case) > LONG_STEP_FLOPS


def step_flops(case: Case) -> int:
    """Of forward and backward for the batch."""
    arch = catalogue.arch_of(case.model)
    assert arch is not None
    total = cost(arch, channels=case.channels, image=case.image, classes=case.classes, batch=case.batch)
    return total.flops_forward + total.flops_backward


def measured(summary: Summary | None) -> dict[Work, list[MeasuredToday]]:
    """The runs' measurements of this work, by model, batch and image; fastest first."""
    works = {_input(case_of(row, devices.host().name, "fp32", 1)): row.work for row in published()}
    found: dict[Work, list[MeasuredToday]] = {}
    for subject, figures in by_subject(summary.figures if summary else ()).items():
        work = works.get(_input(subject.case))
        if work is not None:
            here = _here(subject, figures)
            if here is not None:
                found.setdefault(work, []).append(here)
    for several in found.values():
        several.sort(key=lambda here: here.total)
    return found


def _input(case: Case) -> tuple[str, str, int, int, int, int]:
    """What makes it the same work, whatever it runs on."""
    return case.model, case.workload, case.batch, case.image, case.channels, case.classes


def _here(subject: Subject, figures: Figures) -> MeasuredToday | None:
    """None where the phases were not timed separately."""
    forward, backward = (figures.get((phase, "wall_time")) for phase in ("forward", "backward"))
    if forward is None or backward is None:
        return None
    return MeasuredToday(
        subject=subject,
        forward=forward.medians,
        backward=backward.medians,
        step=figures.get(("step", "wall_time")),
    )


def same_precision(row: Published, here: MeasuredToday) -> bool:
    """IEEE fp32 on both sides, or half precision on both, whose sums are in fp32."""
    return here.subject.case.precision in _ALIKE[row.precision]
