"""Files of pytest-benchmark -> their benchmarks. Nothing in them is executed, nothing believed unchecked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs

from bench.archive import importers
from bench.archive.foreign_file import NO_JSON
from bench.archive.importers import pytest_benchmark_json
from bench.schema.plain_text import in_print
from bench.schema.pytest_json import SavedBenchmark, SavedSession
from models.errors import UserError
from reports.pytest_files.timed_benchmark import TimedBenchmark, timed

_MOST_SECONDS = 1e9
"""A median of thirty years is none."""


class PytestFile(Struct, frozen=True, kw_only=True):
    """One file.

    benchmarks  those with a figure; `left_out` are those without: reduced, or out of memory
    machine     as pytest-benchmark describes it, what is told of it
    """

    path: Path
    benchmarks: tuple[TimedBenchmark, ...]
    left_out: tuple[TimedBenchmark, ...] = ()
    machine: str = ""
    libraries: dict[str, str] = {}
    commit: str = ""
    taken_at: str = ""
    version: str = ""


def is_pytest_file(path: Path) -> bool:
    """Whether a path that was named is to be read as pytest-benchmark's: a file, and none of our records."""
    return path.is_file() and path.suffix != ".jsonl"


def read(path: Path) -> PytestFile:
    """Raises UserError, in one sentence, for what cannot be read or is no such file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        session = msgspec.json.decode(content, type=SavedSession)
    except NO_JSON as error:
        tool = importers.tool_of(content)
        if tool not in (None, pytest_benchmark_json.TOOL):
            raise UserError(
                f"{path} is a file of {tool}, which no report takes. `convbench archive import {path}` keeps "
                "it as series, and `convbench trend` shows them"
            ) from error
        raise UserError(
            f"{path} is no JSON file of pytest-benchmark: {error}. Give such a file, or a run folder"
        ) from error
    found = [_checked(each, path) for each in (*session.benchmarks, *session.failed)]
    if not found:
        raise UserError(f"{path} has no benchmarks")
    return PytestFile(
        path=path,
        benchmarks=tuple(each for each in found if each.outcome == "ok"),
        left_out=tuple(each for each in found if each.outcome != "ok"),
        machine=_machine(session.machine_info),
        libraries=_libraries(session.machine_info),
        commit=_text(session.commit_info.get("id"))[:12],
        taken_at=_text(session.datetime)[:19],
        version=_text(session.version),
    )


def read_all(paths: Sequence[Path], named: Callable[[Path], bool] = is_pytest_file) -> list[PytestFile]:
    """Those of some paths that are such files, each once."""
    return [read(path) for path in dict.fromkeys(paths) if named(path)]


def _checked(saved: SavedBenchmark, path: Path) -> TimedBenchmark:
    """UserError for times that no clock gives."""
    found = timed(saved, str(path))
    times = [*(saved.stats.data if saved.stats else ()), *found.medians]
    has_figure = saved.stats is not None
    if has_figure and (min(times) <= 0 or max(times) > _MOST_SECONDS or found.rounds < 1):
        raise UserError(f"{path} is damaged: {_text(saved.fullname)} has no possible time")
    if not has_figure and found.outcome == "ok":
        raise UserError(f"{path} is damaged: {_text(saved.fullname)} has no stats")
    return structs.replace(
        found,
        name=_text(found.name),
        fullname=_text(found.fullname),
        group=_text(found.group),
        reason=_text(found.reason),
    )


def _machine(info: dict[str, Any]) -> str:
    """`host, CPU`: as far as it is told."""
    cpu = info.get("cpu")
    brand = cpu.get("brand_raw") if isinstance(cpu, dict) else None
    return ", ".join(filter(None, (_text(info.get("node")), _text(brand))))


def _libraries(info: dict[str, Any]) -> dict[str, str]:
    """The versions that our plugin adds, and Python's."""
    ours = info.get("convbench")
    known = ours.get("libraries") if isinstance(ours, dict) else None
    found = (
        {_text(name): _text(version) for name, version in known.items()} if isinstance(known, dict) else {}
    )
    python = _text(info.get("python_version"))
    return ({"python": python} if python else {}) | found


def _text(value: object) -> str:
    """One line that a terminal prints as it is; empty for what is no text."""
    return in_print(value[:500]) if isinstance(value, str) else ""
