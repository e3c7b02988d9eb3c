"""What happened to the machine while a window was measured, and when the window is taken again; no torch.

A window is one pass of one timer: all its samples were taken under the same conditions, or it is spoiled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from msgspec import structs

from bench.contracts.monitor import AT_REST, Monitor, WindowReadings, Work
from bench.schema.case_warnings import CaseWarning, Label, in_words
from bench.schema.record import Measurement
from bench.timing.sampling import Clock, Samples

MOST_RETAKES = 2
"""Of an unusable window. One that is merely labelled is taken again once: where neighbours steal all the
time, more would only cost time."""


@dataclass(frozen=True)
class Window:
    """Samples, what the monitor saw meanwhile, and why the workload refuses them (a sentence or None)."""

    samples: Samples
    readings: WindowReadings
    refused: str | None

    @property
    def fault(self) -> str | None:
        """Why no figure may come from this window."""
        return self.refused or (None if self.readings.usable else self.disturbance)

    @property
    def disturbance(self) -> str | None:
        """Why the window was not a quiet one, in words."""
        return in_words(self.readings.disturbed) if self.readings.disturbed else None


def take(
    sample: Callable[[], Samples],
    check: Callable[[], str | None],
    monitor: Monitor,
    clock: Clock,
    deadline: float,
    work: Work = AT_REST,
    *,
    by_host: bool = True,
) -> tuple[Window, list[Window]]:
    """The window to use, and the spoiled ones beside it (raw samples are never dropped).

    A spoiled window is taken again, while as long a one would end before `deadline` (by `clock`, s). The
    device does `work` after a window's last sample, while the monitor reads how it is at work. A window that
    is not timed `by_host` is labelled for what slows only the host, and not taken again.
    """
    most_labelled = 1 if by_host else 0
    windows: list[Window] = []
    while True:
        start = clock()
        monitor.before()
        samples = sample()
        monitor.end()
        refused = check()
        readings = monitor.after(work)
        work.end()
        windows.append(Window(samples, readings, refused))
        most = most_labelled if readings.usable else MOST_RETAKES
        if readings.disturbed is None or len(windows) > most or 2 * clock() - start > deadline:
            break
    # The last of the best: a window that is merely labelled is better than one that must not be used.
    used = min(reversed(windows), key=lambda w: (w.fault is not None, w.readings.disturbed is not None))
    return used, [window for window in windows if window is not used]


def window_measurements(windows: Mapping[str, WindowReadings], retakes: int) -> list[Measurement]:
    """One measurement for each metric, with one sample for each window that has it; and the retakes."""
    series: dict[str, Measurement] = {}
    for name, readings in windows.items():
        for seen in readings.measurements:
            so_far = series.setdefault(seen.metric, structs.replace(seen, samples=[], windows=[]))
            so_far.samples.extend(seen.samples)
            so_far.windows.append(name)
    counted = Measurement(phase="window", metric="retakes", unit="count", samples=[float(retakes)])
    return [*series.values(), counted]


def merge_labels(windows: Mapping[str, WindowReadings]) -> list[CaseWarning]:
    """Each label once, in the words of its first window, with the names of all windows that have it."""
    details: dict[Label, str] = {}
    names: dict[Label, list[str]] = {}
    for name, readings in windows.items():
        for warning in readings.labels:
            details.setdefault(warning.label, warning.detail)
            names.setdefault(warning.label, []).append(name)
    return [CaseWarning(label, f"{detail} ({', '.join(names[label])})") for label, detail in details.items()]
