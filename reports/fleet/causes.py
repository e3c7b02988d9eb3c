"""What may make a unit slow: facts in which it differs from its kind.

They are said as likely, never as proven: what is slow and hot may be hot for the reason for which it is slow.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from msgspec import Struct

from bench.schema.case_warnings import CONTENDED
from bench.stats.fleet_arithmetic import Array
from reports.fleet.fleet_records import FleetRecords, MeasuredUnit
from reports.fleet.judged_kinds import JudgedKind
from reports.fleet.slim_lines import SLOWDOWN, UnitReadings

CLOCK_LOWER = 0.02
"""By this share a clock differs from the kind's."""
SHARE_HIGHER = 0.05
"""So much more of its windows than those of its kind a unit spent slowed down, under a cap, or disturbed."""
DEGREES_HOTTER = 10.0
WATTS_LOWER = 1.0
MOST_SAID = 3
"""Causes of one unit in a sentence."""


class Cause(Struct, frozen=True):
    """`word` for programs: `sm-clock`; `words` for people: `SM clock 9% lower`."""

    word: str
    words: str


def in_words(causes: Sequence[Cause]) -> str:
    """`SM clock 9% lower, thermal slowdown in 41% of the windows`; empty where nothing is known."""
    return ", ".join(cause.words for cause in causes[:MOST_SAID])


class KindFacts:
    """What was read of the units of one kind, and their center."""

    def __init__(self, records: FleetRecords, kind: JudgedKind) -> None:
        rows = list(kind.rows)
        self.units = kind.units
        self._facts = {name: values[rows][:, list(kind.columns)] for name, values in records.facts.items()}
        self._lower = {name: _log_ratio(self._facts[name]) for name in ("sm_clock", "memory_clock")}
        capped = np.fmax(self._facts["power_cap_at_work"], self._facts["software_power_cap_share"])
        self._facts["power_cap"] = capped
        self._means = {name: _mean(values.reshape(len(rows), -1)) for name, values in self._facts.items()}
        self._means["temperature"] = _temperatures(self._means["temperature"], kind.units)
        self._middles = {name: _median(values) for name, values in self._means.items()}
        self._usual = _usual(kind.units)
        self._gpus = [unit.environment.gpu if unit.environment else None for unit in kind.units]

    def causes(self, at: int) -> tuple[Cause, ...]:
        """Of the unit at this place in the kind, what explains most first."""
        found = [*self._clocks(at), *self._slowdowns(at), *self._settings(at)]
        found += [*_errors(self.units[at].readings), *self._link(at), *self._heat(at), *self._host(at)]
        return tuple(found)

    def temperature(self, at: int) -> float | None:
        """The mean over its windows, in degrees Celsius."""
        return _known(self._means["temperature"][at])

    def clock(self, at: int) -> float | None:
        """The SM clock, a mean over its windows, in MHz."""
        return _known(self._means["sm_clock"][at])

    def _clocks(self, at: int) -> Iterator[Cause]:
        for name, words in (("sm_clock", "SM clock"), ("memory_clock", "memory clock")):
            lower = -np.expm1(self._lower[name][at])
            if lower >= CLOCK_LOWER:
                yield Cause(name.replace("_", "-"), f"{words} {lower:.0%} lower")

    def _slowdowns(self, at: int) -> Iterator[Cause]:
        if self._exceeds("thermal_slowdown_share", at):
            share = self._means["thermal_slowdown_share"][at]
            yield Cause("thermal-slowdown", f"thermal slowdown in {share:.0%} of the time")
        if self._exceeds(SLOWDOWN, at):
            share = self._means[SLOWDOWN][at]
            yield Cause("slowdown", f"the driver lowered clocks in {share:.0%} of the processes")
        if self._exceeds("power_cap", at):
            yield Cause("power-cap", f"at its power limit in {self._means['power_cap'][at]:.0%} of the time")

    def _settings(self, at: int) -> Iterator[Cause]:
        gpu, usual = self._gpus[at], self._usual.power_limit_watts
        if gpu is None:
            return
        limit = gpu.power_limit_watts
        if limit is not None and usual is not None and limit < usual - WATTS_LOWER:
            yield Cause("power-limit", f"power limit {limit:g} W, others {usual:g} W")
        for field, (word, words) in _SETTINGS.items():
            own, other = getattr(gpu, field), self._usual.settings[field]
            if own is not None and own != other:
                yield Cause(word, f"{words} {_value(own)}, others {_value(other)}")

    def _link(self, at: int) -> Iterator[Cause]:
        readings, usual = self.units[at].readings, self._usual
        if readings is None or readings.pcie is None:
            return
        link = readings.pcie
        if usual.pcie_width is not None and link.width < usual.pcie_width:
            yield Cause("pcie-width", f"PCIe x{link.width}, others x{usual.pcie_width:g}")
        if usual.pcie_generation is not None and link.generation < usual.pcie_generation:
            words = f"PCIe generation {link.generation}, others {usual.pcie_generation:g}"
            yield Cause("pcie-generation", words)

    def _heat(self, at: int) -> Iterator[Cause]:
        degrees = self._means["temperature"][at] - self._middles["temperature"]
        if degrees >= DEGREES_HOTTER:
            yield Cause("temperature", f"{degrees:.0f} °C hotter")

    def _host(self, at: int) -> Iterator[Cause]:
        """Of a processor who else used it, how many cores there are, and how its clocks are set."""
        unit = self.units[at]
        others, steal = self._means["others_share"][at], self._means["steal_share"][at]
        if others >= CONTENDED and self._exceeds("others_share", at):
            yield Cause("contended", f"other programs took {others:.0%} of the time of its threads")
        if self._exceeds("steal_share", at):
            yield Cause("steal", f"other virtual machines took {steal:.0%} of CPU time")
        cores = self._usual.cores
        if unit.environment and cores is not None and unit.environment.cores_usable < cores:
            yield Cause("cores", f"{unit.environment.cores_usable} usable cores, others {cores:g}")
        for field in _OF_PROCESSORS if unit.environment else ():
            own, other = getattr(unit.environment, field), self._usual.of_processors[field]
            if own is not None and other is not None and own != other:
                yield Cause(field, f"CPU {field} {_value(own)}, others {_value(other)}")

    def _exceeds(self, name: str, at: int) -> bool:
        """NaN exceeds nothing."""
        return bool(self._means[name][at] - self._middles[name] >= SHARE_HIGHER)


