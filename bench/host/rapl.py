"""The processor's energy by RAPL, as Linux shows it under /sys/class/powercap (Intel's, and AMD's too).

It counts whole packages: what other processes do is in it, and the memory's modules are not.
"""

from __future__ import annotations

from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
NO_POWER = "RAPL counts energy, and tells no power of an instant"


class RaplCounter:
    """Joules since the first reading, all packages together; the counters move about every millisecond.

    A counter that has reached its end begins again at 0, after minutes at the least: between two readings
    that can happen once. `folder` is the kernel's or a test's.
    """

    def __init__(self, folder: Path = POWERCAP) -> None:
        self.why_absent: str | None = None
        self.why_no_power: str | None = NO_POWER
        self._ranges: dict[Path, int] = {}
        self._last: dict[Path, int] = {}
        self._microjoules = 0
        try:
            # The children of a package (cores, graphics, memory) stand in the same folder: `:0:0`.
            zones = [zone for zone in sorted(folder.glob("intel-rapl:*")) if _is_package(zone)]
            self._ranges = {zone: _number(zone / "max_energy_range_uj") for zone in zones}
        except (OSError, ValueError) as error:
            self.why_absent = _in_words(error)
        if self.why_absent is None and not self._ranges:
            self.why_absent = f"no RAPL: {POWERCAP} names no package of the processor"

    def joules(self) -> float | None:
        """The sum of the packages now; None, from the first failure on, where one cannot be read."""
        if self.why_absent is not None:
            return None
        try:
            now = {zone: _number(zone / "energy_uj") for zone in self._ranges}
        except (OSError, ValueError) as error:
            self.why_absent = _in_words(error)
            return None
        for zone, reading in now.items():
            since = reading - self._last.get(zone, reading)
            self._microjoules += since + (self._ranges[zone] if since < 0 else 0)
        self._last = now
        return self._microjoules / 1e6

    def watts(self) -> None:
        """Nothing: see NO_POWER."""


def _is_package(zone: Path) -> bool:
    """`psys`, the whole machine, would count the packages a second time."""
    return (zone / "name").read_text().startswith("package")


def _number(file: Path) -> int:
    return int(file.read_text())


def _in_words(error: OSError | ValueError) -> str:
    if isinstance(error, PermissionError):
        return f"not permitted: RAPL under {POWERCAP} can be read by root alone"
    return f"RAPL cannot be read: {error}"
