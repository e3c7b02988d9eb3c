"""Each case of an archive as a series of runs."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from bench.stats.run_series import SeriesPoint

BOUNDARIES = ("driver", "torch", "clock setting")
"""Conditions whose change is tested as a step of its own."""


class SeriesRun(Struct, frozen=True, kw_only=True):
    """A run of the archive, as the cases of one kind of machine see it.

    at          when it was measured, ISO 8601 in UTC: where the clock of its host was wrong, when it was added
    is_dated    False where the clock was wrong
    conditions  what may explain a step, by name: `driver`, `torch`, `clock setting`, `commit`, `host`, ...
    """

    digest: str
    label: str
    at: str
    is_dated: bool = True
    conditions: Mapping[str, str]


class CaseSeries(Struct, frozen=True, kw_only=True):
    """One case on one kind of machine.

    case         its id
    kind         the GPU's name, or the processor's of a case that runs on none
    fingerprint  of the network; a network that changed is another series
    origin       "" of our own measurements, else the tool: `timm`, `hyperfine`, `pytest-benchmark`
    runs         in the order of time; runs of one kind are shared between series
    points       one for each run
    """

    case: str
    model: str
    kind: str
    fingerprint: str
    origin: str = ""
    runs: tuple[SeriesRun, ...]
    points: tuple[SeriesPoint, ...]