def _temperatures(in_windows: Array, units: Sequence[MeasuredUnit]) -> Array:
    """Of a unit whose windows have none, the one that was read last."""
    last = [unit.readings.temperature_celsius if unit.readings else None for unit in units]
    return np.where(np.isnan(in_windows), [np.nan if each is None else each for each in last], in_windows)


class _Usual(Struct, frozen=True, kw_only=True):
    """What most units of a kind have; None where it is not known."""

    power_limit_watts: float | None
    settings: dict[str, object]
    of_processors: dict[str, object]
    pcie_width: float | None
    pcie_generation: float | None
    cores: float | None


_SETTINGS = {
    "vbios": ("vbios", "VBIOS"),
    "ecc_mode": ("ecc-mode", "ECC"),
    "application_sm_clock_mhz": ("application-clock", "application clock"),
}
"""Field of `Gpu` -> a word for programs and one for people."""
_OF_PROCESSORS = ("governor", "turbo")
"""Fields of `Environment`, and the words for them."""


def _usual(units: Sequence[MeasuredUnit]) -> _Usual:
    environments = [unit.environment for unit in units if unit.environment]
    gpus = [environment.gpu for environment in environments if environment.gpu]
    links = [unit.readings.pcie for unit in units if unit.readings and unit.readings.pcie]
    return _Usual(
        power_limit_watts=_median_of(gpu.power_limit_watts for gpu in gpus),
        settings={field: _most_common([getattr(gpu, field) for gpu in gpus]) for field in _SETTINGS},
        of_processors={
            field: _most_common([getattr(each, field) for each in environments]) for field in _OF_PROCESSORS
        },
        pcie_width=_median_of(link.width for link in links),
        pcie_generation=_median_of(link.generation for link in links),
        cores=_median_of(environment.cores_usable for environment in environments),
    )


def _most_common(values: Sequence[object]) -> object:
    counted = Counter(values).most_common(1)
    return counted[0][0] if counted else None


def _value(value: object) -> str:
    return (
        "none" if value is None else str(value) if not isinstance(value, bool) else "on" if value else "off"
    )


def _errors(readings: UnitReadings | None) -> Iterator[Cause]:
    """Of memory: they are a sign of damage whatever the others have."""
    if readings is None:
        return
    errors, rows = readings.ecc_errors, readings.remapped_rows
    if errors is not None and errors.uncorrected_volatile + errors.uncorrected_aggregate:
        count = max(errors.uncorrected_volatile, errors.uncorrected_aggregate)
        yield Cause("ecc", f"{count:,} uncorrected ECC errors")
    elif errors is not None and errors.corrected_volatile:
        yield Cause("ecc", f"{errors.corrected_volatile:,} corrected ECC errors")
    if rows is not None and (rows.correctable or rows.uncorrectable or rows.pending or rows.failed):
        state = ", one not replaced" if rows.failed else ", a reset is pending" if rows.pending else ""
        count = rows.correctable + rows.uncorrectable
        yield Cause("remapped-rows", f"{count:,} remapped memory rows{state}")


def _log_ratio(values: Array) -> Array:
    """Of each unit, the mean over tests of log(unit / median of the units): whatever tests it has."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.where(values > 0, values, np.nan))
    tests = _mean(logs.reshape(-1, logs.shape[2])).reshape(logs.shape[:2])
    return _mean(tests - _median(tests))


def _mean(values: Array) -> Array:
    """Over the last axis, of what is known."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmean(values, axis=-1))


def _median(values: Array) -> Array:
    """Over the units, the first axis."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmedian(values, axis=0))


def _median_of(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
