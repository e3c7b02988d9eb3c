"""A session with `--convbench-replicates`: noting, measuring, comparing, and what pytest then exits with.

What a test measures is known only when it runs. So each test that uses the fixture `convbench` runs twice:
first up to its call, which makes the case known; then all cases are measured in rounds; at last to its end.
Measuring at each call would not need that, but all processes of a case would then meet the same minute of the
machine, and what is slow in that minute would look like a slow case.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from _pytest.runner import runtestprotocol

from bench.pytest_plugin import gate_options, kept_runs, measuring_mode, replicated_cases, session_gate
from bench.pytest_plugin.replicated_cases import RUN, ReplicatedCases
from bench.pytest_plugin.session_gate import SessionVerdict
from models.errors import UserError

if TYPE_CHECKING:
    from bench.runner.events import Progress

BASE = pytest.StashKey[Path]()
VERDICT = pytest.StashKey[SessionVerdict]()
FIXTURE = "convbench"


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Find the folders before anything runs: what is missing is said at once."""
    config, options = session.config, gate_options.of(session.config)
    if options.replicates is None or config.option.collectonly:
        return
    if not config.pluginmanager.hasplugin("benchmark"):
        raise pytest.UsageError(
            "--convbench-replicates needs pytest-benchmark: pip install 'convbench[pytest]'"
        )
    if not measuring_mode.is_measured(config):
        raise pytest.UsageError(
            "--convbench-replicates measures, and benchmarks are disabled: omit --benchmark-disable or "
            "--benchmark-skip, or add --benchmark-enable"
        )
    base = kept_runs.compared_with(options, config)
    if base is not None:
        session_gate.check_base(base)
        config.stash[BASE] = base
    config.stash[RUN] = ReplicatedCases(options, kept_runs.new_folder(options, config))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Note the cases and measure them; pytest's own loop follows."""
    run = replicated_cases.of(session.config)
    if run is None or (session.testsfailed and not session.config.option.continue_on_collection_errors):
        return
    _note([item for item in session.items if FIXTURE in getattr(item, "fixturenames", ())])
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    lines = _Lines(reporter)
    if run.cases:
        lines.say(f"convbench: {run.announced()}")
    try:
        run.measure(lines.told)
    except UserError as error:
        raise pytest.UsageError(str(error)) from error


def _note(items: Sequence[pytest.Item]) -> None:
    """Run each test up to what it measures; nothing of that is reported."""
    for item, following in zip(items, [*items[1:], None], strict=True):
        runtestprotocol(item, log=False, nextitem=following)


class _Lines:
    """A line for each round."""

    def __init__(self, reporter: pytest.TerminalReporter | None) -> None:
        self._reporter = reporter
        self._round = 0

    def say(self, line: str) -> None:
        if self._reporter is not None:
            self._reporter.ensure_newline()
            self._reporter.write_line(line)

    def told(self, event: Progress) -> None:
        number = event.round.number if event.round is not None else 0
        if number != self._round:
            self._round = number
            self.say(f"convbench: round {number}, {event.done} of {event.total} processes measured")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Compare, and fail the session where the gate does or nothing could be compared."""
    config, run = session.config, replicated_cases.of(session.config)
    if run is None or run.is_noting:
        return
    base, verdict = config.stash.get(BASE, None), SessionVerdict()
    if base is not None and not run.cases:
        verdict = SessionVerdict(reasons=(session_gate.NO_NETWORK,))
    elif base is not None and run.is_measured:
        verdict = session_gate.judge(base, run.folder, run.options.fail_on)
    config.stash[VERDICT] = verdict
    if verdict.reasons and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if run.is_measured and not verdict.reasons:
        kept_runs.keep_as_base(run.folder)


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Iterator[None]:
    """Below the table the comparison as `convbench compare` shows it, and why the gate fails."""
    try:
        return (yield)
    finally:
        verdict = config.stash.get(VERDICT, SessionVerdict())
        for line in _summary(config, verdict):
            terminalreporter.write_line(line)
        for reason in verdict.reasons:
            terminalreporter.write_line(f"convbench: gate: {reason}", red=True)


def _summary(config: pytest.Config, verdict: SessionVerdict) -> Iterator[str]:
    run = replicated_cases.of(config)
    if run is None or not run.is_measured:
        return
    yield ""
    shortened = list(run.shortened())
    if shortened:
        yield f"convbench: --convbench-budget shortened or left out: {', '.join(shortened)}"
    if not verdict.lines:
        yield f"convbench: processes kept in {run.folder}; convbench report {run.folder}"
    yield from verdict.lines
