"""What a fleet's report needs of a line of records: a fleet has hundreds of thousands, and few of their bytes
are looked at. What is the same in many lines is looked at once.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from functools import lru_cache

import msgspec
from msgspec import Raw, Struct

from bench import devices
from bench.schema.case import Case
from bench.schema.gpu_identity import EccErrors, PcieLink, RemappedRows
from bench.schema.migrations import decode_record, is_current
from bench.schema.network_fingerprint import NetworkFingerprint
from bench.schema.phases import whole
from bench.schema.record import Environment
from bench.schema.step_digest import StepDigest
from reports.summary.digests import Digested, digested

FACTS = (
    *("sm_clock", "memory_clock", "temperature"),
    *("thermal_slowdown_share", "software_power_cap_share", "power_cap_at_work"),
    *("steal_share", "others_share"),
)
"""Conditions in the window of a time that may explain it."""
SLOWDOWN = "slowdown"
"""A fact too: 1 where the record says that the GPU lowered its clocks, else 0."""
COLUMNS = (*FACTS, SLOWDOWN)
_PLACE_OF_FACT = {name: at for at, name in enumerate(FACTS)}
_UNKNOWN_FACTS = (math.nan,) * len(FACTS)
_NOTHING = Raw(b"null")


class _Measured(Struct, gc=False):
    """A `bench.schema.record.Measurement` whose numbers are not looked at yet."""

    phase: str
    metric: str
    samples: Raw
    disturbed: bool = False
    layer: Raw = _NOTHING
    product: Raw = _NOTHING
    windows: list[str] = []


class _Warned(Struct, gc=False):
    label: str


class UnitReadings(Struct, frozen=True, kw_only=True, gc=False):
    """Of `bench.schema.gpu_identity.GpuReadings` what may explain that a GPU is slow."""

    index: int | None = None
    temperature_celsius: int | None = None
    ecc_errors: EccErrors | None = None
    remapped_rows: RemappedRows | None = None
    pcie: PcieLink | None = None


class SlimLine(Struct, kw_only=True, gc=False):
    """A `bench.schema.record.Record`; what is `Raw` as it is written."""

    case: Raw
    status: str
    measurements: list[_Measured] = []
    environment: Raw = _NOTHING
    gpu_readings: Raw = _NOTHING
    fingerprint: Raw = _NOTHING
    step_digest: Raw = _NOTHING
    warnings: list[_Warned] = []
    started_at: str
    finished_at: str | None = None
    command: str | None = None


_lines = msgspec.json.Decoder(SlimLine)
_samples = msgspec.json.Decoder(list[float])
_readings = msgspec.json.Decoder(UnitReadings | None)
_environments = msgspec.json.Decoder(Environment | None)
_cases = msgspec.json.Decoder(Case)


def slim(encoded: bytes) -> SlimLine:
    """Of a line of today's schema or an older one. Raises as `bench.schema.migrations.decode_record`."""
    return _lines.decode(encoded if is_current(encoded) else msgspec.json.encode(decode_record(encoded)))


class Test(Struct, frozen=True):
    """What is timed, in which phase, by which clocks: the first that a record has."""

    case: Case
    phase: str
    clocks: tuple[str, ...]
    uses_gpu: bool


def environment_of(line: SlimLine) -> Environment | None:
    return _environments.decode(line.environment)


def readings_of(line: SlimLine) -> UnitReadings | None:
    return _readings.decode(line.gpu_readings)


def digested_of(line: SlimLine, test: Test) -> Digested | None:
    """The deterministic step that the line's process made, if it made one."""
    digest = _digest(bytes(line.step_digest))
    if digest is None:
        return None
    return digested(test.case, bytes(line.environment), _network(bytes(line.fingerprint)), digest)


@lru_cache(maxsize=4096)
def _digest(encoded: bytes) -> StepDigest | None:
    return msgspec.json.decode(encoded, type=StepDigest | None)


@lru_cache(maxsize=4096)
def _network(encoded: bytes) -> NetworkFingerprint | None:
    return msgspec.json.decode(encoded, type=NetworkFingerprint | None)


def test_of(case: Raw) -> tuple[Test | None, int]:
    """With the number of the process; None of what times no steps."""
    found = _cases.decode(case)
    phase = whole(found)
    if phase is None:
        return None, found.replicate
    uses_gpu = devices.traits(found.device).uses_gpu
    clocks = ("device_time", "wall_time") if uses_gpu else ("wall_time",)
    return Test(found.without_replicate(), phase, clocks, uses_gpu), found.replicate


def log_median(line: SlimLine, test: Test) -> tuple[float, str]:
    """The log of the median of the whole step's times, in s, and the clock; NaN where there is none."""
    if line.status == "ok":
        for clock in test.clocks:
            for found in line.measurements:
                if found.metric == clock and found.phase == test.phase and _counts(found):
                    middle = statistics.median(_samples.decode(found.samples) or [0.0])
                    return (math.log(middle) if middle > 0 else math.nan), clock
    return math.nan, ""


def _counts(found: _Measured) -> bool:
    """Of the whole network, from a window that is used."""
    return not found.disturbed and bytes(found.layer) == b"null" == bytes(found.product)


def facts_of(line: SlimLine, clock: str) -> Iterator[float]:
    """In the order of COLUMNS, of the clock's window; NaN where nothing was read."""
    facts = list(_UNKNOWN_FACTS)
    facts.append(float(any(each.label == SLOWDOWN for each in line.warnings)) if clock else math.nan)
    for found in line.measurements:
        if found.phase != "window" or found.metric not in _PLACE_OF_FACT:
            continue
        samples = _samples.decode(found.samples)
        if clock in found.windows:
            facts[_PLACE_OF_FACT[found.metric]] = samples[found.windows.index(clock)]
        elif samples and not found.windows:
            facts[_PLACE_OF_FACT[found.metric]] = samples[-1]
    return iter(facts)
