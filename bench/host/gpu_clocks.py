"""The GPU's clocks, power, temperature and slowdowns in a window, from NVML at both its ends.

Nothing is asked in between: the driver itself counts how long a reason held the clocks down.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from bench.contracts.monitor import WindowReadings
from bench.host import nvml
from bench.host.nvml import POWER_CAP, SLOWDOWNS, THERMAL, GpuState, Nvml, UnreadableError
from bench.schema.case_warnings import CaseWarning
from bench.schema.record import Measurement

MOST_HELD = 0.01
"""Above this share of its time under a reason a window counts as held down, as with stolen time."""

_FIGURES = {
    "sm_clock_mhz": ("sm_clock", "MHz"),
    "memory_clock_mhz": ("memory_clock", "MHz"),
    "power_watts": ("power", "W"),
    "temperature_celsius": ("temperature", "Celsius"),
}
"""What is recorded as it is at the window's end, when the GPU has just stopped working."""

_SHARES = {POWER_CAP: "software_power_cap_share", THERMAL: "thermal_slowdown_share"}
"""The metric of each reason that the driver counts."""


class ClockMonitor:
    """Watches the GPU that torch gives this UUID; `clock` is the host's, in seconds.

    A hardware or thermal slowdown makes a window unusable, a software power cap is a label. What NVML
    cannot say, be it everything, is a label once, and never makes a measurement fail.
    """

    def __init__(
        self, open_nvml: Callable[[], Nvml], uuid: str, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._clock = clock
        self._read = _reader(open_nvml, uuid)
        self._named: set[str] = set()
        self.before()

    def before(self) -> None:
        self._start, self._first = self._clock(), self._read()

    def after(self) -> WindowReadings:
        last = self._read()
        shares = _shares(self._first, last, self._clock() - self._start)
        held = {name for name, share in shares.items() if share > MOST_HELD}
        for moment in (self._first, last):
            held.update(nvml.reasons(moment.event_reasons or 0))
        slowed = ", ".join(sorted(held & SLOWDOWNS))
        slowdown = CaseWarning("slowdown", f"the GPU lowered its clocks ({slowed})") if slowed else None
        labels = [slowdown] if slowdown else []
        if POWER_CAP in held:
            labels.append(CaseWarning("power-cap", "the GPU ran at its power limit"))
        return WindowReadings(
            measurements=tuple(_figures(last) + _share_figures(shares)),
            labels=(*labels, *self._unmonitored(last)),
            disturbed=slowdown,
            usable=slowdown is None,
        )

    def _unmonitored(self, moment: GpuState) -> list[CaseWarning]:
        """What this moment lacks and was not named before, by reason."""
        fresh: dict[str, list[str]] = {}
        for reading, reason in moment.absent.items():
            if reading not in self._named:
                fresh.setdefault(reason, []).append(reading.replace("_", " "))
        self._named.update(moment.absent)
        return [
            CaseWarning("unmonitored", f"NVML does not say {', '.join(readings)}: {reason}")
            for reason, readings in fresh.items()
        ]


def _reader(open_nvml: Callable[[], Nvml], uuid: str) -> Callable[[], GpuState]:
    try:
        gpu = nvml.by_torch_uuid(open_nvml(), uuid)
    except UnreadableError as error:
        absent = nvml.nothing(str(error))
        return lambda: absent
    return lambda: nvml.state(gpu)


def _figures(moment: GpuState) -> list[Measurement]:
    values = [(figure, getattr(moment, reading)) for reading, figure in _FIGURES.items()]
    return [_measured(metric, unit, value) for (metric, unit), value in values if value is not None]


def _shares(first: GpuState, last: GpuState, seconds: float) -> dict[str, float]:
    """The share of the window under each reason that the driver counts; empty where it does not."""
    before, after = first.reason_nanoseconds, last.reason_nanoseconds
    if before is None or after is None:
        return {}
    return {name: (after[name] - before[name]) / 1e9 / seconds for name in after.keys() & before.keys()}


def _share_figures(shares: dict[str, float]) -> list[Measurement]:
    return [_measured(_SHARES[name], "1", share) for name, share in sorted(shares.items())]


def _measured(metric: str, unit: str, value: float) -> Measurement:
    return Measurement(phase="window", metric=metric, unit=unit, samples=[float(value)])
