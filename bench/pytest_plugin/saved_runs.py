"""What pytest-benchmark's saved runs say of the machine and the code, and whether a comparison found any."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from bench.host import environment
from bench.pytest_plugin import measuring_mode

_SET_BY_TORCH = "TORCHINDUCTOR_CACHE_DIR"
"""Once something imports torch._dynamo: it says when the machine was described."""


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Describe the machine before torch is imported, which sets variables; find what is compared."""
    if measuring_mode.is_measured(config) and measuring_mode.asks_for_figures(config):
        environment.describe()
        _refuse_missing_runs(config)


def _refuse_missing_runs(config: pytest.Config) -> None:
    """pytest.UsageError where `--benchmark-compare` names no saved run."""
    session: Any = getattr(config, "_benchmarksession", None)
    named = session.compare
    if named and named is not True and hasattr(session.storage, "query") and not session.storage.query(named):
        raise pytest.UsageError(
            f"--benchmark-compare={named}: no saved run in {session.storage.path} has this name or number"
        )


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Make pytest-benchmark's machine info what stays the same between two runs of one machine.

    py-cpuinfo's clock rates are those of the moment (the advertised one too, where the CPU's name has none).
    The GPUs are the driver's answer: torch, and with it CUDA, is not touched.
    """
    cpu = machine_info["cpu"]
    machine_info["cpu"] = {key: value for key, value in cpu.items() if not key.startswith("hz_")}
    described = msgspec.to_builtins(environment.describe())
    # pytest-benchmark keeps the commit by itself; a new one does not make another machine.
    machine_info["convbench"] = {key: described[key] for key in described if key not in ("commit", "gpu")}
    described["variables"].pop(_SET_BY_TORCH, None)
    machine_info["gpus"] = _gpu_names()


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_commit_info(config: pytest.Config, commit_info: dict[str, Any]) -> None:
    """convbench's own commit, beside that of the folder in which pytest runs."""
    commit_info["convbench"] = environment.describe().commit


def _gpu_names() -> list[str]:
    """The GPUs that the driver lists, with its version; empty without a driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
        driver = pynvml.nvmlSystemGetDriverVersion()
        handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
        return [f"{pynvml.nvmlDeviceGetName(handle)}, driver {driver}" for handle in handles]
    except pynvml.NVMLError:
        return []


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail where a gate was asked for and no benchmark of this run is in the saved ones."""
    if list(_unmatched(session.config)) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say why."""
    for sentence in _unmatched(config):
        terminalreporter.write_line(f"convbench: {sentence}", red=True)
    for sentence in _unjudged(config):
        terminalreporter.write_line(f"convbench: {sentence}", yellow=True)


def _unmatched(config: pytest.Config) -> Iterator[str]:
    """In a sentence, that `--benchmark-compare-fail` had nothing to judge."""
    new, is_all = _not_saved(config)
    if new and is_all:
        yield f"nothing was compared, so --benchmark-compare-fail judged nothing: {_named(new)} is not saved"


def _unjudged(config: pytest.Config) -> Iterator[str]:
    """Likewise, what it judged nothing of."""
    new, is_all = _not_saved(config)
    if new and not is_all:
        yield f"--benchmark-compare-fail did not judge what is not saved: {_named(new)}"


def _named(benchmarks: Sequence[str]) -> str:
    return ", ".join(benchmarks[:3]) + (", ..." if len(benchmarks) > 3 else "")


def _not_saved(config: pytest.Config) -> tuple[list[str], bool]:
    """The benchmarks that a gate found in no saved run, and whether these are all; none without a gate."""
    session: Any = getattr(config, "_benchmarksession", None)
    if session is None or not session.compare_fail or not session.benchmarks:
        return [], False
    saved: Mapping[object, Iterable[str]] = session.compared_mapping or {}
    known = {name for names in saved.values() for name in names}
    new = [benchmark.fullname for benchmark in session.benchmarks if benchmark.fullname not in known]
    return new, len(new) == len(session.benchmarks)
