"""hyperfine's JSON: for each command statistics over its runs, in s.

A command's value is its median. hyperfine takes off the time of a shell, so a fast command may have 0. It
writes the file of a command that failed only if told to ignore failures: such a time is not believed.
https://github.com/sharkdp/hyperfine
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from bench.archive.foreign_file import NO_JSON, ForeignBenchmark, ForeignFile, distinct, one_line, time_of
from bench.stats.estimates import median
from models.errors import UserError

TOOL = "hyperfine"
HOLDS = "the JSON of --export-json"


class _Result(Struct):
    """A command. `median` is missing in files of old versions, `times` where they were left out; an exit code
    is None where a signal ended the command."""

    command: str
    mean: float
    median: float | None = None
    times: list[float] | None = None
    exit_codes: list[int | None] = []
    parameters: dict[str, Any] = {}


class _File(Struct):
    results: list[_Result]


class _BegunResult(Struct):
    command: str
    mean: float | None


class _BegunFile(Struct):
    results: list[_BegunResult]


def is_of(content: bytes) -> bool:
    """By commands with a mean."""
    try:
        return bool(msgspec.json.decode(content, type=_BegunFile).results)
    except NO_JSON:
        return False


def read(content: bytes, path: Path) -> ForeignFile:
    """Raises UserError for any other file."""
    try:
        found = msgspec.json.decode(content, type=_File)
    except NO_JSON as error:
        raise UserError(f"{path} is no JSON file of hyperfine: {error}") from error
    return ForeignFile(benchmarks=distinct((_benchmark(each, path) for each in found.results), path))


def _benchmark(result: _Result, path: Path) -> ForeignBenchmark:
    name = _name(result)
    if any(code != 0 for code in result.exit_codes):
        return ForeignBenchmark(name=name, failed=True)
    value = result.median
    if value is None:
        value = median(result.times) if result.times else result.mean
    return ForeignBenchmark(name=name, seconds=time_of(value, name, path))


def _name(result: _Result) -> str:
    """The command, or what --command-name called it, with its parameters: a command need not contain them."""
    parameters = ", ".join(f"{one_line(name)}={_shown(value)}" for name, value in result.parameters.items())
    return one_line(f"{result.command} [{parameters}]" if parameters else result.command)


def _shown(value: object) -> str:
    return one_line(value if isinstance(value, str) else str(value))
