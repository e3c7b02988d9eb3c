"""Ceilings: how fast this machine was seen to multiply and to copy, and which of them a case stands under."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, structs

from bench import devices
from bench.schema.case import ARITHMETIC, Case
from bench.schema.ceiling_product import Product
from bench.stats.estimates import Interval
from reports.summary.figures import Figure, ReadBack, Summary
from reports.summary.subjects import by_product

CLOCKS = ("device_time", "wall_time")
"""By which clock a product is judged: the device's own, where it has one."""
ARITHMETIC_RATE = "flops_per_second"
BANDWIDTH = "bytes_per_second"
RATES = {"flops": (ARITHMETIC_RATE, "FLOP/s"), "bytes_moved": (BANDWIDTH, "byte/s")}
"""By what a product has to do: the metric and the unit of how fast it went."""


class Rate(Struct, frozen=True, kw_only=True):
    """How fast a product went: FLOP/s or byte/s.

    what       the product
    interval   of `per_second`, None where its time has none
    processes  that measured it
    """

    per_second: float
    what: Product
    interval: Interval | None
    processes: int


class Ceilings(Struct, frozen=True):
    """The rates of all products that were measured; asked by where a network was measured.

    `machine` is that of a figure: a product counts where both have an environment in common. Threads count
    on a CPU alone.
    """

    rates: tuple[Figure, ...]

    def arithmetic(self, machine: tuple[str, ...], device: str, dtype: str, threads: int) -> Rate | None:
        """FLOP/s of the best matrix product or convolution in a dtype (`fp32`, `tf32`, `bf16`, `fp16`)."""
        here = self._at(machine, device, threads, ARITHMETIC_RATE)
        return _rate(best([figure for figure in here if figure.case.precision == dtype]))

    def bandwidth(self, machine: tuple[str, ...], device: str, threads: int) -> Rate | None:
        """Bytes read and written per second by the best copy."""
        return _rate(best(self._at(machine, device, threads, BANDWIDTH)))

    def _at(self, machine: tuple[str, ...], device: str, threads: int, metric: str) -> list[Figure]:
        return [
            figure
            for figure in self.rates
            if figure.metric == metric
            and figure.case.device == device
            and (figure.case.threads == threads or not devices.traits(device).is_host)
            and not set(figure.machine).isdisjoint(machine)
        ]


def ceilings_of(summary: Summary) -> Ceilings:
    """What the ceiling cases of these runs found."""
    products = by_product([figure for figure in summary.figures if is_ceiling(figure)])
    rates = (_product_rate(figures) for figures in products.values())
    return Ceilings(tuple(rate for rate in rates if rate is not None))


def is_ceiling(figure: Figure) -> bool:
    """Whether it is of a product, and so of no network."""
    return figure.case.workload == "ceiling"


def best(rates: Sequence[Figure]) -> Figure | None:
    """The highest of rates in one unit; None of none."""
    return max(rates, key=lambda figure: figure.median, default=None)


def _rate(figure: Figure | None) -> Rate | None:
    if figure is None or figure.product is None:
        return None
    return Rate(
        per_second=figure.median,
        what=figure.product,
        interval=figure.interval,
        processes=len(figure.medians),
    )


def _product_rate(figures: Mapping[str, Figure]) -> Figure | None:
    """How fast a product went; None without work or time."""
    time = next((figures[clock] for clock in CLOCKS if clock in figures), None)
    work = next((figures[metric] for metric in RATES if metric in figures), None)
    if time is None or work is None or min(time.medians) <= 0:
        return None
    metric, unit = RATES[work.metric]
    return structs.replace(
        time,
        metric=metric,
        unit=unit,
        median=work.median / time.median,
        medians=tuple(work.median / median for median in time.medians),
        interval=_inverse(work.median, time.interval),
    )


def _inverse(work: float, interval: Interval | None) -> Interval | None:
    """The interval of work over time, from the time's."""
    if interval is None or interval.low <= 0:
        return None
    return structs.replace(interval, low=work / interval.high, high=work / interval.low)


_OUTPUT_OF = {"conv": "conv_output", "matmul": "linear_output"}
"""The flag that says how fp32 tensors are multiplied -> the dtype of what came out."""
_HALVES = {"bfloat16": "bf16", "float16": "fp16"}
_FP32_BY = {"ieee": "fp32", "tf32": "tf32", "bf16": "bf16"}


def arithmetic_dtype(case: Case, effective: ReadBack) -> str | None:
    """The dtype that did a case's arithmetic, as read back: `fp32`, `tf32`, `bf16` or `fp16`.

    None where convolutions and linear layers differ in it. Of a network without either layer, and so
    without an output to read, it is what the precision asks for.
    """
    found = dict(effective.precision)
    seen = {
        _HALVES.get(found[output]) if found[output] != "float32" else _FP32_BY.get(found.get(flag, "ieee"))
        for flag, output in _OUTPUT_OF.items()
        if output in found
    }
    if not seen:
        return ARITHMETIC[case.precision]
    return seen.pop() if len(seen) == 1 else None
