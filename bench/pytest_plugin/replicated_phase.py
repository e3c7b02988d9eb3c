"""A phase of a case of which several processes were measured, as a benchmark of pytest-benchmark."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bench.pytest_plugin import playback, round_counts
from bench.pytest_plugin.benchmarked import Benchmarked
from bench.pytest_plugin.replicated_cases import ReplicatedCases
from bench.pytest_plugin.timed_phase import name_benchmark
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.phases import PHASES, whole
from models.errors import UserError

NO_MODULE = (
    "with --convbench-replicates other processes build the network, and they cannot build this module: "
    "name it as FILE.py:FUNCTION, a function that returns it"
)


def refuse_module(run: ReplicatedCases) -> None:
    """Raise UserError: a module lives in pytest's process alone."""
    if run.is_noting:
        pytest.skip("measured in no other process")
    raise UserError(NO_MODULE)


def time_phase(
    request: pytest.FixtureRequest,
    run: ReplicatedCases,
    case: Case,
    named: str | None,
    protocol: MeasurementProtocol,
) -> Benchmarked:
    """The figures over the processes; their medians are the rounds of pytest-benchmark.

    While cases are noted the test ends here. Raises UserError where no process has figures.
    """
    if run.is_noting:
        in_force = round_counts.protocol_in_force(protocol, request.config)
        run.note(case, in_force)
        pytest.skip("noted")
    found = run.find(case, named)
    phase = next(each for each in PHASES if each == (named or whole(case)))
    benchmark: Any = request.getfixturevalue("benchmark")
    name_benchmark(benchmark, case, phase)
    playback.play(benchmark, found.seconds)
    benchmark.extra_info.update(
        case=msgspec.to_builtins(case),
        status="ok",
        batch=case.batch,
        phase=phase,
        processes=found.processes,
        interval=found.ends,
        interval_scope="across-processes",
        warnings=found.warnings,
        flops=found.work,
        **run.described(case, phase),
    )
    return found
