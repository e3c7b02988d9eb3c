"""Ceilings: how fast this machine was seen to multiply and to copy, and which of them a case stands under."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from bench.case import Case
from bench.ceilings.cases import ARITHMETIC
from bench.stats import Interval
from reports.axes import Subject
from reports.figures import Effective, Figure, Summary
from reports.latency import Figures, by_subject

CLOCKS = ("device_time", "wall_time")
"""By which clock a product is judged: the device's own, where it has one."""
WORK = ("flops", "bytes_moved")
"""What a product does: its arithmetic, or its traffic."""


class Rate(Struct, frozen=True, kw_only=True):
    """How fast a product went: FLOP/s or byte/s.

    what       the product's name
    interval   of `per_second`, None where its time has none
    processes  that measured it
    """

    per_second: float
    what: str
    interval: Interval | None
    processes: int


class Measured(Struct, frozen=True, kw_only=True):
    """One product on one machine; `subject` is the case that holds it, `time` the figure behind the rate."""

    subject: Subject
    work: str
    rate: Rate
    time: Figure


class Ceilings(Struct, frozen=True):
    """All products that were measured; asked by what a network was measured on.

    `machine` is that of a figure: a product counts where both have an environment in common. Threads count
    on a CPU alone.
    """

    products: tuple[Measured, ...]

    def arithmetic(self, machine: tuple[str, ...], device: str, dtype: str, threads: int) -> Rate | None:
        """FLOP/s of the best matrix product or convolution in a dtype (`fp32`, `tf32`, `bf16`, `fp16`)."""
        here = self._on(machine, device, threads)
        return best(p for p in here if p.work == "flops" and p.subject.case.precision == dtype)

    def bandwidth(self, machine: tuple[str, ...], device: str, threads: int) -> Rate | None:
        """Bytes read and written per second by the best copy."""
        return best(p for p in self._on(machine, device, threads) if p.work == "bytes_moved")

    def _on(self, machine: tuple[str, ...], device: str, threads: int) -> list[Measured]:
        return [
            product
            for product in self.products
            if product.subject.case.device == device
            and (device != "cpu" or product.subject.case.threads == threads)
            and not set(product.subject.machine).isdisjoint(machine)
        ]


def best(products: Iterable[Measured]) -> Rate | None:
    """The highest rate; None of none."""
    return max((p.rate for p in products), key=lambda rate: rate.per_second, default=None)


def ceilings_of(summary: Summary) -> Ceilings:
    """What the ceiling cases among these figures found."""
    found: list[Measured] = []
    for subject, figures in by_subject(ceiling_figures(summary)).items():
        for phase in dict.fromkeys(phase for phase, _ in figures):
            found += _product(subject, phase, figures)
    return Ceilings(tuple(found))


def ceiling_figures(summary: Summary) -> list[Figure]:
    """The figures of products, which are those of no network."""
    return [figure for figure in summary.figures if figure.case.workload == "ceiling"]


def _product(subject: Subject, phase: str, figures: Figures) -> Sequence[Measured]:
    """The product that a phase is; none for a phase without work or time."""
    time = next((figures[phase, clock] for clock in CLOCKS if (phase, clock) in figures), None)
    work = next((metric for metric in WORK if (phase, metric) in figures), None)
    if time is None or work is None or time.median <= 0:
        return ()
    done = figures[phase, work].median
    rate = Rate(
        per_second=done / time.median,
        what=phase,
        interval=_inverse(done, time.interval),
        processes=len(time.medians),
    )
    return (Measured(subject=subject, work=work, rate=rate, time=time),)


def _inverse(done: float, interval: Interval | None) -> Interval | None:
    """The interval of `done` over a time, from the time's."""
    if interval is None or interval.low <= 0:
        return None
    return Interval(done / interval.high, done / interval.low, interval.kind, interval.level)


_OUTPUT_OF = {"conv": "conv_output", "matmul": "linear_output"}
"""The flag that says how fp32 tensors are multiplied -> the dtype of what came out."""
_HALVES = {"bfloat16": "bf16", "float16": "fp16"}
_FP32_BY = {"ieee": "fp32", "tf32": "tf32", "bf16": "bf16"}


def arithmetic_dtype(case: Case, effective: Effective) -> str | None:
    """The dtype that did a case's arithmetic, as read back: `fp32`, `tf32`, `bf16` or `fp16`.

    None where convolutions and linear layers differ in it. Of a network without either layer, and so
    without an output to read, it is what the precision asks for.
    """
    found = dict(effective)
    seen = {
        _HALVES.get(found[output]) or _FP32_BY.get(found.get(flag, "ieee"))
        for flag, output in _OUTPUT_OF.items()
        if output in found
    }
    if not seen:
        return ARITHMETIC[case.precision]
    return seen.pop() if len(seen) == 1 else None
