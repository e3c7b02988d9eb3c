"""What `extra_info` says of the device: its own time beside the wall's, its clocks, and its peak."""

from __future__ import annotations

from typing import Any

import msgspec

from bench import devices
from bench.contracts.device import Device
from bench.host.cpu_cores import core_flops, usable_cores
from bench.pytest_plugin.ready_step import ReadyStep
from bench.schema.case import Case
from bench.schema.phases import Phase
from bench.schema.record import find
from bench.stats.diagnostics import corrected_interval
from bench.stats.estimates import median
from bench.timing.latency import Latency
from reports.analysis.datasheet import datasheet_of
from reports.analysis.measured_ceilings import arithmetic_dtype
from reports.summary.figures import ReadBack

_TERA = 1e12
_OF_GPU = ("name", "uuid", "driver", "power_limit_watts", "locked_clocks_mhz")
"""What is told of a GPU for each case: clocks and caps may change while a session goes on."""


def by_other_clocks(taken: Latency, phase: Phase) -> dict[str, Any]:
    """The time by the device's own events, and that of the host; empty where there is no queue.

    They come from windows of their own: in that of the wall time nothing but the wall's clock is read.
    """
    found: dict[str, Any] = {}
    for metric in ("device_time", "host_time"):
        times = find(taken.measurements, phase, metric)
        if times is not None:
            found[metric] = median(times.samples)
            interval = corrected_interval(times.samples)
            found[f"{metric}_interval"] = (interval.low, interval.high) if interval else None
    return found


def in_the_window(taken: Latency) -> dict[str, float]:
    """Clocks, power, temperature and what held them down, in the window of the wall time."""
    return {
        each.metric: sample
        for each in taken.measurements
        if each.phase == "window"
        for sample, window in zip(each.samples, each.windows, strict=False)
        if window == "wall_time"
    }


def gpu_of(device: Device) -> dict[str, Any]:
    """Which GPU it was and how it was set; empty of a processor."""
    gpu = device.accelerator()
    known = {} if gpu is None else msgspec.to_builtins(gpu)
    return {name: known[name] for name in _OF_GPU if known.get(name) is not None}


def peak_of(ready: ReadyStep) -> dict[str, Any]:
    """As `peak_in`, of a step in this process."""
    return peak_in(ready.case, ready.device, ReadBack(precision=tuple(sorted(ready.read_back().items()))))


def peak_in(case: Case, device: Device, effective: ReadBack) -> dict[str, Any]:
    """FLOP/s that the device could reach in the arithmetic of the case, and who says so.

    Of a GPU the datasheet's dense rate; of a processor what the kernel says of its vectors and its clock, in
    fp32. Empty where neither is known.
    """
    if devices.traits(case.device).is_host:
        return _peak(_nominal(case), "nominal")
    gpu = device.accelerator()
    sheet = datasheet_of(gpu.name) if gpu and devices.traits(case.device).has_datasheet else None
    dtype = arithmetic_dtype(case, effective)
    tera = sheet.teraflops(dtype) if sheet and dtype else None
    return _peak(None if tera is None else tera * _TERA, "datasheet")


def _peak(rate: float | None, source: str) -> dict[str, Any]:
    return {} if rate is None else {"peak_flops_per_second": rate, "peak_source": source}


def _nominal(case: Case) -> float | None:
    return core_flops() * min(case.threads, usable_cores()) if case.precision == "fp32" else None
