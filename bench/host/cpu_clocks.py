"""How the clocks of the processor are set, as far as the kernel says; virtual machines hide it."""

from __future__ import annotations

from pathlib import Path

CPUS = Path("/sys/devices/system/cpu")


def governor(cpus: Path = CPUS) -> str | None:
    """What decides how clocks follow the load, `performance`; where cores differ, all of them. None where the
    kernel does not say."""
    found = {_text(file) for file in cpus.glob("cpu[0-9]*/cpufreq/scaling_governor")}
    return ", ".join(sorted(filter(None, found))) or None


def turbo(cpus: Path = CPUS) -> bool | None:
    """Whether clocks may go above the base clock. None where the kernel does not say."""
    no_turbo, boost = _text(cpus / "intel_pstate" / "no_turbo"), _text(cpus / "cpufreq" / "boost")
    if no_turbo is not None:
        return no_turbo != "1"
    return None if boost is None else boost != "0"


def _text(file: Path) -> str | None:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return None
