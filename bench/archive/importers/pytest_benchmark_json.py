"""The JSON of pytest-benchmark: the median of each benchmark's rounds, in s; machine, commit and date.

https://pytest-benchmark.readthedocs.io
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from bench.archive.foreign_file import NO_JSON, ForeignBenchmark, ForeignFile, distinct, one_line, time_of
from bench.schema.pytest_json import FAILED_BENCHMARKS, PLAIN_TIMERS
from bench.schema.record import Environment
from models.errors import UserError

TOOL = "pytest-benchmark"
HOLDS = "the JSON of --benchmark-json"
_NOT_MEASURED = ("reduced", "oom")
"""What our own plugin says of a benchmark without a figure."""


class _Stats(Struct):
    median: float


class _Benchmark(Struct):
    """One benchmark; `stats` is None of one that gave no figure."""

    fullname: str
    stats: _Stats | None = None
    options: dict[str, Any] = {}
    extra_info: dict[str, Any] = {}


class _File(Struct):
    """A session. `failed` is our own plugin's list."""

    benchmarks: list[_Benchmark]
    machine_info: dict[str, Any]
    failed: list[_Benchmark] = field(default_factory=list, name=FAILED_BENCHMARKS)
    commit_info: dict[str, Any] | None = None
    datetime: str = ""


class _BegunBenchmark(Struct):
    fullname: str


class _BegunFile(Struct):
    benchmarks: list[_BegunBenchmark]
    machine_info: dict[str, Any]


def is_of(content: bytes) -> bool:
    """By benchmarks with a machine: Google Benchmark has a `context`."""
    try:
        msgspec.json.decode(content, type=_BegunFile)
    except NO_JSON:
        return False
    return True


def read(content: bytes, path: Path) -> ForeignFile:
    """Raises UserError for any other file."""
    try:
        found = msgspec.json.decode(content, type=_File)
    except NO_JSON as error:
        raise UserError(f"{path} is no JSON file of pytest-benchmark: {error}") from error
    machine = _processor(found.machine_info)
    return ForeignFile(
        benchmarks=distinct((_benchmark(each, path) for each in (*found.benchmarks, *found.failed)), path),
        at=one_line(found.datetime),
        machine=machine,
        environment=_environment(found.machine_info, found.commit_info or {}, machine),
    )


def _benchmark(saved: _Benchmark, path: Path) -> ForeignBenchmark:
    timer = one_line(saved.options.get("timer"))
    name = one_line(saved.fullname if timer in PLAIN_TIMERS else f"{saved.fullname} [timer {timer}]")
    if saved.stats is None or saved.extra_info.get("status") in _NOT_MEASURED:
        return ForeignBenchmark(name=name, failed=True)
    return ForeignBenchmark(name=name, seconds=time_of(saved.stats.median, name, path))


def _processor(info: dict[str, Any]) -> str:
    """Its brand, under the name that the version of py-cpuinfo gives it."""
    cpu = info.get("cpu")
    brands = (cpu.get("brand_raw"), cpu.get("brand")) if isinstance(cpu, dict) else ()
    return next(filter(None, map(one_line, (*brands, info.get("processor")))), "")


def _environment(info: dict[str, Any], commit: dict[str, Any], machine: str) -> Environment:
    """What is not known is empty or 0."""
    cpu, ours = info.get("cpu"), info.get("convbench")
    cores = cpu.get("count") if isinstance(cpu, dict) else None
    libraries = ours.get("libraries") if isinstance(ours, dict) else None
    known = libraries if isinstance(libraries, dict) else {}
    identity = one_line(commit.get("id"))
    return Environment(
        host=one_line(info.get("node")),
        os="-".join(filter(None, map(one_line, (info.get("system"), info.get("release"))))),
        python=one_line(info.get("python_version")),
        cpu=machine,
        cores_physical=0,
        cores_usable=cores if isinstance(cores, int) and cores > 0 else 0,
        memory_bytes=0,
        gpu=None,
        libraries={one_line(name): one_line(version) for name, version in known.items()},
        variables={},
        commit=identity if identity not in ("", "unknown") else None,
    )
