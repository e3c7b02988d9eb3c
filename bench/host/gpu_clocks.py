"""The GPU's clocks, power, temperature and slowdowns in a window, from NVML at its ends and at work.

Nothing is asked in between: the driver itself counts how long a reason held the clocks down. It counts that
below the application clocks only, so the reasons in force while the GPU works are evidence too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from bench.contracts.monitor import WindowReadings, Work
from bench.host import nvml
from bench.host.nvml import POWER_CAP, READINGS, SLOWDOWNS, THERMAL, GpuState, Nvml, UnreadableError
from bench.schema.case_warnings import CaseWarning
from bench.schema.record import Measurement
from bench.stats.estimates import median

MOST_HELD = 0.01
"""Above this share of its time under a reason a window counts as held down, as with stolen time."""
_MOST_AT_WORK = 8
"""Readings while the GPU works: a share of them says how often a reason was in force."""

_FIGURES = {
    "sm_clock_mhz": ("sm_clock", "MHz"),
    "memory_clock_mhz": ("memory_clock", "MHz"),
    "power_watts": ("power", "W"),
    "temperature_celsius": ("temperature", "Celsius"),
}
_FALL_AT_REST = ("sm_clock", "memory_clock", "power")
"""What says nothing of the work once that has ended: it has another name where it was read then."""

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
        self._seconds, self._last = 0.0, self._first

    def end(self) -> None:
        self._last = self._read()
        self._seconds = self._clock() - self._start

    def after(self, work: Work) -> WindowReadings:
        last, at_work = self._last, self._at_work(work)
        shares = _shares(self._first, last, self._seconds)
        held = {name for name, share in shares.items() if share > MOST_HELD}
        for moment in (self._first, last, *at_work):
            held.update(nvml.reasons(moment.event_reasons or 0))
        slowed = ", ".join(sorted(held & SLOWDOWNS))
        slowdown = CaseWarning("slowdown", f"the GPU lowered its clocks ({slowed})") if slowed else None
        labels = [slowdown] if slowdown else []
        if POWER_CAP in held:
            labels.append(CaseWarning("power-cap", "the GPU ran at its power limit"))
        return WindowReadings(
            measurements=tuple(_figures(last, at_work) + _share_figures(shares)),
            labels=(*labels, *_at_rest(last, at_work), *self._unmonitored(last)),
            disturbed=slowdown,
            usable=slowdown is None,
        )

    def _at_work(self, work: Work) -> list[GpuState]:
        """Moments that ended before the work did; none where it can be given none, or nothing can be read."""
        found: list[GpuState] = []
        if _says_nothing(self._last):
            return found
        work.begin()
        while len(found) < _MOST_AT_WORK:
            moment = self._read()
            if not work.goes_on():
                break
            found.append(moment)
        return found

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


def _says_nothing(moment: GpuState) -> bool:
    return all(reading in moment.absent for reading in READINGS)


def _at_rest(last: GpuState, at_work: Sequence[GpuState]) -> list[CaseWarning]:
    if at_work or _says_nothing(last):
        return []
    return [
        CaseWarning("read-at-rest", "clocks and power were read after the work, when they may have fallen")
    ]


def _figures(last: GpuState, at_work: Sequence[GpuState]) -> list[Measurement]:
    """What was read, the middle of the readings at work; of a moment at rest under names that say so."""
    found = []
    for reading, (metric, unit) in _FIGURES.items():
        values = [getattr(moment, reading) for moment in at_work or (last,)]
        known = [value for value in values if value is not None]
        name = metric if at_work or metric not in _FALL_AT_REST else f"{metric}_at_rest"
        found += [_measured(name, unit, median(known))] if known else []
    bits = [moment.event_reasons for moment in at_work if moment.event_reasons is not None]
    if bits:
        capped = sum(POWER_CAP in nvml.reasons(each) for each in bits)
        found.append(_measured("power_cap_at_work", "1", capped / len(bits)))
    return found


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
