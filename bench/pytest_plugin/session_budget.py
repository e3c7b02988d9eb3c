"""`--convbench-budget`: a session's seconds, dealt out among the tests that wait for a measurement.

A case that needs more than its share is measured more briefly, and one for which even that is too long is
left out; the end of the session names both. With `--convbench-replicates` the run itself keeps to the budget.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from msgspec import structs

from bench.plan import estimate
from bench.pytest_plugin import gate_options, replicated_cases
from bench.schema.case import Case, MeasurementProtocol

_FEWEST = 3
_BRIEFEST_SECONDS = 0.1
FIXTURE = "convbench"


@dataclass
class SessionBudget:
    """seconds    of the whole session
    waiting     tests that have not asked for a measurement yet
    shortened   names of cases that were measured more briefly, in their order; left_out likewise
    """

    seconds: float
    clock: Callable[[], float] = time.monotonic
    waiting: int = 0
    shortened: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._end = self.clock() + self.seconds
        self._last: Case | None = None

    def deal(self, name: str, case: Case | None, protocol: MeasurementProtocol) -> MeasurementProtocol | None:
        """The protocol that the next measurement has time for, None for no time; `case` is None where its
        work is not known, as of a module."""
        left, waiting = self._end - self.clock(), max(1, self.waiting)
        self.waiting = waiting - 1
        if case is not None and case == self._last:
            return protocol  # another phase of the steps that were just taken
        self._last = None
        share = left / waiting
        if _seconds(case, protocol) <= share:
            self._last = case
            return protocol
        brief = _brief(protocol, share)
        if left <= 0 or _seconds(case, brief) > left:
            self.left_out.append(name)
            return None
        self.shortened.append(name)
        self._last = case
        return brief


def _seconds(case: Case | None, protocol: MeasurementProtocol) -> float:
    if case is None:
        return protocol.warmup_seconds + protocol.sampling_seconds
    return estimate.case_seconds(case, protocol)


def _brief(protocol: MeasurementProtocol, share: float) -> MeasurementProtocol:
    """With a third of the share for sampling and for warming up each, and as few samples as tell anything."""
    third = max(_BRIEFEST_SECONDS, share / 3)
    return structs.replace(
        protocol,
        warmup_steps=1,
        warmup_seconds=min(protocol.warmup_seconds, third),
        warmup_limit_seconds=min(protocol.warmup_limit_seconds, third),
        sampling_seconds=min(protocol.sampling_seconds, third),
        min_samples=min(protocol.min_samples, _FEWEST),
        fewest_samples=min(protocol.fewest_samples or _FEWEST, _FEWEST),
    )


BUDGET = pytest.StashKey[SessionBudget]()


def dealt(
    config: pytest.Config, name: str, case: Case | None, protocol: MeasurementProtocol
) -> MeasurementProtocol:
    """The protocol for a test's case; without a budget the one that was given. Skips the test where there is
    no time for it."""
    budget = config.stash.get(BUDGET, None)
    found = protocol if budget is None else budget.deal(name, case, protocol)
    if found is None:
        pytest.skip("--convbench-budget leaves no time for this case")
    return found


def pytest_collection_finish(session: pytest.Session) -> None:
    """The budget counts from here."""
    seconds = gate_options.of(session.config).budget
    if seconds is None or replicated_cases.of(session.config) is not None:
        return
    waiting = [item for item in session.items if FIXTURE in getattr(item, "fixturenames", ())]
    session.config.stash[BUDGET] = SessionBudget(seconds, waiting=len(waiting))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name what the budget changed."""
    budget = config.stash.get(BUDGET, None)
    for what, names in (
        ("measured more briefly", budget.shortened if budget else ()),
        ("left out", budget.left_out if budget else ()),
    ):
        if names:
            terminalreporter.write_line(f"convbench: --convbench-budget: {what}: {', '.join(names)}")
