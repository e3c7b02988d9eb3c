"""The GPU's clocks in the window of one of a record's times, as they were read at work."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from bench.schema.record import Measurement


class WindowClocks(Struct, frozen=True):
    """Of one window: the SM clock and that of the memory (MHz), and the share of its readings that were under
    a power cap. What was not read is None."""

    sm_mhz: float
    memory_mhz: float | None = None
    power_cap: float | None = None


def window_clocks(measurements: Iterable[Measurement], metric: str) -> WindowClocks | None:
    """Of the window of a clock (`wall_time`); None where its SM clock was not read while the GPU worked."""
    seen = {m.metric: _of_window(m, metric) for m in measurements if m.phase == "window"}
    sm_mhz = seen.get("sm_clock")
    if not sm_mhz:
        return None
    return WindowClocks(sm_mhz, seen.get("memory_clock"), seen.get("power_cap_at_work"))


def _of_window(measurement: Measurement, metric: str) -> float | None:
    """None in records that do not say whose windows the samples are: their GPU was read at rest."""
    found = dict(zip(measurement.windows, measurement.samples, strict=False))
    return found.get(metric)
